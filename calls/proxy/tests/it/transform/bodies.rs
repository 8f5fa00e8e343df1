//! Bodies that are put together anew.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use mamparo_policy::retry::{Retry, RetryConfig};
use mamparo_proxy::{Limits, Settings};

use super::{Rig, Service, rig, transform};
use crate::rig::{Client, Message, PATIENCE};

const REQUEST: &str =
    "template: {request: {body: {id: '{body.order.id}', by: '{client_ip}'}, max_bytes: 64}}";

fn post(client: &mut Client, content: &str, body: &str) -> Message {
    client.send(format!(
        "POST / HTTP/1.1\r\nhost: it.test\r\ncontent-type: {content}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    client.answer()
}

#[test]
fn a_request_becomes_another_whose_length_is_told() {
    let (service, requests) = Service::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let rig = rig(service.address, REQUEST);
    let mut client = rig.client();
    let new = r#"{"by":"127.0.0.1","id":7}"#;
    assert_eq!(post(&mut client, "application/json", r#"{"order":{"id":7},"x":1}"#).status(), 200);
    client.send(
        "POST / HTTP/1.1\r\nhost: it.test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         9\r\n{\"order\":\r\n8\r\n{\"id\":7}\r\n1\r\n}\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer().status(), 200);
    for _ in 0..2 {
        let request = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!((request.text(), request.header("transfer-encoding")), (new, None));
        assert_eq!(request.header("content-length"), Some(&*new.len().to_string()));
    }
    // One without a body stays without.
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().body, b"");
    for (content, body, status, code) in [
        ("text/plain", "{}", 415, "body-not-transformed"),
        ("application/json", "{", 400, "body-not-transformed"),
        ("application/json", &format!("{{\"a\":\"{}\"}}", "x".repeat(64)), 413, "body-too-large"),
    ] {
        let refused = post(&mut rig.client(), content, body);
        assert_eq!((refused.status(), refused.code()), (status, code));
    }
    assert_eq!(requests.try_iter().count(), 0);
}

#[test]
fn a_request_that_became_another_is_sent_again_as_that() {
    let (told, bodies) = mpsc::channel();
    let count = AtomicUsize::new(0);
    let service = Service::start(move |mut connection| {
        while let Some(request) = connection.request() {
            told.send(request.text().to_owned()).unwrap();
            let status = if count.fetch_add(1, Ordering::SeqCst) == 0 { "503 Busy" } else { "200 OK" };
            connection.send(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"));
        }
    });
    let settings = Settings {
        transform: Some(transform(REQUEST)),
        retry: Some(Arc::new(Retry::new(RetryConfig::default()).unwrap())),
        ..Settings::default()
    };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let mut client = rig.client();
    let body = r#"{"order":{"id":7}}"#;
    client.send(format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(client.answer().status(), 200);
    for _ in 0..2 {
        assert_eq!(bodies.recv_timeout(PATIENCE).unwrap(), r#"{"by":"127.0.0.1","id":7}"#);
    }
}

#[test]
fn an_answer_becomes_another_or_is_the_fault_of_the_service() {
    let service = Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            let (status, content, body) = match request.start.split(' ').nth(1).unwrap() {
                "/good" => ("200 OK", "application/json", r#"{"secret":1,"id":"a"}"#),
                "/failed" => ("404 Not Found", "application/json", r#"{"secret":1}"#),
                "/text" => ("200 OK", "text/plain", "text"),
                _ => ("200 OK", "application/json", "{"),
            };
            connection.send(format!(
                "HTTP/1.1 {status}\r\ncontent-type: {content}\r\netag: \"1\"\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
    });
    let rig = rig(service.address, "template: {answer: {body: {id: '{body.id}'}}}");
    let mut client = rig.client();
    let good = client.get("/good");
    assert_eq!((good.status(), good.text(), good.header("etag")), (200, r#"{"id":"a"}"#, None));
    assert_eq!(good.header("content-length"), Some("10"));
    let failed = client.get("/failed");
    assert_eq!((failed.status(), failed.text()), (404, r#"{"secret":1}"#));
    assert_eq!(client.get("/text").text(), "text");
    let bad = client.get("/bad");
    assert_eq!((bad.status(), bad.code()), (502, "service-answer-not-transformed"));
    assert_eq!(client.get("/good").status(), 200, "the connection goes on");
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 1);
}
