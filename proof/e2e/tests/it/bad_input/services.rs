//! Services that are killed or frozen in the middle of a request: the client is told in time to come again, never
//! that something is wrong inside, and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::wire::{Wire, ask, deposit, ended, eventually, order, orders_of, written};
use crate::plan::Victim;
use crate::shop::{Patience, Shop};

/// How many requests the gateway has under way.
fn in_flight(shop: &Shop) -> u64 {
    let metrics = shop.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("mamparo_proxy_requests_in_flight "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

#[test]
fn a_service_that_is_killed_in_the_middle_is_a_503_or_a_retry() {
    let shop = Shop::new();
    let up = shop.open();
    deposit(&shop, "midway", 1_000_000_000);
    for round in 0..3 {
        let key = format!("midway-{round}");
        let post = written("POST", "/orders", &[("idempotency-key", &key)], &order("midway"));
        let _frozen = up.freeze(Victim::Orders);
        let before = in_flight(&shop);
        let (posted, got) = thread::scope(|threads| {
            let posted = threads.spawn(|| ask(&shop, &post));
            let got = threads.spawn(|| ask(&shop, written("GET", "/orders?customer=midway", &[], "")));
            eventually(&shop, "both requests are under way", || in_flight(&shop) >= before + 2);
            up.kill(Victim::Orders);
            (posted.join().unwrap(), got.join().unwrap())
        });
        // It may have had an effect: it is not sent again, and the client, which has a key, is told so.
        assert!(matches!(posted.status, 202 | 503), "{posted:?}");
        if posted.status == 503 {
            posted.is_proper_problem();
        }
        // What changes nothing is asked again, as long as somebody may come back.
        assert!(matches!(got.status, 200 | 503), "{got:?}");
        let placed = shop.post_until_answered(
            "/orders",
            &key,
            &json!({"customer": "midway", "lines": [{"sku": "mate", "quantity": 1}]}),
        );
        assert_eq!(placed.status, 202);
        assert_eq!(ended(&shop, &placed.location.unwrap()), "CONFIRMED");
        assert_eq!(orders_of(&shop, "midway"), round + 1);
    }
}

#[test]
fn killing_every_service_under_load_never_shows_and_loses_nothing() {
    const CLIENTS: usize = 4;
    let shop = Shop::new();
    let up = shop.open();
    deposit(&shop, "loaded", 100_000_000_000);
    let (over, accepted) = (AtomicBool::new(false), AtomicUsize::new(0));
    let locations: BTreeSet<String> = thread::scope(|threads| {
        let (shop, over, accepted) = (&shop, &over, &accepted);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                threads.spawn(move || {
                    let mut locations = Vec::new();
                    for number in 0.. {
                        if over.load(Ordering::SeqCst) {
                            break;
                        }
                        let key = format!("loaded-{client}-{number}");
                        let request =
                            written("POST", "/orders", &[("idempotency-key", &key)], &order("loaded"));
                        let location = loop {
                            let asked = Patience::begin();
                            let answer = ask(shop, &request);
                            assert!(asked.elapsed() < Duration::from_secs(10), "{answer:?}");
                            if answer.status == 202 {
                                break answer.header("location").unwrap().to_owned();
                            }
                            assert_eq!(answer.status, 503, "{answer:?}\n{}", shop.log());
                            answer.is_proper_problem();
                            thread::sleep(Duration::from_millis(20));
                        };
                        accepted.fetch_add(1, Ordering::SeqCst);
                        locations.push(location);
                    }
                    locations
                })
            })
            .collect();
        for victim in [Victim::Orders, Victim::Payments, Victim::Orders, Victim::Inventory, Victim::Provider]
        {
            let before = accepted.load(Ordering::SeqCst);
            eventually(shop, "orders are accepted", || accepted.load(Ordering::SeqCst) >= before + 5);
            up.kill(victim);
        }
        over.store(true, Ordering::SeqCst);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(locations.len(), accepted.load(Ordering::SeqCst));
    for location in &locations {
        assert_eq!(ended(&shop, location), "CONFIRMED", "{location}");
    }
    let wallet = shop.get_until_answered("/wallets/loaded").body;
    let spent = i64::try_from(locations.len()).unwrap() * 1_250_000;
    assert_eq!(wallet["balance"]["amount"], 100_000_000_000 - spent, "{wallet}");
}

#[test]
fn a_service_that_stands_still_is_a_504_in_time_and_comes_back() {
    let shop = Shop::with(&[("public: true}", "public: true, answer_timeout: 500ms}")]);
    let up = shop.open();
    let get = written("GET", "/wallets/ana", &[], "");
    let deposit =
        written("POST", "/wallets/ana/deposits", &[("idempotency-key", "still")], r#"{"amount":5}"#);
    let frozen = up.freeze(Victim::Payments);
    let asked = Patience::begin();
    ask(&shop, &get).is_problem(504, "service-timeout");
    ask(&shop, &deposit).is_problem(504, "service-timeout");
    // A client may be in more of a hurry than the route.
    let hurried = written("GET", "/wallets/ana", &[("mamparo-timeout-ms", "50")], "");
    ask(&shop, hurried).is_problem(504, "deadline-passed");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    // The others go on: the order is accepted, and waits for who stands still.
    let placed = ask(&shop, written("POST", "/orders", &[("idempotency-key", "still")], &order("ana")));
    assert_eq!(placed.status, 202, "{placed:?}");
    let location = placed.header("location").unwrap();
    let pending = shop.get(&format!("{location}?wait=100ms")).unwrap();
    assert_eq!((pending.status, &pending.body["status"]), (200, &json!("PENDING")));
    let pid = frozen.pid();
    drop(frozen);
    assert_eq!(ended(&shop, location), "CONFIRMED");
    let mut wire = Wire::to(&shop);
    wire.send(&deposit);
    assert_eq!(wire.answer().status, 201);
    let wallet = shop.get("/wallets/ana").unwrap().body;
    assert_eq!(wallet["balance"]["amount"], 100_000_000 + 5 - 1_250_000, "{wallet}");
    assert_eq!(up.find(Victim::Payments), Some(pid), "it was started again though it had not ended");

    // What was asked of one that stands still may take effect later; its key makes it one order all the same.
    let again = written("POST", "/orders", &[("idempotency-key", "later")], &order("later"));
    let frozen = up.freeze(Victim::Orders);
    for _ in 0..3 {
        ask(&shop, &again).is_problem(504, "service-timeout");
    }
    drop(frozen);
    let placed = ask(&shop, &again);
    assert_eq!(placed.status, 202, "{placed:?}");
    assert_eq!(orders_of(&shop, "later"), 1);
}
