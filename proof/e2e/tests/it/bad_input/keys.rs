//! One key is one request, however many clients carry it at the same time, and across a crash.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use super::wire::{Wire, ask, deposit, ended, order, orders_of, written};
use crate::plan::Victim;
use crate::shop::Shop;

const CLIENTS: usize = 32;

/// What the clients are answered that send the same request at the same moment.
fn at_once(shop: &Shop, request: &str) -> Vec<(u16, Option<String>, Value)> {
    let barrier = Barrier::new(CLIENTS);
    thread::scope(|threads| {
        let asked: Vec<_> = (0..CLIENTS)
            .map(|_| {
                threads.spawn(|| {
                    let mut wire = Wire::to(shop);
                    let (last, rest) = request.split_at(request.len() - 1);
                    wire.send(last);
                    barrier.wait();
                    wire.send(rest);
                    let answer = wire.answer();
                    (answer.status, answer.header("location").map(str::to_owned), answer.json())
                })
            })
            .collect();
        asked.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn one_key_is_one_order_however_many_carry_it() {
    let shop = Shop::new();
    let up = shop.open();
    deposit(&shop, "keyed", 1_000_000_000);
    let key = [("idempotency-key", "one-key")];
    for (path, body, other) in [
        ("/orders", order("keyed"), order("ana")),
        ("/wallets/keyed/deposits", r#"{"amount":7}"#.into(), r#"{"amount":8}"#.into()),
        ("/stock/bombilla/deliveries", r#"{"quantity":3}"#.into(), r#"{"quantity":4}"#.into()),
    ] {
        let answers = at_once(&shop, &written("POST", path, &key, &body));
        assert!(matches!(answers[0].0, 201 | 202), "{path}: {:?}", answers[0]);
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{path}: {answers:?}");
        // Laid out otherwise it is the same request; with another body it is not.
        let spaced = body.replace(':', " : ").replace(',', ",\n  ");
        let again = ask(&shop, written("POST", path, &key, &spaced));
        assert_eq!((again.status, again.json()), (answers[0].0, answers[0].2.clone()), "{path}");
        ask(&shop, written("POST", path, &key, &other)).is_problem(422, "idempotency-key-reused");
        ask(&shop, written("POST", path, &[], &body)).is_problem(400, "idempotency-key-missing");
    }
    ask(&shop, written("POST", "/wallets/other/deposits", &key, r#"{"amount":7}"#))
        .is_problem(422, "idempotency-key-reused");
    assert_eq!((orders_of(&shop, "keyed"), orders_of(&shop, "ana")), (1, 0));
    assert_eq!(shop.get("/stock/bombilla").unwrap().body["on_hand"], 1_003);
    let placed =
        shop.post_until_answered("/orders", "one-key", &serde_json::from_str(&order("keyed")).unwrap());
    let location = placed.location.unwrap();
    assert_eq!(ended(&shop, &location), "CONFIRMED");
    let wallet = shop.get("/wallets/keyed").unwrap().body;
    assert_eq!(wallet["balance"]["amount"], 1_000_000_007 - 1_250_000, "{wallet}");

    // A key that another process took before it was killed is still taken.
    up.kill(Victim::Orders);
    let again = shop.post_until_answered(
        "/orders",
        "one-key",
        &json!({"customer": "keyed", "lines": [{"sku": "mate", "quantity": 1}]}),
    );
    assert_eq!((again.status, again.location), (202, Some(location)));
    let other = shop.post_until_answered(
        "/orders",
        "one-key",
        &json!({"customer": "keyed", "lines": [{"sku": "mate", "quantity": 2}]}),
    );
    assert_eq!(other.status, 422);
}
