//! Calls of gRPC: how their failures are told, and how long they may take.

use std::time::Duration;

use mamparo_proxy::{Limits, Settings};

use crate::rig::{Message, OK, PATIENCE, Rig, Service, reserve};

fn call(rig: &Rig, path: &str, content: &str, lines: &str) -> Message {
    let mut client = rig.client();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nhost: it.test\r\ncontent-type: {content}\r\nte: trailers\r\nconnection: te\r\n\
         content-length: 5\r\n{lines}\r\n\0\0\0\0\0"
    ));
    client.answer()
}

#[test]
fn a_failure_is_told_in_the_words_of_grpc() {
    let (_reserved, gone) = reserve();
    let settings = Settings { connect_retry_window: Duration::ZERO, ..Settings::default() };
    let rig = Rig::with(&[gone], Limits::default(), settings);
    for (path, content, status, message) in [
        (
            "/a.B/C",
            "application/grpc",
            "14",
            "service-unreachable: the service cannot be reached at the moment",
        ),
        ("/hidden/D", "application/grpc+proto", "16", "identity-required: an identity is required"),
        ("/hidden/D", "application/grpc-web+proto", "16", "identity-required: an identity is required"),
    ] {
        let answer = call(&rig, path, content, "");
        assert_eq!((answer.status(), answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-type"), Some(content));
        assert_eq!(
            (answer.header("grpc-status"), answer.header("grpc-message")),
            (Some(status), Some(message))
        );
        assert!(answer.header("x-request-id").is_some());
    }
    // What is measured is that it failed.
    assert_eq!(rig.metric(r#"mamparo_proxy_requests_total{route="all",status="5xx"}"#), 1);
    assert_eq!(rig.metric(r#"mamparo_proxy_requests_total{route="hidden",status="4xx"}"#), 2);
    assert_eq!(call(&rig, "/a.B/C", "application/json", "").code(), "service-unreachable");
}

#[test]
fn a_call_says_how_long_it_may_take_and_the_service_learns_what_is_left() {
    let (service, requests) = Service::answering(OK);
    let silent = Service::start(|mut connection| while connection.request().is_some() {});
    let rig = Rig::new(&[service.address]);
    assert_eq!(call(&rig, "/a.B/C", "application/grpc", "grpc-timeout: 9S\r\n").status(), 200);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    let left: u64 = request.header("grpc-timeout").unwrap().strip_suffix('u').unwrap().parse().unwrap();
    assert!((1..=9_000_000).contains(&left), "{left}");
    let millis: u64 = request.header("mamparo-timeout-ms").unwrap().parse().unwrap();
    assert!(millis <= left / 1000 + 1, "{millis}");
    // One that says nothing is told what the route allows.
    assert_eq!(call(&rig, "/a.B/C", "application/grpc", "").status(), 200);
    assert!(requests.recv_timeout(PATIENCE).unwrap().header("grpc-timeout").is_some());
    assert_eq!(call(&rig, "/a.B/C", "text/plain", "").status(), 200);
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().header("grpc-timeout"), None);

    let malformed = call(&rig, "/a.B/C", "application/grpc", "grpc-timeout: 9s\r\n");
    assert_eq!(malformed.header("grpc-status"), Some("3"));
    assert!(malformed.header("grpc-message").unwrap().starts_with("malformed-header: header grpc-timeout"));
    let passed = call(&rig, "/a.B/C", "application/grpc", "grpc-timeout: 0n\r\n");
    assert_eq!(passed.header("grpc-status"), Some("4"));
    // So it is where it says nothing, and the time of the route runs out, or that of the answer.
    let short = Duration::from_millis(50);
    for settings in [
        Settings { request_timeout: short, ..Settings::default() },
        Settings { answer_timeout: short, ..Settings::default() },
    ] {
        let rig = Rig::with(&[silent.address], Limits::default(), settings);
        let late = call(&rig, "/a.B/C", "application/grpc", "");
        assert_eq!((late.status(), late.header("grpc-status")), (200, Some("4")));
    }
    let rig = Rig::new(&[silent.address]);
    let late = call(&rig, "/a.B/C", "application/grpc", "grpc-timeout: 50m\r\n");
    assert_eq!((late.header("grpc-status"), rig.metric("mamparo_proxy_requests_in_flight")), (Some("4"), 0));
}
