//! What a request pays for what its route does not change, or changes in the same way each time.

use allocation_counter::measure;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::SizeHint;
use mamparo_transform::forwarded::{Forwarded, Hop};
use mamparo_transform::{Transform, TransformConfig, Variable, Variables};

struct Nothing;

#[test]
fn a_client_nobody_stands_in_front_of_is_told_without_an_allocation() {
    let (peer, port) = (HeaderValue::from_static("192.0.2.7"), HeaderValue::from_static("8080"));
    let host = HeaderValue::from_static("shop.example");
    let hop = Hop {
        peer: [192, 0, 2, 7].into(),
        tls: true,
        host: Some(&host),
        port: 8080,
        texts: Some((&peer, &port)),
    };
    let mut headers = HeaderMap::with_capacity(32);
    headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
    let rules = Forwarded::default();
    let mut once = || measure(|| drop(rules.apply(&mut headers, &hop))).count_total;
    // The first that shares a name or a value makes it one that can be shared.
    once();
    assert_eq!(once(), 0);
    assert_eq!((&headers["x-forwarded-for"], &headers["x-forwarded-port"]), (&peer, &port));
}

impl Variables for Nothing {
    fn value(&self, _: Variable<'_>) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
}

fn allocations(yaml: &str) -> u64 {
    let config: TransformConfig = serde_saphyr::from_str(yaml).unwrap();
    let transform = Transform::new(&config).unwrap();
    let with_room = || {
        let mut headers = HeaderMap::with_capacity(32);
        headers.insert("accept-encoding", HeaderValue::from_static("gzip, br"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("origin", HeaderValue::from_static("https://a.example"));
        headers
    };
    let once = || {
        let (mut request, ()) = Request::post("/a").body(()).unwrap().into_parts();
        let (mut answer, ()) = Response::new(()).into_parts();
        request.headers = with_room();
        answer.headers = with_room();
        let counted = measure(|| {
            let exchange = transform.begin(&request.method, &request.headers);
            assert!(transform.preflight(&Method::GET, &request.headers).is_none());
            transform.request(&exchange, &mut request, &Nothing);
            transform.answer(&exchange, &mut answer, &SizeHint::with_exact(10), &Nothing);
        });
        counted.count_total
    };
    // The first that shares a name or a value makes it one that can be shared.
    once();
    once()
}

#[test]
fn what_is_not_changed_allocates_nothing() {
    assert_eq!(allocations("{}"), 0);
}

#[test]
fn what_is_always_the_same_is_not_written_again() {
    let yaml = "
headers: {request: {set: {x-a: a}, remove: [x-b]}, answer: {set: {x-a: a}}, security: {frame_options: deny}}
cors: {origins: ['https://a.example']}
compress: {min_bytes: 1000}
";
    assert_eq!(allocations(yaml), 0);
}
