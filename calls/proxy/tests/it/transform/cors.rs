//! Pages of other origins.

use http::{HeaderName, Method};
use mamparo_proxy::{Access, HeaderMatch, Limits, Match, Path, Route, Settings, Wanted};

use super::{Rig, Service, route, settings, transform, use_routes};
use crate::rig::{Client, Message, OK, reserve};

const CORS: &str = "cors: {origins: ['https://shop.test'], methods: [GET, PUT], headers: [x-a], max_age: 1h}";

fn preflight(client: &mut Client, path: &str, method: &str) -> Message {
    client.send(format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: it.test\r\norigin: https://shop.test\r\n\
         access-control-request-method: {method}\r\naccess-control-request-headers: x-a\r\n\r\n"
    ));
    client.answer()
}

fn get(client: &mut Client, path: &str, origin: &str) -> Message {
    client.send(format!("GET {path} HTTP/1.1\r\nhost: it.test\r\norigin: {origin}\r\n\r\n"));
    client.answer()
}

#[test]
fn a_preflight_reaches_the_route_that_would_take_what_it_asks_about() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[]);
    let header = |value: &str| HeaderMatch {
        name: HeaderName::from_static("x-a"),
        value: Wanted::Exact(value.into()),
    };
    let on = |path: &str, methods: &[Method], headers: Vec<HeaderMatch>| Match {
        methods: methods.into(),
        headers,
        ..Match::path(Path::Prefix(path.into()))
    };
    let routes = vec![
        route("read", on("/a", &[Method::GET], Vec::new()), settings(CORS)),
        route(
            "write",
            on("/a", &[Method::PUT], Vec::new()),
            settings("cors: {origins: ['https://other.test']}"),
        ),
        // Neither asks a preflight for its header, and they do not clash.
        route("one", on("/b", &[Method::GET], vec![header("1")]), settings(CORS)),
        route("two", on("/b", &[Method::GET], vec![header("2")]), settings(CORS)),
        // A service that answers for itself, and one to which nobody asks.
        route("own", on("/c", &[], Vec::new()), Settings::default()),
    ];
    use_routes(&rig, routes, &[("it", service.address)]);
    let mut client = rig.client();
    for path in ["/a", "/b/c"] {
        let granted = preflight(&mut client, path, "GET");
        assert_eq!((granted.status(), granted.body.len()), (204, 0), "{path}");
        for (name, value) in [
            ("access-control-allow-origin", "https://shop.test"),
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "x-a"),
            ("access-control-max-age", "3600"),
        ] {
            assert_eq!(granted.header(name), Some(value), "{path}");
        }
    }
    let refused = preflight(&mut client, "/a", "PUT");
    assert_eq!((refused.status(), refused.header("access-control-allow-origin")), (403, None));
    assert_eq!(preflight(&mut client, "/a", "DELETE").code(), "method-not-allowed");
    assert_eq!(requests.try_iter().count(), 0, "no service was asked");
    assert_eq!(preflight(&mut client, "/c", "GET").status(), 200);
    assert_eq!(requests.try_iter().count(), 1);
    // A plain OPTIONS is no preflight.
    client.send("OPTIONS /a HTTP/1.1\r\nhost: it.test\r\norigin: https://shop.test\r\n\r\n");
    assert_eq!(client.answer().header("allow"), Some("GET, PUT"));
}

#[test]
fn a_page_that_may_read_answers_may_read_refusals_too() {
    let (service, _requests) = Service::answering(OK);
    let (_reserved, gone) = reserve();
    let rig = Rig::with(&[service.address], Limits::default(), settings(CORS));
    let origin = |answer: &Message| answer.header("access-control-allow-origin").map(str::to_owned);
    let mut client = rig.client();
    for (path, status) in [("/", 200), ("/hidden", 401), ("/fixed", 200)] {
        let answer = get(&mut client, path, "https://shop.test");
        assert_eq!(
            (answer.status(), origin(&answer).as_deref()),
            (status, Some("https://shop.test")),
            "{path}"
        );
        assert_eq!(answer.header("vary"), Some("origin"));
        let answer = get(&mut client, path, "https://evil.test");
        assert_eq!((answer.status(), origin(&answer)), (status, None), "{path}");
    }
    // A preflight brings no identity, and needs none.
    assert_eq!(preflight(&mut client, "/hidden", "GET").status(), 204);
    let settings = Settings {
        transform: Some(transform(CORS)),
        connect_retry_window: std::time::Duration::ZERO,
        ..Settings::default()
    };
    use_routes(
        &rig,
        vec![Route { access: Access::Public, ..route("all", Match::default(), settings) }],
        &[("it", gone)],
    );
    let answer = get(&mut client, "/", "https://shop.test");
    assert_eq!((answer.status(), origin(&answer).as_deref()), (503, Some("https://shop.test")));
}
