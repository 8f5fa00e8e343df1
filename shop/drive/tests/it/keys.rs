//! A key takes effect once, however many requests carry it at the same time.

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_under_one_key_are_one_request() {
    let world = std::sync::Arc::new(World::start().await);
    for (path, body) in [
        ("/orders", json!({"customer": "ana", "lines": [{"sku": "mate", "quantity": 1}]})),
        ("/wallets/ana/deposits", json!({"amount": 7})),
        ("/stock/mate/deliveries", json!({"quantity": 3})),
    ] {
        let mut asked = JoinSet::new();
        for _ in 0..24 {
            let (world, body) = (std::sync::Arc::clone(&world), body.clone());
            asked.spawn(async move { world.post(path, "one-key", &body).await });
        }
        let mut answers: Vec<(u16, Value)> = Vec::new();
        while let Some(answer) = asked.join_next().await {
            let answer = answer.unwrap();
            assert!(answer.headers.contains_key("location"));
            answers.push((answer.status.as_u16(), answer.json().unwrap()));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{path}: {answers:?}");
        // The same request laid out otherwise is the same; another one is not.
        let spaced = serde_json::to_string_pretty(&body).unwrap();
        let again = world.ask(Method::POST, path, Some("one-key"), &spaced).await;
        assert_eq!((again.status.as_u16(), again.json::<Value>().unwrap()), answers[0]);
        let other = json!({"customer": "ana", "lines": [{"sku": "mate", "quantity": 2}]});
        let other = match path {
            "/orders" => other,
            "/wallets/ana/deposits" => json!({"amount": 8}),
            _ => json!({"quantity": 4}),
        };
        let refused = world.post(path, "one-key", &other).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.json::<Value>().unwrap()["code"], "idempotency-key-reused");
    }
    assert_eq!(world.get("/orders").await["orders"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("/stock/mate").await["on_hand"], 1_003);
    let world = std::sync::Arc::into_inner(world).unwrap();
    world.stop().await;
}
