//! WebSockets: asked for, granted, refused, and what may pass when.

use std::io::{Read, Write};
use std::sync::Arc;

use mamparo_proxy::{Limits, Settings};
use mamparo_transform::Transform;

use crate::rig::{OK, Rig, Service};

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
const GRANT: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn what_follows_the_grant_passes_both_ways_and_ends_with_either_end() {
    let service = Service::start(|mut connection| {
        let request = connection.request().unwrap();
        assert_eq!(request.header("upgrade"), Some("websocket"));
        assert_eq!(request.header("connection"), Some("upgrade"));
        assert_eq!(request.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        // The first bytes of the other protocol come with the grant itself.
        connection.send(format!("{GRANT}hello "));
        let mut bytes = [0; 5];
        connection.stream.read_exact(&mut bytes).unwrap();
        connection.send(bytes);
        assert!(connection.is_closed());
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send(ASK);
    let head = client.head().unwrap();
    assert_eq!(head.status(), 101);
    assert_eq!(head.header("upgrade"), Some("websocket"));
    assert_eq!(head.header("connection"), Some("upgrade"));
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    client.send("world");
    let mut bytes = [0; 11];
    client.stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello world");
    assert_eq!(rig.metric("mamparo_proxy_requests_in_flight"), 1);
    assert_eq!(rig.metric("mamparo_proxy_connections"), 1, "a tunnel and what it came to be in are one");
    client.close_writing();
    assert!(client.is_closed());
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
    rig.await_metric("mamparo_proxy_connections", 0);
}

#[test]
fn what_a_client_sends_ahead_of_the_grant_reaches_nobody_before_it() {
    let service = Service::start(|mut connection| {
        connection.request().unwrap();
        connection.stream.get_ref().set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let early = connection.stream.read(&mut [0; 1]);
        assert!(early.is_err(), "{early:?} before the grant");
        connection.stream.get_ref().set_read_timeout(Some(crate::rig::PATIENCE)).unwrap();
        connection.send(GRANT);
        let mut bytes = [0; 5];
        connection.stream.read_exact(&mut bytes).unwrap();
        connection.send(bytes);
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send(format!("{ASK}early"));
    assert_eq!(client.head().unwrap().status(), 101);
    let mut bytes = [0; 5];
    client.stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"early");
}

#[test]
fn what_a_client_sends_ahead_of_a_refusal_is_its_next_request() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send(format!("{ASK}GET /next HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!(client.answer().status(), 200);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(requests.recv().unwrap().start, "GET /chat HTTP/1.1");
    assert_eq!(requests.recv().unwrap().start, "GET /next HTTP/1.1");
    // Smuggled bytes are looked at like any other.
    let mut client = rig.client();
    client.send(format!("{ASK}GET /next HTTP/1.1\r\nhost : a\r\n\r\n"));
    assert_eq!(client.answer().status(), 200);
    assert_eq!(client.answer().code(), "malformed-request");
}

#[test]
fn a_grant_is_an_answer_like_any_other_but_for_its_handshake() {
    let service = Service::start(|mut connection| {
        connection.request().unwrap();
        connection
            .send(GRANT.replace("\r\n\r\n", "\r\nserver: secret/1.0\r\nsec-websocket-protocol: a\r\n\r\n"));
        connection.is_closed();
    });
    let yaml = "headers: {answer: {remove: [server, sec-websocket-accept], set: {x-route: '{route}', sec-websocket-protocol: b}}}";
    let transform = Transform::new(&serde_saphyr::from_str(yaml).unwrap()).unwrap();
    let settings = Settings { transform: Some(Arc::new(transform)), ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let mut client = rig.client();
    client.send(ASK);
    let head = client.head().unwrap();
    assert_eq!(head.status(), 101);
    assert_eq!((head.header("server"), head.header("x-route")), (None, Some("all")));
    assert_eq!((head.header("upgrade"), head.header("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("sec-websocket-protocol"), Some("a"));
}

#[test]
fn a_grant_that_nobody_asked_for_is_an_error_of_the_service() {
    let service = Service::start(|mut connection| {
        while connection.request().is_some() {
            connection.send(GRANT);
        }
    });
    let rig = Rig::new(&[service.address]);
    assert_eq!(rig.client().get("/").code(), "service-answer-malformed");
    let mut client = rig.client();
    client.send(ASK.replace("websocket\r\n", "h2c\r\n"));
    assert_eq!(client.answer().code(), "service-answer-malformed");
}

#[test]
fn a_tunnel_through_which_nothing_passes_is_closed() {
    let service = Service::start(|mut connection| {
        connection.request().unwrap();
        connection.send(GRANT);
        connection.is_closed();
    });
    let limits =
        mamparo_proxy::Limits { tunnel_idle: std::time::Duration::from_millis(50), ..Default::default() };
    let rig = Rig::with(&[service.address], limits, Default::default());
    let mut client = rig.client();
    client.send(ASK);
    assert_eq!(client.head().unwrap().status(), 101);
    assert!(client.is_closed());
    client.stream.get_mut().flush().unwrap();
}
