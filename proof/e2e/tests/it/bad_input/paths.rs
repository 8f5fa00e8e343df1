//! Methods and paths that lead nowhere, or try to lead somewhere else.

use super::wire::{Wire, ask, written};
use crate::shop::Shop;

#[test]
fn methods_and_paths_lead_where_the_routes_say_and_nowhere_else() {
    let shop = Shop::new();
    let _up = shop.open();
    // HEAD is GET without its body, on a connection that goes on.
    let mut wire = Wire::to(&shop);
    wire.send(written("HEAD", "/products/mate", &[], ""));
    let head = wire.head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")));
    wire.send(written("HEAD", "/products/matte", &[], ""));
    assert_eq!(wire.head().status, 404);
    wire.send(written("GET", "/products/mate", &[], ""));
    let whole = wire.answer();
    assert_eq!(head.header("content-length"), whole.header("content-length"));

    for (method, path, allow) in [
        ("OPTIONS", "/orders", "GET,HEAD,POST"),
        ("PUT", "/orders", "GET,HEAD,POST"),
        ("DELETE", "/orders/some", "GET,HEAD"),
        ("PATCH", "/wallets/ana", "GET,HEAD"),
        ("GET", "/wallets/ana/deposits", "POST"),
        ("BREW", "/stock/mate", "GET,HEAD"),
    ] {
        let answer = ask(&shop, written(method, path, &[], ""));
        answer.is_problem(405, "unknown-method");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    // Only whoever runs the shop changes prices: the gateway does not ask the service.
    for (method, path) in
        [("POST", "/products"), ("PUT", "/products/mate/price"), ("PUT", "/products//mate/./price")]
    {
        let answer = ask(&shop, written(method, path, &[("idempotency-key", "p")], r#"{"amount":1}"#));
        answer.is_problem(405, "method-not-allowed");
    }
    let mate = ask(&shop, written("GET", "/products/mate", &[], "")).json();
    assert_eq!(mate["price"]["amount"], 1_250_000);
    for method in ["TRACE", "CONNECT"] {
        ask(&shop, written(method, "/orders", &[], "")).is_problem(501, "method-refused");
    }
    for path in
        ["/", "/nothing", "/ordersx", "/Orders", "/charges", "/behaviour", "/readyz", "/metrics", "/admin"]
    {
        ask(&shop, written("GET", path, &[], "")).is_problem(404, "no-route");
    }
    for path in ["/orders/a/b", "/products/mate/x", "/wallets", "/stock"] {
        ask(&shop, written("GET", path, &[], "")).is_problem(404, "unknown-path");
    }

    // Dots are resolved before the route is looked for, however they are written; nothing climbs out.
    for path in [
        "/orders/../products/mate",
        "/orders/%2e%2E/products/./mate",
        "/%70roducts/m%61te",
        "//products//mate",
    ] {
        let answer = ask(&shop, written("GET", path, &[], ""));
        assert_eq!((answer.status, &answer.json()["sku"]), (200, &"mate".into()), "{path}: {answer:?}");
    }
    for path in [
        "/..",
        "/../products",
        "/orders/../../products",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/orders/%00",
        "/orders/%zz",
        "/orders/%",
        "/orders/..;/products",
        "/orders\\..\\products",
    ] {
        let answer = ask(&shop, written("GET", path, &[], ""));
        answer.is_proper_problem();
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    // An escaped slash is a letter of a name, not a step.
    ask(&shop, written("GET", "/orders/..%2fproducts", &[], "")).is_problem(404, "unknown-order");
    ask(&shop, written("GET", "/orders/..%2f..%2fcharges", &[], "")).is_problem(404, "unknown-order");
    for path in ["/products/m%C3%A1te%F0", "/orders/%ff", "/wallets/%ff", "/stock/%ff"] {
        ask(&shop, written("GET", path, &[], "")).is_problem(400, "malformed-path");
    }
    ask(&shop, written("POST", "/wallets/%ff/deposits", &[], "")).is_problem(400, "malformed-path");
}

#[test]
fn a_target_names_its_host_once_and_never_a_service() {
    let shop = Shop::new();
    let _up = shop.open();
    let raw = |target: &str, headers: &str| ask(&shop, format!("GET {target} HTTP/1.1\r\n{headers}\r\n"));
    let absolute = raw("http://shop/products/mate", "host: shop\r\n");
    assert_eq!((absolute.status, &absolute.json()["sku"]), (200, &"mate".into()), "{absolute:?}");
    raw("http://other/products/mate", "host: shop\r\n").is_problem(400, "ambiguous-host");
    raw("/products", "").is_problem(400, "ambiguous-host");
    raw("/products", "host: a\r\nhost: b\r\n").is_problem(400, "ambiguous-host");
    raw("/products", "host: \r\n").is_problem(400, "ambiguous-host");
    raw("/products", "host: a b\r\n").is_problem(400, "ambiguous-host");
    // Names of services are for services: whoever uses them here has to say who they are.
    for host in ["provider.mamparo", "PROVIDER.MAMPARO", "provider.mamparo:80", "provider.mamparo."] {
        raw("/charges", &format!("host: {host}\r\n")).is_problem(401, "identity-required");
    }
    raw("http://provider.mamparo/charges", "host: provider.mamparo\r\n").is_problem(401, "identity-required");
    raw("*", "host: shop\r\n").is_problem(404, "no-route");
    raw("products", "host: shop\r\n").is_problem(400, "ambiguous-host");
    ask(&shop, "GET /products HTTP/2.0\r\nhost: shop\r\n\r\n").is_problem(505, "version-not-supported");
    ask(&shop, "GET /products\r\n\r\n").is_problem(400, "malformed-request");
    ask(&shop, "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n").is_problem(400, "malformed-request");
    assert_eq!(raw("/products", "host: shop\r\nconnection: close\r\n").status, 200);
}
