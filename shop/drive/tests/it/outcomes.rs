//! Orders come to every end there is, and money, stock and charges are conserved.

use std::time::Duration;

use mamparo_shop_drive::invariants::{all_final, charges_conserved, money_conserved, stock_conserved};
use mamparo_shop_drive::shop::Shop;
use mamparo_shop_drive::{Options, audit, drive};
use serde_json::json;

use crate::world::World;

async fn conserved(world: &World) {
    let provider = Shop::new(&world.provider_base).unwrap();
    let orders = audit::orders(&world.shop).await.unwrap();
    let mut shelves = Vec::new();
    for sku in ["bombilla", "mate", "thermos", "yerba-1kg"] {
        shelves.push(audit::shelf(&world.shop, sku).await.unwrap());
    }
    let mut wallets = Vec::new();
    for customer in ["ana", "bruno", "carla"] {
        wallets.push(audit::wallet(&world.shop, customer).await.unwrap());
    }
    let charges = audit::charges(&provider).await.unwrap();
    let own: Vec<_> = orders
        .iter()
        .filter(|order| wallets.iter().any(|wallet| wallet.customer == order.customer))
        .cloned()
        .collect();
    for finding in [
        all_final(&orders),
        money_conserved(&wallets, &own),
        stock_conserved(&shelves, &orders),
        charges_conserved(&charges, &orders),
    ] {
        assert!(finding.holds, "{finding:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_confirmed_or_cancelled_with_a_reason() {
    let world = World::start().await;
    let order = world.order("k-1", "ana", "mate", 2).await;
    assert_eq!(order["status"], "CONFIRMED", "{order}");
    assert_eq!(order["total"], json!({"amount": 2_500_000, "currency": "ARS"}));
    assert_eq!(order["history"][0]["event"], "OrderPlaced");
    assert_eq!(order["history"][1]["event"], "OrderConfirmed");
    for (key, customer, sku, quantity, reason) in [
        ("k-2", "ana", "thermos", 1_000, "not enough money"),
        ("k-3", "nobody", "mate", 1, "unknown customer"),
        ("k-4", "ana", "thermos", 1_000_000, "not enough money"),
    ] {
        let order = world.order(key, customer, sku, quantity).await;
        assert_eq!((&order["status"], &order["reason"]), (&json!("CANCELLED"), &json!(reason)), "{order}");
    }
    world.post("/wallets/bruno/deposits", "d-1", &json!({"amount": 10_000_000_000_i64})).await;
    let order = world.order("k-5", "bruno", "thermos", 1_001).await;
    assert_eq!(order["reason"], "no stock of thermos", "{order}");
    world.post("/wallets/carla/deposits", "d-2", &json!({"amount": 900_000_000_000_i64})).await;
    let order = world.order("k-6", "carla", "thermos", 100_000).await;
    assert_eq!(order["reason"], "card declined", "{order}");
    let wallet = world.get("/wallets/ana").await;
    assert_eq!(wallet["balance"]["amount"], 100_000_000 - 2_500_000);
    let kinds: Vec<&str> =
        wallet["movements"].as_array().unwrap().iter().filter_map(|one| one["kind"].as_str()).collect();
    assert_eq!(kinds, ["deposit", "payment"]);
    let wallet = world.get("/wallets/bruno").await;
    assert_eq!(wallet["balance"]["amount"], 100_000_000 + 10_000_000_000_i64);
    assert_eq!(world.get("/stock/mate").await, json!({"sku": "mate", "on_hand": 1_000, "reserved": 2}));
    conserved(&world).await;

    // Everything is there after a new start, and the first start happens once.
    let folder = world.stop().await;
    let world = World::with(folder, Duration::from_secs(30)).await;
    assert_eq!(world.get("/wallets/ana").await["balance"]["amount"], 100_000_000 - 2_500_000);
    assert_eq!(world.get("/stock/mate").await["reserved"], 2);
    assert_eq!(
        world.order("k-1", "ana", "mate", 2).await["id"],
        world.get("/orders").await["orders"][0]["id"]
    );
    conserved(&world).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_fails_and_keeps_silent_charges_once() {
    let world = World::start().await;
    world.behave(json!({"error_percent": 30, "timeout_percent": 20, "latency_ms": 1})).await;
    let placed: Vec<_> = (0..12)
        .map(|number| {
            let customer = ["ana", "bruno", "carla"][number % 3];
            let body = json!({"customer": customer, "lines": [{"sku": "yerba-1kg", "quantity": 1}]});
            (format!("k-{number}"), body)
        })
        .collect();
    let mut locations = Vec::new();
    for (key, body) in &placed {
        let answer = world.post("/orders", key, body).await;
        locations.push(answer.headers["location"].to_str().unwrap().to_owned());
    }
    for location in &locations {
        let order = world.finished(location).await;
        assert_eq!(order["status"], "CONFIRMED", "{order}");
    }
    conserved(&world).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_turns_back_when_the_provider_is_down_for_too_long() {
    let world = World::with(tempfile::tempdir().unwrap(), Duration::from_secs(2)).await;
    world.behave(json!({"down": true})).await;
    let order = world.order("k-1", "ana", "mate", 1).await;
    assert_eq!(order["reason"], "payment did not answer in time", "{order}");
    // A charge that succeeded and was never answered is in doubt when the order turns back: it is given back.
    world.behave(json!({"timeout_percent": 100})).await;
    let body = json!({"customer": "ana", "lines": [{"sku": "mate", "quantity": 1}]});
    let answer = world.post("/orders", "k-2", &body).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let order = world.get(&format!("{location}?wait=4s")).await;
    assert_eq!(order["status"], "PENDING", "{order}");
    world.behave(json!({})).await;
    assert_eq!(world.finished(&location).await["reason"], "payment did not answer in time");
    assert_eq!(world.order("k-3", "ana", "mate", 1).await["status"], "CONFIRMED");
    conserved(&world).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_ends_as_it_was_planned() {
    let world = World::start().await;
    let mut options = Options::new(&world.base, 200);
    options.provider = Some(world.provider_base.clone());
    options.concurrency = 16;
    options.seed = Some(7);
    let report = drive(options).await.unwrap();
    assert!(report.holds(), "{report}");
    assert_eq!((report.accepted, report.confirmed + report.cancelled), (200, 200));
    assert!(report.expected.no_money > 0 && report.expected.no_stock > 0);
    println!("{report}");
    world.stop().await;
}
