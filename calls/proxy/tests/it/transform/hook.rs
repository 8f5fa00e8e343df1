//! Hooks: who is asked about requests, and what its answers do.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mamparo_proxy::Match;

use super::{Rig, Service, route, settings, use_routes};
use crate::rig::{Message, OK, PATIENCE, reserve};

/// A proxy whose route asks `hook`, with this besides.
fn asking(service: SocketAddr, hook: SocketAddr, more: &str) -> Rig {
    let rig = Rig::new(&[]);
    let yaml = format!("external: {{service: hook, timeout: 2s, {more}}}");
    use_routes(&rig, vec![route("r", Match::default(), settings(&yaml))], &[("it", service), ("hook", hook)]);
    rig
}

/// A hook that says this.
fn saying(answer: &str) -> (Service, Receiver<Message>) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    Service::answering(Box::leak(answer.into_boxed_str()))
}

const POST: &str = "POST /a/../b?q=1 HTTP/1.1\r\nhost: it.test\r\nx-user: ana\r\nx-drop: 1\r\n\
                    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
                    transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";

#[test]
fn consent_lets_a_request_go_on_as_the_hook_will_have_it() {
    let (service, requests) = Service::answering(OK);
    let (hook, questions) = saying(
        r#"{"decision":"allow","request":{"remove":["x-drop"],"set":{"x-tenant":"t"}},"answer":{"set":{"x-checked":"yes"}}}"#,
    );
    let rig = asking(service.address, hook.address, "path: /check, headers: [x-user], body_bytes: 100");
    let mut client = rig.client();
    client.send(POST);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.header("x-checked")), (200, Some("yes")));
    let asked = questions.recv_timeout(PATIENCE).unwrap();
    assert_eq!((asked.start.as_str(), asked.header("host")), ("POST /check HTTP/1.1", Some("hook")));
    assert!(asked.header("traceparent").unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    for part in [
        r#""route":"r""#,
        r#""client_ip":"127.0.0.1""#,
        r#""host":"it.test""#,
        r#""method":"POST""#,
        r#""path":"/b?q=1""#,
        r#""headers":{"x-user":["ana"]}"#,
        r#""body":{"encoding":"text","data":"hello"}"#,
    ] {
        assert!(asked.text().contains(part), "{part} in {}", asked.text());
    }
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!((request.header("x-tenant"), request.header("x-drop")), (Some("t"), None));
    assert_eq!(request.text(), "hello");
    // What is too long to be shown is refused, and nobody is asked.
    client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 101\r\n\r\n{}", "x".repeat(101)));
    assert_eq!(client.answer().code(), "body-too-large");
    assert_eq!((questions.try_iter().count(), requests.try_iter().count()), (0, 0));
}

#[test]
fn a_denial_is_the_answer() {
    let (service, requests) = Service::answering(OK);
    let (hook, _questions) =
        saying(r#"{"decision":"deny","status":403,"headers":{"x-why":"rule 7"},"body":"not today"}"#);
    let rig = asking(service.address, hook.address, "");
    let mut client = rig.client();
    let denied = client.get("/");
    assert_eq!((denied.status(), denied.text(), denied.header("x-why")), (403, "not today", Some("rule 7")));
    client.send(
        "POST /a.B/C HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n",
    );
    let denied = client.answer();
    assert_eq!((denied.status(), denied.header("x-why")), (200, Some("rule 7")));
    assert_eq!((denied.header("grpc-status"), denied.header("grpc-message")), (Some("7"), Some("not today")));
    assert_eq!(requests.try_iter().count(), 0);
}

#[test]
fn what_a_hook_that_fails_means_is_said_by_the_route() {
    let (service, _requests) = Service::answering(OK);
    let (confused, _questions) = saying(r#"{"decision":"maybe"}"#);
    let silent = Service::start(|mut connection| while connection.request().is_some() {});
    let (_reserved, gone) = reserve();
    for hook in [confused.address, silent.address, gone] {
        let rig = asking(service.address, hook, "");
        let yaml = |more: &str| format!("external: {{service: hook, timeout: 100ms, {more}}}");
        let routes = |more: &str| vec![route("r", Match::default(), settings(&yaml(more)))];
        use_routes(&rig, routes(""), &[("it", service.address), ("hook", hook)]);
        let refused = rig.client().get("/");
        assert_eq!((refused.status(), refused.code()), (503, "hook-failed"));
        use_routes(&rig, routes("on_failure: allow"), &[("it", service.address), ("hook", hook)]);
        assert_eq!(rig.client().get("/").status(), 200);
        assert_eq!(rig.metric("mamparo_proxy_hook_failures_total"), 2);
    }
}

/// A question changes nothing: it is asked again where the connection turns out to be dead.
#[test]
fn a_hook_that_closes_its_connections_is_asked_on_another() {
    let (service, _requests) = Service::answering(OK);
    let hook = Service::start(|mut connection| {
        if connection.request().is_some() {
            let answer = r#"{"decision":"allow"}"#;
            connection.send(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            ));
            // Taken, and then broken off without an answer.
            let _ = connection.request();
        }
    });
    let rig = asking(service.address, hook.address, "");
    let mut client = rig.client();
    for _ in 0..4 {
        assert_eq!(client.get("/").status(), 200);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(rig.metric("mamparo_proxy_hook_failures_total"), 0);
}
