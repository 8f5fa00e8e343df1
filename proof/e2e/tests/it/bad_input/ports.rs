//! The ports beside the gateway: rubbish at any of them stops nobody, and the one that shows things changes nothing.

use super::wire::{Wire, ask, ended, order, written};
use crate::shop::Shop;

/// Bytes that are no request of anybody's.
fn rubbish() -> Vec<Vec<u8>> {
    let mut state = 7_u32;
    let noise = (0..200_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    vec![
        noise.collect(),
        b"\r\n\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(1024 * 1024)).into_bytes(),
        // HTTP/2 with a frame of the largest length that can be said, and one for a stream that there is not.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x63".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ]
}

#[test]
fn rubbish_at_any_port_stops_nobody() {
    let shop = Shop::new();
    let up = shop.open();
    for name in ["gateway", "mesh", "admin", "hub"] {
        let address = shop.listener(name);
        for bytes in rubbish() {
            let mut wire = Wire::at(&address);
            wire.send_what_is_taken(&bytes);
            wire.reset();
        }
        // Many who say nothing at all.
        let silent: Vec<Wire> = (0..50).map(|_| Wire::at(&address)).collect();
        drop(silent);
    }
    let placed = ask(&shop, written("POST", "/orders", &[("idempotency-key", "after")], &order("ana")));
    assert_eq!(placed.status, 202, "{placed:?}");
    assert_eq!(ended(&shop, placed.header("location").unwrap()), "CONFIRMED");
    let log = shop.log();
    assert!(!log.contains("panicked") && !log.contains("started again"), "{log}");

    // The admin port changes nothing, and answers only to whoever asked for this machine.
    let admin = shop.listener("admin");
    let told = |method: &str, path: &str, host: &str| {
        let mut wire = Wire::at(&admin);
        wire.send(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n"));
        wire.answer()
    };
    assert_eq!(told("GET", "/readyz", "localhost").status, 200);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = told(method, "/config", "localhost");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    }
    assert_eq!(told("GET", "/config", "evil.example").status, 421);
    assert_eq!(told("GET", "/../../etc/passwd", "localhost").status, 404);
    assert_eq!(told("GET", "/metrics/../../orders", "localhost").status, 404);
    assert_eq!(up.stop().1, Some(0));
}
