//! Clients that take their time: each is given up after what the configuration says, whatever it has sent so far,
//! and nobody else notices.

use std::thread;

use super::wire::{Wire, ask, order, orders_of, written};
use crate::shop::Shop;

const LIMITS: (&str, &str) =
    ("\ngateway:\n", "\ngateway:\n  limits: {header_time: 400ms, body_idle: 400ms, idle: 600ms}\n");

#[test]
fn slow_clients_are_given_up_and_cost_nobody_else_anything() {
    let shop = Shop::with(&[LIMITS]);
    let _up = shop.open();
    let whole = written("POST", "/orders", &[("idempotency-key", "slow")], &order("slow"));
    let body = whole.find("{").unwrap();
    thread::scope(|threads| {
        for cut in [1, 20, body - 4, body - 1] {
            let (shop, part) = (&shop, &whole[..cut]);
            threads.spawn(move || {
                let mut wire = Wire::to(shop);
                wire.send(part);
                wire.answer().is_problem(408, "header-timeout");
                assert!(wire.next().is_none());
            });
        }
        for cut in [body, body + 1, whole.len() - 1] {
            let (shop, part) = (&shop, &whole[..cut]);
            threads.spawn(move || {
                let mut wire = Wire::to(shop);
                wire.send(part);
                wire.answer().is_problem(408, "body-timeout");
                assert!(wire.next().is_none());
            });
        }
        // Drop by drop does not help: a header has one time, from its first byte to its last.
        threads.spawn(|| {
            let mut wire = Wire::to(&shop);
            for byte in whole.as_bytes() {
                wire.send_what_is_taken(&[*byte]);
                if wire.has_answer_within(std::time::Duration::from_millis(30)) {
                    break;
                }
            }
            wire.answer().is_problem(408, "header-timeout");
        });
        // Who connects and says nothing, or nothing more, is left without an answer.
        threads.spawn(|| assert!(Wire::to(&shop).next().is_none()));
        threads.spawn(|| {
            let mut wire = Wire::to(&shop);
            wire.send(written("GET", "/products", &[], ""));
            assert_eq!(wire.answer().status, 200);
            assert!(wire.next().is_none());
        });
        threads.spawn(|| {
            for _ in 0..20 {
                assert_eq!(ask(&shop, written("GET", "/products", &[], "")).status, 200);
            }
        });
    });
    assert_eq!(orders_of(&shop, "slow"), 0, "half an order was placed");
    let placed = ask(&shop, whole);
    assert_eq!(placed.status, 202, "{placed:?}");
}
