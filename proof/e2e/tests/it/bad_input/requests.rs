//! Requests that ask for nonsense: each has its problem, and none of them has an effect.

use serde_json::json;

use super::wire::{ask, ended, order, orders_of, written};
use crate::shop::Shop;

const KEY: (&str, &str) = ("idempotency-key", "bad");

fn line(sku: &str, quantity: &str) -> String {
    format!(r#"{{"customer":"ana","lines":[{{"sku":"{sku}","quantity":{quantity}}}]}}"#)
}

#[test]
fn every_bad_request_is_told_what_is_wrong_and_changes_nothing() {
    let shop = Shop::new();
    let _up = shop.open();
    let many =
        |count| json!({"customer": "ana", "lines": vec![json!({"sku": "mate", "quantity": 1}); count]});
    let orders: &[(String, u16, &str)] = &[
        (String::new(), 400, "malformed-json"),
        ("{".into(), 400, "malformed-json"),
        ("{\"customer\":\"ana\",}".into(), 400, "malformed-json"),
        ("{\"customer\":\"\u{0}\"}".into(), 400, "malformed-json"),
        ("[".repeat(50_000), 400, "malformed-json"),
        (format!("{}x", order("ana")), 400, "malformed-json"),
        ("null".into(), 422, "wrong-shape"),
        ("[1]".into(), 422, "wrong-shape"),
        (r#"{"customer":"ana"}"#.into(), 422, "wrong-shape"),
        (r#"{"customer":7,"lines":[]}"#.into(), 422, "wrong-shape"),
        (r#"{"customer":"ana","lines":{}}"#.into(), 422, "wrong-shape"),
        (r#"{"customer":"ana","lines":[],"gift":true}"#.into(), 422, "wrong-shape"),
        (line("mate", "\"2\""), 422, "wrong-shape"),
        (line("mate", "1.5"), 422, "wrong-shape"),
        (line("mate", "null"), 422, "wrong-shape"),
        (line("mate", "1e30"), 422, "wrong-shape"),
        (line("mate", "9223372036854775808"), 422, "wrong-shape"),
        (line("mate", "99999999999999999999999999"), 422, "wrong-shape"),
        (line("mate", "0"), 422, "quantity-out-of-range"),
        (line("mate", "-1"), 422, "quantity-out-of-range"),
        (line("mate", "-9223372036854775808"), 422, "quantity-out-of-range"),
        (line("mate", "9223372036854775807"), 422, "quantity-out-of-range"),
        (line("mate", "1000001"), 422, "quantity-out-of-range"),
        (line("matte", "1"), 422, "unknown-sku"),
        (line("", "1"), 422, "unknown-sku"),
        (line("' OR 1=1 --", "1"), 422, "unknown-sku"),
        (order(""), 422, "customer-malformed"),
        (order("ana maria"), 422, "customer-malformed"),
        (order(&"a".repeat(10_000)), 422, "customer-malformed"),
        (r#"{"customer":"ana","lines":[]}"#.into(), 422, "lines-out-of-range"),
        (many(101).to_string(), 422, "lines-out-of-range"),
        (many(1_500).to_string(), 422, "lines-out-of-range"),
    ];
    for (body, status, code) in orders {
        ask(&shop, written("POST", "/orders", &[KEY], body)).is_problem(*status, code);
    }
    for (path, body, status, code) in [
        ("/wallets/ana/deposits", r#"{"amount":0}"#, 422, "amount-out-of-range"),
        ("/wallets/ana/deposits", r#"{"amount":-5}"#, 422, "amount-out-of-range"),
        ("/wallets/ana/deposits", r#"{"amount":9223372036854775807}"#, 422, "amount-out-of-range"),
        ("/wallets/ana/deposits", r#"{"amount":9223372036854775808}"#, 422, "wrong-shape"),
        ("/wallets/ana/deposits", r#"{"amount":"7"}"#, 422, "wrong-shape"),
        ("/wallets/ana/deposits", r#"{"amount"#, 400, "malformed-json"),
        ("/wallets/a%20b/deposits", r#"{"amount":1}"#, 422, "customer-malformed"),
        ("/stock/mate/deliveries", r#"{"quantity":0}"#, 422, "quantity-out-of-range"),
        ("/stock/mate/deliveries", r#"{"quantity":-1}"#, 422, "quantity-out-of-range"),
        ("/stock/mate/deliveries", r#"{"quantity":9223372036854775807}"#, 422, "quantity-out-of-range"),
        ("/stock/matte/deliveries", r#"{"quantity":1}"#, 404, "unknown-sku"),
    ] {
        ask(&shop, written("POST", path, &[KEY], body)).is_problem(status, code);
    }
    for (path, status, code) in [
        ("/orders/none", 404, "unknown-order"),
        ("/orders/none?wait=1s", 404, "unknown-order"),
        ("/orders/none?wait=soon", 400, "malformed-query"),
        ("/orders/none?wait=-1s", 400, "malformed-query"),
        ("/orders?status=DONE", 400, "malformed-query"),
        ("/orders?limit=-1", 400, "malformed-query"),
        ("/orders?limit=99999999999999999999", 400, "malformed-query"),
        ("/orders?page=2", 400, "malformed-query"),
        ("/products/matte", 404, "unknown-sku"),
        ("/stock/matte", 404, "unknown-sku"),
        ("/wallets/nobody", 404, "unknown-customer"),
        ("/wallets/ana?after=x", 400, "malformed-query"),
    ] {
        ask(&shop, written("GET", path, &[], "")).is_problem(status, code);
    }

    // A key that was only refused is free, and nothing of all this took effect.
    assert_eq!(orders_of(&shop, "ana"), 0);
    let wallet = shop.get("/wallets/ana").unwrap().body;
    assert_eq!(wallet["movements"].as_array().unwrap().len(), 1, "{wallet}");
    let stock = shop.get("/stock/mate").unwrap().body;
    assert_eq!((&stock["on_hand"], &stock["reserved"]), (&json!(1_000), &json!(0)));
    let accepted = ask(&shop, written("POST", "/orders", &[KEY], &order("ana")));
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert_eq!(ended(&shop, accepted.header("location").unwrap()), "CONFIRMED");

    // Whether a customer is known is the business of payments: the order is accepted, and turns back.
    let unknown = ask(&shop, written("POST", "/orders", &[("idempotency-key", "nobody")], &order("nobody")));
    assert_eq!(unknown.status, 202, "{unknown:?}");
    assert_eq!(ended(&shop, unknown.header("location").unwrap()), "CANCELLED");
    // As much as one order may have, and more than anybody pays.
    let huge =
        ask(&shop, written("POST", "/orders", &[("idempotency-key", "huge")], &line("mate", "1000000")));
    assert_eq!(huge.status, 202, "{huge:?}");
    assert_eq!(ended(&shop, huge.header("location").unwrap()), "CANCELLED");
    let stock = shop.get("/stock/mate").unwrap().body;
    assert_eq!((&stock["on_hand"], &stock["reserved"]), (&json!(1_000), &json!(1)));
}

#[test]
fn headers_that_make_no_sense_are_refused_by_name() {
    let shop = Shop::new();
    let _up = shop.open();
    let missing = ask(&shop, written("POST", "/orders", &[], &order("ana")));
    missing.is_problem(400, "idempotency-key-missing");
    assert_eq!(missing.json()["header"], "idempotency-key");
    let long = "k".repeat(256);
    for key in ["", "two words", "\u{e9}", long.as_str()] {
        let answer = ask(&shop, written("POST", "/orders", &[("idempotency-key", key)], &order("ana")));
        answer.is_problem(400, "malformed-header");
        assert_eq!(answer.json()["header"], "idempotency-key");
    }
    let twice = written("POST", "/orders", &[KEY, KEY], &order("ana"));
    ask(&shop, twice).is_problem(400, "malformed-header");
    for (name, value) in
        [("mamparo-timeout-ms", "soon"), ("mamparo-timeout-ms", "0"), ("mamparo-timeout-ms", "-1")]
    {
        ask(&shop, written("POST", "/orders", &[KEY, (name, value)], &order("ana")))
            .is_problem(400, "malformed-header");
    }
    // What only observes never stops a request: a trace that cannot be read is begun anew.
    for trace in ["rubbish", "00-00000000000000000000000000000000-0000000000000000-01", ""] {
        let answer = ask(&shop, written("GET", "/products", &[("traceparent", trace)], ""));
        assert_eq!(answer.status, 200, "{trace}: {answer:?}");
    }
    assert_eq!(orders_of(&shop, "ana"), 0);
}
