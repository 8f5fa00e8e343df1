//! Clients that go away in the middle: the order is there whole or not at all, and asking again under its key says
//! which.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::wire::{Wire, deposit, ended, orders_of, written};
use crate::shop::Shop;

const CUSTOMER: &str = "goner";

#[test]
fn whoever_goes_away_leaves_a_whole_order_or_none() {
    let shop = Shop::new();
    let _up = shop.open();
    deposit(&shop, CUSTOMER, 1_000_000_000);
    let body = json!({"customer": CUSTOMER, "lines": [{"sku": "mate", "quantity": 1}]}).to_string();
    let mut keys = Vec::new();
    let mut never_whole = 0;
    for (number, round) in (0..3).flat_map(|round| (0..12).map(move |number| (number, round))) {
        let key = format!("gone-{round}-{number}");
        let whole = written("POST", "/orders", &[("idempotency-key", &key)], &body);
        let cut = if number < 6 { whole.len() } else { whole.len() - 1 - (number - 6) * 20 };
        never_whole += usize::from(cut < whole.len());
        let mut wire = Wire::to(&shop);
        wire.send(&whole[..cut]);
        match round {
            // Hangs up, says politely that there is no more, or hangs up with a reset.
            0 => drop(wire),
            1 => wire.finish(),
            _ => wire.reset(),
        }
        keys.push(key);
    }
    assert!(shop.get_until_answered(&format!("/orders?customer={CUSTOMER}")).body["orders"].is_array());
    let at_once = orders_of(&shop, CUSTOMER);
    assert!(
        at_once <= keys.len() - never_whole,
        "{at_once} orders, of which {never_whole} were never sent whole"
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut locations = BTreeSet::new();
    for key in &keys {
        let answer = shop.post_until_answered("/orders", key, &body);
        assert_eq!(answer.status, 202, "{key}: {}", answer.body);
        locations.insert(answer.location.unwrap());
    }
    assert_eq!(locations.len(), keys.len(), "two keys are one order");
    assert_eq!(orders_of(&shop, CUSTOMER), keys.len(), "one key is two orders");
    for location in &locations {
        assert_eq!(ended(&shop, location), "CONFIRMED");
    }
    // Who goes away while waiting for an order leaves nothing behind either.
    let location = locations.first().unwrap();
    for _ in 0..50 {
        Wire::to(&shop).send(written("GET", &format!("{location}?wait=10s"), &[], ""));
    }
    assert_eq!(shop.get(location).unwrap().status, 200);
}
