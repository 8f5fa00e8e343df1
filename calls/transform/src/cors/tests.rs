//! Tables of origins, and both exchanges of the protocol.

use super::*;
use crate::config::InvalidConfig;
use crate::fields::tests::{map, values};

fn read(yaml: &str) -> Result<Cors, InvalidConfig> {
    Cors::new(&serde_saphyr::from_str(yaml).unwrap())
}

fn asks(cors: &Cors, origin: &str) -> Option<Response<()>> {
    let headers = map(&[("origin", origin), ("access-control-request-method", "PUT")]);
    cors.preflight(&Method::OPTIONS, &headers)
}

#[test]
fn origins_are_told_apart() {
    let yaml = "origins: ['https://shop.example', 'https://*.shop.example', 'http://localhost:3000', 'https://[::1]:8443']";
    let cors = read(yaml).unwrap();
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("https://a.shop.example", true),
        ("https://a.b.shop.example", true),
        ("http://localhost:3000", true),
        ("https://[::1]:8443", true),
        ("http://shop.example", false),
        ("https://shop.example:8443", false),
        ("https://shop.example.evil.example", false),
        ("https://evilshop.example", false),
        ("https://.shop.example", false),
        ("https://evil.example/.shop.example", false),
        ("https://evil.example#.shop.example", false),
        ("https://evil.example?.shop.example", false),
        ("https://a@b.shop.example", false),
        ("https://a..shop.example", false),
        ("https://*.shop.example", false),
        ("HTTPS://shop.example", false),
        ("http://localhost:3001", false),
        ("null", false),
        ("", false),
    ] {
        let grant = cors.grant(&map(&[("origin", origin)]));
        assert_eq!(grant != Grant::None, allowed, "{origin}");
    }
    let twice = map(&[("origin", "https://shop.example"), ("origin", "https://shop.example")]);
    assert_eq!(cors.grant(&twice), Grant::None, "two origins are none");
    assert_eq!(cors.grant(&HeaderMap::new()), Grant::None);
}

#[test]
fn null_is_an_origin_only_where_it_is_named() {
    let headers = map(&[("origin", "null")]);
    assert_ne!(read("origins: ['null']").unwrap().grant(&headers), Grant::None);
    assert_eq!(read("origins: ['https://*.a.example']").unwrap().grant(&headers), Grant::None);
}

#[test]
fn what_no_browser_sends_or_obeys_is_refused() {
    for (yaml, field) in [
        ("{}", "origins"),
        ("origins: []", "origins"),
        ("origins: ['*', 'https://a.example']", "origins[0]"),
        ("origins: ['https://a.example', 'https://b.example/']", "origins[1]"),
        ("origins: ['https://A.example']", "origins[0]"),
        ("origins: ['a.example']", "origins[0]"),
        ("origins: ['https://a.example:443']", "origins[0]"),
        ("origins: ['https://a.example:0443']", "origins[0]"),
        ("origins: ['https://a.example:x']", "origins[0]"),
        ("origins: ['https://*.com']", "origins[0]"),
        ("origins: ['https://a.*.example']", "origins[0]"),
        ("origins: ['https://*']", "origins[0]"),
        ("origins: ['https://[0::1]']", "origins[0]"),
        ("{origins: ['*'], credentials: true}", "origins[0]"),
        ("{origins: ['https://a.example'], credentials: true, methods: ['*']}", "methods[0]"),
        ("{origins: ['https://a.example'], credentials: true, headers: [a, '*']}", "headers[1]"),
        ("{origins: ['https://a.example'], credentials: true, expose: ['*']}", "expose[0]"),
        ("{origins: ['*'], methods: []}", "methods"),
        ("{origins: ['*'], methods: [get]}", "methods[0]"),
        ("{origins: ['*'], methods: [TRACE]}", "methods[0]"),
        ("{origins: ['*'], headers: ['a b']}", "headers[0]"),
        ("{origins: ['*'], max_age: 2d}", "max_age"),
    ] {
        assert_eq!(read(yaml).map(|_| ()).map_err(|error| error.field), Err(field.to_owned()), "{yaml}");
    }
}

#[test]
fn a_preflight_is_answered_with_all_that_is_allowed() {
    let cors = read(
        "{origins: ['https://a.example'], methods: [PUT, DELETE], headers: [authorization, X-A], credentials: true, \
         max_age: 5m, expose: [x-b]}",
    )
    .unwrap();
    let answer = asks(&cors, "https://a.example").unwrap();
    assert_eq!(answer.status(), 204);
    let said = answer.headers();
    assert_eq!(values(said, "access-control-allow-origin"), ["https://a.example"]);
    assert_eq!(values(said, "access-control-allow-credentials"), ["true"]);
    assert_eq!(values(said, "access-control-allow-methods"), ["PUT, DELETE"]);
    assert_eq!(values(said, "access-control-allow-headers"), ["authorization, X-A"]);
    assert_eq!(values(said, "access-control-max-age"), ["300"]);
    assert!(!said.contains_key("access-control-expose-headers"), "that is for the answer itself");
    assert_eq!(
        values(said, "vary"),
        ["origin", "access-control-request-method", "access-control-request-headers"]
    );
}

#[test]
fn a_preflight_of_someone_else_grants_nothing() {
    let cors = read("{origins: ['https://a.example'], credentials: true}").unwrap();
    let answer = asks(&cors, "https://b.example").unwrap();
    assert_eq!(answer.status(), 403);
    assert!(answer.headers().keys().all(|name| name == "vary"));
    assert_eq!(values(answer.headers(), "vary")[0], "origin");
}

#[test]
fn what_is_no_preflight_goes_on() {
    let cors = read("origins: ['*']").unwrap();
    let (origin, method) = (("origin", "https://a.example"), ("access-control-request-method", "PUT"));
    assert!(cors.preflight(&Method::OPTIONS, &map(&[origin, method])).is_some());
    assert!(cors.preflight(&Method::OPTIONS, &map(&[origin])).is_none());
    assert!(cors.preflight(&Method::OPTIONS, &map(&[method])).is_none());
    assert!(cors.preflight(&Method::PUT, &map(&[origin, method])).is_none());
}

#[test]
fn an_answer_says_what_was_granted_and_varies_also_where_nothing_was() {
    let cors = read("{origins: ['https://a.example'], credentials: true, expose: [x-b]}").unwrap();
    let from_service =
        [("access-control-allow-origin", "*"), ("access-control-max-age", "9"), ("vary", "accept")];
    for (origin, allowed) in [("https://a.example", true), ("https://b.example", false)] {
        let grant = cors.grant(&map(&[("origin", origin)]));
        let mut headers = map(&from_service);
        cors.answer(&grant, &mut headers);
        assert_eq!(values(&headers, "vary"), ["accept", "origin"]);
        let expected: &[&str] = if allowed { &["https://a.example"] } else { &[] };
        assert_eq!(values(&headers, "access-control-allow-origin"), expected);
        assert_eq!(headers.contains_key("access-control-allow-credentials"), allowed);
        assert_eq!(headers.contains_key("access-control-expose-headers"), allowed);
        assert!(!headers.contains_key("access-control-max-age"));
    }
    let mut headers = HeaderMap::new();
    cors.answer(&Grant::None, &mut headers);
    assert_eq!(values(&headers, "vary"), ["origin"], "a request without an origin");
}

#[test]
fn an_answer_for_any_origin_does_not_vary() {
    let cors = read("origins: ['*']").unwrap();
    for asked in [&[("origin", "https://a.example")][..], &[]] {
        let mut headers = HeaderMap::new();
        cors.answer(&cors.grant(&map(asked)), &mut headers);
        assert_eq!(values(&headers, "access-control-allow-origin"), ["*"], "a cache may keep either for all");
        assert!(!headers.contains_key("vary"));
    }
}
