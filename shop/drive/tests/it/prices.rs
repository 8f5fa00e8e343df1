//! A price that was changed holds for whoever orders from then on, and for nobody who has ordered before.

use http::Method;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_keeps_the_price_at_which_it_was_placed() {
    let world = World::start().await;
    let before = world.order("a", "ana", "mate", 2).await;
    assert_eq!(before["total"]["amount"], 2_500_000);

    let change = |key: &'static str, amount: i64| {
        let (world, body) = (&world, json!({"amount": amount}).to_string());
        async move { world.ask(Method::PUT, "/products/mate/price", Some(key), &body).await }
    };
    let changed = change("p", 1_300_000).await;
    assert_eq!(changed.status, 200);
    let changed: Value = changed.json().unwrap();
    assert_eq!(changed["price"]["amount"], 1_300_000);
    assert_eq!(world.get("/products/mate").await, changed);
    let products = world.get("/products").await;
    assert!(products["products"].as_array().unwrap().contains(&changed), "{products}");

    let after = world.order("b", "ana", "mate", 2).await;
    assert_eq!(after["total"]["amount"], 2_600_000);
    // The request that was answered before the change is answered the same after it.
    let body = json!({"customer": "ana", "lines": [{"sku": "mate", "quantity": 2}]});
    let again = world.post("/orders", "a", &body).await;
    assert_eq!(again.json::<Value>().unwrap()["total"]["amount"], 2_500_000);
    assert_eq!(world.get(&format!("/orders/{}", before["id"].as_str().unwrap())).await, before);

    // A change that comes late once more does not undo the one after it.
    assert_eq!(change("q", 1_400_000).await.status, 200);
    assert_eq!(change("p", 1_300_000).await.json::<Value>().unwrap(), changed);
    assert_eq!(world.get("/products/mate").await["price"]["amount"], 1_400_000);
    assert_eq!(change("q", 1).await.json::<Value>().unwrap()["code"], "idempotency-key-reused");
    let folder = world.stop().await;
    let world = World::with(folder, std::time::Duration::from_secs(30)).await;
    assert_eq!(world.get("/products/mate").await["price"]["amount"], 1_400_000, "also after a restart");
    world.stop().await;
}
