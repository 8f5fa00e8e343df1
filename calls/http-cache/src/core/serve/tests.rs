//! A table of requests, and of what each gets of an answer that is kept.

use std::time::Duration;

use http::Method;

use super::*;
use crate::core::request::RequestHead;

fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

fn get(method: Method, request: &[(&'static str, &str)], status: u16) -> Response<Bytes> {
    let stored = map(&[
        ("etag", "\"a\""),
        ("content-type", "text/plain"),
        ("content-length", "10"),
        ("cache-control", "max-age=60"),
        ("vary", "accept"),
    ]);
    let times = Times {
        initial_age: Duration::from_millis(2_900),
        received: Moment::ZERO,
        lifetime: Duration::from_secs(60),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        may_be_stale: true,
        always_asks: false,
    };
    let headers = map(request);
    let head = RequestHead {
        method: &method,
        scheme: "https",
        authority: "a",
        path: "/",
        query: None,
        headers: &headers,
        has_body: false,
    };
    let body = Bytes::from_static(b"0123456789");
    let status = StatusCode::from_u16(status).unwrap();
    let kept = Kept { status, headers: &stored, body: &body, times: &times };
    serve(kept, &Asked::read(&head, true).unwrap(), &headers, Moment::ZERO + Duration::from_secs(4))
}

#[test]
fn each_request_gets_what_it_asks_for() {
    use Method as M;
    for (method, request, kept, status, body, length, range) in [
        (M::GET, &[][..], 200, 200, "0123456789", Some("10"), None),
        (M::GET, &[], 404, 404, "0123456789", Some("10"), None),
        (M::HEAD, &[], 200, 200, "", Some("10"), None),
        (M::GET, &[("if-none-match", "\"a\"")], 200, 304, "", None, None),
        (M::HEAD, &[("if-none-match", "\"a\"")], 200, 304, "", None, None),
        (M::GET, &[("if-none-match", "\"a\"")], 404, 404, "0123456789", Some("10"), None),
        (M::GET, &[("if-none-match", "\"b\"")], 200, 200, "0123456789", Some("10"), None),
        (M::GET, &[("range", "bytes=2-3")], 200, 206, "23", Some("2"), Some("bytes 2-3/10")),
        (M::HEAD, &[("range", "bytes=2-3")], 200, 200, "", Some("10"), None),
        (M::GET, &[("range", "bytes=2-3")], 404, 404, "0123456789", Some("10"), None),
        (M::GET, &[("range", "bytes=10-")], 200, 416, "", Some("0"), Some("bytes */10")),
        (M::GET, &[("range", "bytes=2-3"), ("if-none-match", "\"a\"")], 200, 304, "", None, None),
        (M::GET, &[("range", "bytes=2-3"), ("if-range", "\"b\"")], 200, 200, "0123456789", Some("10"), None),
    ] {
        let answer = get(method.clone(), request, kept);
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(answer.status(), status, "{method} {request:?}");
        assert_eq!(answer.body(), body, "{method} {request:?}");
        assert_eq!(header(header::CONTENT_LENGTH), length, "{method} {request:?}");
        assert_eq!(header(header::CONTENT_RANGE), range, "{method} {request:?}");
        assert_eq!(header(header::AGE), Some("6"));
        assert_eq!(header(header::VARY), Some("accept"));
        assert_eq!(header(header::CONTENT_TYPE).is_some(), !matches!(status, 304 | 416), "{status}");
    }
}
