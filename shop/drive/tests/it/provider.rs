//! The card provider charges once under a key, never under a closed one, and remembers both; and the payments find
//! out what became of a charge that another life of theirs had sent.

use std::time::Duration;

use http::Method;
use mamparo_context::Context;
use mamparo_shop_drive::audit;
use mamparo_shop_drive::invariants::charges_conserved;
use mamparo_shop_drive::shop::Shop;
use serde_json::{Value, json};

use crate::world::{LONG, World};

async fn post(world: &World, path: &str, key: &str, body: Value) -> (u16, Value) {
    let cx = Context::root().with_idempotency_key(key.parse().unwrap());
    let body = Some(body.to_string().into());
    let answer = world.provider.call(&cx, Method::POST, path, body, LONG).await.unwrap();
    (answer.status.as_u16(), answer.json().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_charged_once_and_never_after_it_was_closed() {
    let world = World::start().await;
    let charge = |amount: i64| json!({"amount": amount, "currency": "ARS", "order": "o-1"});
    for (path, key, body, status, says) in [
        ("/charges", "o-1/payment/do", charge(5), 201, json!("charged")),
        ("/charges", "o-1/payment/do", charge(5), 201, json!("charged")),
        ("/charges", "o-1/payment/do", charge(6), 422, json!(422)),
        ("/refunds", "r-1", json!({"charge": "o-1/payment/do"}), 200, json!("refunded")),
        ("/refunds", "r-1", json!({"charge": "o-1/payment/do"}), 200, json!("refunded")),
        ("/charges", "o-1/payment/do", charge(5), 409, json!(409)),
        ("/refunds", "r-2", json!({"charge": "o-2/payment/do"}), 200, json!("voided")),
        ("/charges", "o-2/payment/do", charge(5), 409, json!(409)),
        ("/charges", "o-3/payment/do", charge(0), 422, json!(422)),
        ("/charges", "o-3/payment/do", charge(1_000_000_000_000), 402, json!(402)),
    ] {
        let (got, answer) = post(&world, path, key, body).await;
        assert_eq!((got, &answer["status"]), (status, &says), "{path} {key}: {answer}");
    }
    let charges = audit::charges(&Shop::new(&world.provider_base).unwrap()).await.unwrap();
    let standing: Vec<(&str, &str)> =
        charges.iter().map(|charge| (charge.key.as_str(), charge.status.as_str())).collect();
    assert_eq!(standing, [("o-1/payment/do", "refunded"), ("o-2/payment/do", "voided")]);
    let nonsense = json!({"error_percent": 60, "timeout_percent": 60}).to_string();
    let answer = world
        .provider
        .call(&Context::root(), Method::POST, "/behaviour", Some(nonsense.into()), LONG)
        .await
        .unwrap();
    assert_eq!(answer.status, 422);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_another_life_sent_is_found_and_not_repeated() {
    let world = World::start().await;
    world.behave(json!({"timeout_percent": 100})).await;
    let body = json!({"customer": "ana", "lines": [{"sku": "mate", "quantity": 1}]});
    let answer = world.post("/orders", "k-1", &body).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let provider = Shop::new(&world.provider_base).unwrap();
    while audit::charges(&provider).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    // Everything stops while the charge is made and not answered; the provider is healthy when it starts again.
    let folder = world.stop().await;
    let world = World::with(folder, Duration::from_secs(30)).await;
    assert_eq!(world.finished(&location).await["status"], "CONFIRMED");
    let charges = audit::charges(&Shop::new(&world.provider_base).unwrap()).await.unwrap();
    let orders = audit::orders(&world.shop).await.unwrap();
    let finding = charges_conserved(&charges, &orders);
    assert!(finding.holds && charges.len() == 1, "{finding:?} {charges:?}");
    world.stop().await;
}
