//! Requests that hide another one inside: whatever a service might have read, the gateway refuses what can be read
//! in two ways, and answers nothing after it.

use super::wire::{Wire, ask, order, orders_of, written};
use crate::shop::Shop;

#[test]
fn nothing_rides_along() {
    let shop = Shop::new();
    let _up = shop.open();
    let hidden = written("POST", "/orders", &[("idempotency-key", "hidden")], &order("ana"));
    let chunked = format!("0\r\n\r\n{hidden}");
    let framings: &[(String, &str)] = &[
        (format!("content-length: {}\r\ntransfer-encoding: chunked", chunked.len()), "ambiguous-framing"),
        (format!("transfer-encoding: chunked\r\ncontent-length: {}", chunked.len()), "ambiguous-framing"),
        ("content-length: 0\r\ncontent-length: 5".into(), "ambiguous-framing"),
        ("content-length: 0, 5".into(), "ambiguous-framing"),
        ("content-length: +5".into(), "ambiguous-framing"),
        ("content-length: -1".into(), "ambiguous-framing"),
        ("content-length: 0x5".into(), "ambiguous-framing"),
        ("content-length: 99999999999999999999999".into(), "ambiguous-framing"),
        ("transfer-encoding: xchunked".into(), "coding-not-supported"),
        ("transfer-encoding: chunked, identity".into(), "coding-not-supported"),
        ("transfer-encoding: gzip, chunked".into(), "coding-not-supported"),
        ("transfer-encoding:\u{b}chunked".into(), ""),
        ("transfer-encoding : chunked".into(), "malformed-request"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked".into(), ""),
        (" transfer-encoding: chunked".into(), "malformed-request"),
        ("x: 1\r\n transfer-encoding: chunked".into(), "malformed-request"),
        ("x: 1\ntransfer-encoding: chunked".into(), "malformed-request"),
        ("x\u{0}: 1".into(), "malformed-request"),
    ];
    for (framing, code) in framings {
        let mut wire = Wire::to(&shop);
        wire.send_what_is_taken(
            format!(
                "POST /orders HTTP/1.1\r\nhost: shop\r\nidempotency-key: front\r\n{framing}\r\n\r\n{chunked}"
            )
            .as_bytes(),
        );
        let answer = wire.answer();
        answer.is_proper_problem();
        assert!(matches!(answer.status, 400 | 501), "{framing}: {answer:?}");
        if !code.is_empty() {
            assert_eq!(answer.json()["code"], *code, "{framing}");
        }
        assert!(wire.next().is_none(), "{framing}: what was hidden is answered");
    }
    // Chunks that lie about their length.
    for chunks in
        ["5\r\nabc\r\n0\r\n\r\n", "-1\r\n\r\n", "fffffffffffffffff\r\n", "5;\nabcde\r\n0\r\n\r\n", "z\r\n"]
    {
        let mut wire = Wire::to(&shop);
        wire.send(format!(
            "POST /orders HTTP/1.1\r\nhost: shop\r\nidempotency-key: front\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
        ));
        wire.finish();
        let answer = wire.answer();
        answer.is_proper_problem();
        assert_eq!(answer.status, 400, "{chunks}: {answer:?}");
    }
    // A client cannot have the headers removed that the gateway sets, nor the ones that a service relies on.
    let named = [("connection", "idempotency-key, traceparent, host"), ("idempotency-key", "named")];
    let answer = ask(&shop, written("POST", "/orders", &named, &order("ana")));
    assert_eq!(answer.status, 202, "{answer:?}");
    // What says where a hidden request would have begun is just a body.
    let get = written("GET", "/products", &[], &hidden);
    let mut wire = Wire::to(&shop);
    wire.send(get);
    assert_eq!(wire.answer().status, 200);
    wire.send(written("GET", "/products/mate", &[("connection", "close")], ""));
    assert_eq!(wire.answer().json()["sku"], "mate");
    assert!(wire.next().is_none());
    assert_eq!(orders_of(&shop, "ana"), 1, "a hidden order was placed");
}
