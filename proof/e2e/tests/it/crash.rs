//! The crash run: real processes, killed at random moments in the middle of work, a hundred times; then every order
//! that was accepted has ended, and money and stock are conserved to the unit.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mamparo_context::Random;
use serde_json::{Value, json};

use crate::books::{self, Ended};
use crate::plan::{self, Victim};
use crate::shop::{Patience, Shop, Up};

const KILLS: usize = 100;
const CLIENTS: u64 = 8;
/// Each client rests this long between two orders.
const PACE: Duration = Duration::from_millis(20);

/// What the clients share with the one who kills.
#[derive(Default)]
struct Work {
    next: AtomicU64,
    /// Orders that were accepted and have not ended.
    in_flight: AtomicUsize,
    is_over: AtomicBool,
    placed: Mutex<Vec<Placed>>,
}

/// An order that was accepted, and how it ended.
struct Placed {
    number: u64,
    location: String,
    order: Value,
}

/// Places orders one after the other and waits for the end of each.
fn client(shop: &Shop, seed: u64, work: &Work) {
    while !work.is_over.load(Ordering::SeqCst) {
        let number = work.next.fetch_add(1, Ordering::SeqCst);
        let answer = shop.post_until_answered("/orders", &key(seed, number), &plan::order(seed, number));
        assert_eq!(answer.status, 202, "{}", answer.body);
        let location = answer.location.expect("an accepted order has a location");
        work.in_flight.fetch_add(1, Ordering::SeqCst);
        let order = wait_for_end(shop, &location);
        work.in_flight.fetch_sub(1, Ordering::SeqCst);
        work.placed.lock().unwrap().push(Placed { number, location, order });
        thread::sleep(PACE);
    }
}

fn key(seed: u64, number: u64) -> String {
    format!("crash-{seed}-{number}")
}

fn wait_for_end(shop: &Shop, location: &str) -> Value {
    let patience = Patience::begin();
    while patience.is_left() {
        let answer = shop.get_until_answered(&format!("{location}?wait=2s"));
        assert_eq!(answer.status, 200, "{location} was returned: {}", answer.body);
        if answer.body["status"] != "PENDING" {
            return answer.body;
        }
    }
    panic!("{location} never ended\n{}", shop.log());
}

/// Kills what the plan says, each time only once there is work to be killed in.
fn kill(shop: &Shop, mut up: Up, seed: u64, work: &Work) -> (Up, BTreeMap<Victim, usize>) {
    let mut killed = BTreeMap::new();
    for kill in plan::kills(seed, KILLS) {
        let is_time = || work.in_flight.load(Ordering::SeqCst) > 0;
        let victim = up.kill_at_work(&kill.victims, kill.life, is_time);
        *killed.entry(victim).or_default() += 1;
        if victim == Victim::Up {
            // Nothing outlives it, and another one goes on with the same data.
            up.gone();
            up = shop.up();
        }
    }
    (up, killed)
}

fn prepare(shop: &Shop, seed: u64) {
    for (customer, amount) in plan::customers() {
        let path = format!("/wallets/{customer}/deposits");
        let answer = shop.post_until_answered(
            &path,
            &format!("deposit-{seed}-{customer}"),
            &json!({"amount": amount}),
        );
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
    }
    for sku in plan::SKUS {
        let path = format!("/stock/{sku}/deliveries");
        let answer = shop.post_until_answered(
            &path,
            &format!("delivery-{seed}-{sku}"),
            &json!({"quantity": plan::DELIVERED}),
        );
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
    }
}

fn stock(shop: &Shop) -> BTreeMap<&'static str, (i64, i64)> {
    let of = |sku| {
        let stock = shop.get_until_answered(&format!("/stock/{sku}")).body;
        (sku, (stock["on_hand"].as_i64().unwrap(), stock["reserved"].as_i64().unwrap()))
    };
    plan::SKUS.into_iter().map(of).collect()
}

/// What the API says once everything has come to rest.
fn check(shop: &Shop, seed: u64, before: &BTreeMap<&str, (i64, i64)>, placed: &[Placed]) -> Ended {
    let mut spent: BTreeMap<String, i64> = BTreeMap::new();
    let mut sold: BTreeMap<String, i64> = BTreeMap::new();
    let mut ended = Ended::new();
    for Placed { number, location, order } in placed {
        let id = order["id"].as_str().unwrap();
        assert_eq!(location, &format!("/orders/{id}"));
        let again = shop.post_until_answered("/orders", &key(seed, *number), &plan::order(seed, *number));
        assert_eq!(
            (again.status, again.location.as_ref()),
            (202, Some(location)),
            "the same key, another order"
        );
        let total = order["total"]["amount"].as_i64().unwrap();
        let is_confirmed = match order["status"].as_str() {
            Some("CONFIRMED") => true,
            Some("CANCELLED") => false,
            _ => panic!("{order}"),
        };
        assert!(
            ended.insert(id.to_owned(), is_confirmed.then_some(total)).is_none(),
            "{id} was accepted twice"
        );
        if is_confirmed {
            *spent.entry(order["customer"].as_str().unwrap().to_owned()).or_default() += total;
            for line in order["lines"].as_array().unwrap() {
                let sku = line["sku"].as_str().unwrap().to_owned();
                *sold.entry(sku).or_default() += line["quantity"].as_i64().unwrap();
            }
        }
    }
    for (customer, deposited) in plan::customers() {
        let wallet = shop.get_until_answered(&format!("/wallets/{customer}")).body;
        let left = deposited - spent.get(&customer).copied().unwrap_or(0);
        assert_eq!(wallet["balance"]["amount"], left, "{customer}: {wallet}");
    }
    for (sku, (on_hand, reserved)) in stock(shop) {
        let (on_hand_before, reserved_before) = before[sku];
        let out = sold.get(sku).copied().unwrap_or(0);
        let free = (on_hand_before - reserved_before) - (on_hand - reserved);
        assert_eq!(free, out, "{sku}: {on_hand} on hand, {reserved} reserved");
    }
    let pending = shop.get_until_answered("/orders?status=PENDING").body;
    assert_eq!(pending["orders"], json!([]), "{pending}");
    ended
}

#[test]
fn nothing_that_was_acknowledged_is_lost() {
    let seed = match std::env::var("MAMPARO_SEED") {
        Ok(seed) => seed.parse().expect("MAMPARO_SEED is a number"),
        Err(_) => Random::system().next_u64(),
    };
    println!("MAMPARO_SEED={seed} repeats the plan of this run");
    let (shop, work) = (Shop::new(), Work::default());
    let up = shop.up();
    prepare(&shop, seed);
    let before = stock(&shop);
    let (up, killed) = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(&shop, seed, &work));
        }
        // Clients must come to an end also when the one who kills does not.
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kill(&shop, up, seed, &work)));
        work.is_over.store(true, Ordering::SeqCst);
        killed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let placed = work.placed.into_inner().unwrap();
    let ended = check(&shop, seed, &before, &placed);
    let confirmed = ended.values().flatten().count();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in placed.iter().filter_map(|placed| placed.order["reason"].as_str()) {
        *reasons.entry(reason).or_default() += 1;
    }
    println!(
        "killed {killed:?}; {} orders accepted, {confirmed} confirmed, cancelled {reasons:?}",
        ended.len()
    );
    assert!(confirmed > 0 && confirmed < ended.len(), "the plan has orders of both kinds");
    let (took, code) = up.stop();
    assert!(took < Duration::from_secs(10), "stopping took {took:?}");
    assert_eq!(code, Some(0), "{}", shop.log());
    books::check(&shop.data(), &ended);
}
