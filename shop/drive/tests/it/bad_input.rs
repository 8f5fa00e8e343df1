//! Bad input is answered with a problem that says what is wrong, and changes nothing.

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_request_has_its_problem() {
    let world = World::start().await;
    let line = |sku: &str, quantity: &str| {
        format!(r#"{{"customer":"ana","lines":[{{"sku":"{sku}","quantity":{quantity}}}]}}"#)
    };
    let many =
        json!({"customer": "ana", "lines": vec![json!({"sku": "mate", "quantity": 1}); 101]}).to_string();
    let orders: Vec<(String, u16, &str)> = vec![
        (String::new(), 400, "malformed-json"),
        ("{".into(), 400, "malformed-json"),
        ("{\"customer\":\"ana\",}".into(), 400, "malformed-json"),
        ("[1]".into(), 422, "wrong-shape"),
        (r#"{"customer":"ana"}"#.into(), 422, "wrong-shape"),
        (r#"{"customer":7,"lines":[]}"#.into(), 422, "wrong-shape"),
        (r#"{"customer":"ana","lines":[],"gift":true}"#.into(), 422, "wrong-shape"),
        (r#"{"customer":"ana","lines":[]}"#.into(), 422, "lines-out-of-range"),
        (many, 422, "lines-out-of-range"),
        (
            r#"{"customer":"ana maria","lines":[{"sku":"mate","quantity":1}]}"#.into(),
            422,
            "customer-malformed",
        ),
        (line("matte", "1"), 422, "unknown-sku"),
        (line("mate", "0"), 422, "quantity-out-of-range"),
        (line("mate", "-1"), 422, "quantity-out-of-range"),
        (line("mate", "1000001"), 422, "quantity-out-of-range"),
        (line("mate", "9223372036854775807"), 422, "quantity-out-of-range"),
        (line("mate", "1e30"), 422, "wrong-shape"),
        (line("mate", "1.5"), 422, "wrong-shape"),
        (line("mate", "\"2\""), 422, "wrong-shape"),
        ("[".repeat(10_000), 400, "malformed-json"),
        ("x".repeat(10 * 1024 * 1024), 413, "body-too-large"),
    ];
    let others = [
        ("/wallets/ana/deposits", r#"{"amount":0}"#, 422, "amount-out-of-range"),
        ("/wallets/ana/deposits", r#"{"amount":-5}"#, 422, "amount-out-of-range"),
        ("/wallets/ana/deposits", r#"{"amount":9000000000000000000}"#, 422, "amount-out-of-range"),
        ("/wallets/ana/deposits", r#"{"amount":1000000000000000}"#, 422, "amount-out-of-range"),
        ("/wallets/ana/deposits", r#"{"money":1}"#, 422, "wrong-shape"),
        ("/wallets/a%20b/deposits", r#"{"amount":1}"#, 422, "customer-malformed"),
        ("/products/mate/price", r#"{"amount":0}"#, 422, "amount-out-of-range"),
        ("/products/mate/price", r#"{"amount":-5}"#, 422, "amount-out-of-range"),
        ("/products/mate/price", r#"{"amount":9000000000000000000}"#, 422, "amount-out-of-range"),
        ("/products/mate/price", r#"{"price":1}"#, 422, "wrong-shape"),
        ("/products/matte/price", r#"{"amount":1}"#, 404, "unknown-sku"),
        ("/stock/mate/deliveries", r#"{"quantity":0}"#, 422, "quantity-out-of-range"),
        ("/stock/mate/deliveries", r#"{"quantity":-1}"#, 422, "quantity-out-of-range"),
        ("/stock/matte/deliveries", r#"{"quantity":1}"#, 404, "unknown-sku"),
    ];
    let orders = orders.iter().map(|(body, status, code)| ("/orders", body.as_str(), *status, *code));
    for (path, body, status, code) in orders.chain(others) {
        let method = if path.ends_with("/price") { Method::PUT } else { Method::POST };
        let answer = world.ask(method, path, Some("k"), body).await;
        let problem: Value = answer.json().unwrap_or_default();
        let shown = &body[..body.len().min(60)];
        assert_eq!(
            (answer.status.as_u16(), &problem["code"]),
            (status, &json!(code)),
            "{path} {shown}: {problem}"
        );
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status);
    }
    let unkeyed = world.ask(Method::POST, "/orders", None, &line("mate", "1")).await;
    assert_eq!(unkeyed.json::<Value>().unwrap()["code"], "idempotency-key-missing");
    for (path, status, code) in [
        ("/orders/none", 404, "unknown-order"),
        ("/orders/none?wait=1s", 404, "unknown-order"),
        ("/orders/none?wait=soon", 400, "malformed-query"),
        ("/orders?status=DONE", 400, "malformed-query"),
        ("/orders?limit=-1", 400, "malformed-query"),
        ("/orders?page=2", 400, "malformed-query"),
        ("/products/matte", 404, "unknown-sku"),
        ("/stock/matte", 404, "unknown-sku"),
        ("/wallets/nobody", 404, "unknown-customer"),
        ("/wallets/ana?after=x", 400, "malformed-query"),
        ("/nothing", 404, "unknown-path"),
    ] {
        let answer = world.ask(Method::GET, path, None, "").await;
        assert_eq!(answer.json::<Value>().unwrap()["code"], code, "{path}");
        assert_eq!(answer.status, status, "{path}");
    }
    // A key that was only refused is still free, and nothing of all this took effect.
    assert_eq!(world.get("/orders").await["orders"], json!([]));
    assert_eq!(world.order("k", "ana", "mate", 1).await["status"], "CONFIRMED");
    assert_eq!(world.get("/wallets/ana").await["movements"].as_array().unwrap().len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_in_the_middle_changes_nothing() {
    let world = World::start().await;
    let address = world.base.trim_start_matches("http://").to_owned();
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\nidempotency-key: gone\r\ncontent-length: 90\r\n\r\n{\"customer\"";
    for cut in [head.len() / 2, head.len()] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(&head.as_bytes()[..cut]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    assert_eq!(world.get("/orders").await["orders"], json!([]));
    world.stop().await;
}
