//! Clients and services that are too slow, too large or too many are answered, and cost no more than that.

use std::io::Write;
use std::time::{Duration, Instant};

use mamparo_proxy::{Limits, Settings};

use crate::rig::{Client, OK, PATIENCE, Rig, Service};

const SHORT: Duration = Duration::from_millis(120);

#[test]
fn a_header_that_does_not_end_is_answered_408() {
    let (service, _requests) = Service::answering(OK);
    let limits = Limits { header_time: SHORT, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (408, "header-timeout"));
    assert!(client.is_closed());

    let mut client = rig.client();
    assert_eq!(client.get("/").status(), 200);
    client.send("G");
    assert_eq!(client.answer().status(), 408, "also after a good request");

    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(client.answer().status(), 408, "also right behind one");

    let mut silent = rig.client();
    assert!(silent.is_closed(), "who says nothing is not answered");
    rig.await_metric("mamparo_proxy_connections", 0);
}

#[test]
fn a_connection_that_rests_for_too_long_is_closed() {
    let (service, _requests) = Service::answering(OK);
    let limits = Limits { idle_time: SHORT, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let mut client = rig.client();
    assert_eq!(client.get("/").status(), 200);
    let rested = Instant::now();
    assert!(client.is_closed());
    assert!(rested.elapsed() < PATIENCE / 2);
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let service = Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            if !request.whole {
                return;
            }
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        }
    });
    let limits = Limits { body_idle: SHORT, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (408, "body-timeout"));
    assert!(client.is_closed());

    let answer = rig.client().get("/");
    assert_eq!((answer.status(), answer.text(), answer.whole), (200, "half", false), "nor does an answer");
    rig.await_metric(r#"mamparo_proxy_requests_total{route="all",status="aborted"}"#, 1);
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    let service = Service::start(|mut connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
        while connection.stream.get_mut().write(&[0; 64 * 1024]).is_ok() {}
    });
    let limits = Limits { body_idle: SHORT, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    rig.await_metric(r#"mamparo_proxy_requests_total{route="all",status="aborted"}"#, 1);
    rig.await_metric("mamparo_proxy_connections", 0);
    let mut answer = client.head().unwrap();
    client.body(&mut answer, false);
    assert!(!answer.whole);
}

#[test]
fn what_is_too_large_is_answered_and_the_answer_arrives() {
    let (service, requests) = Service::answering(OK);
    let limits = Limits { body_bytes: 1000, uri_bytes: 2000, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let ten_megabytes = vec![b'x'; 10_000_000];

    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\n");
    let _ = client.stream.get_mut().write_all(&ten_megabytes);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (413, "body-too-large"));

    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n989680\r\n");
    let _ = client.stream.get_mut().write_all(&ten_megabytes);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (413, "body-too-large"), "also where it is not announced");

    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx: ");
    let _ = client.stream.get_mut().write_all(&ten_megabytes[..1_000_000]);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (431, "header-too-large"));

    let mut client = rig.client();
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "a: b\r\n".repeat(200)));
    assert_eq!(client.answer().status(), 431);

    let mut client = rig.client();
    client.send(format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(3000)));
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (414, "target-too-long"));

    assert!(requests.try_iter().all(|request| !request.whole), "no service got any of it whole");
}

#[test]
fn one_connection_too_many_is_answered_503() {
    let (service, _requests) = Service::answering(OK);
    let limits = Limits { connections_per_worker: 2, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let mut kept: Vec<Client> = (0..2).map(|_| rig.client()).collect();
    for client in &mut kept {
        assert_eq!(client.get("/").status(), 200);
    }
    let answer = rig.client().answer();
    assert_eq!((answer.status(), answer.code()), (503, "too-many-connections"));
    kept.pop();
    rig.await_metric("mamparo_proxy_connections", 1);
    assert_eq!(rig.client().get("/").status(), 200);
    assert_eq!(rig.metric("mamparo_proxy_connections_refused_total"), 1);
}

#[test]
fn a_service_that_does_not_answer_in_time_is_told_from_a_deadline() {
    let service = Service::start(|mut connection| while connection.request().is_some() {});
    let settings = Settings { answer_timeout: SHORT, ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let mut client = rig.client();
    let answer = client.get("/");
    assert_eq!((answer.status(), answer.code()), (504, "service-timeout"));
    client.send("GET / HTTP/1.1\r\nhost: a\r\nmamparo-timeout-ms: 30\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (504, "deadline-passed"));

    // While a body is on its way, the service is not what is waited for.
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n");
    for _ in 0..3 {
        std::thread::sleep(SHORT / 2);
        client.send("x");
    }
    assert_eq!(client.answer().code(), "service-timeout");
}

#[test]
fn one_address_does_not_take_all_the_connections() {
    let (service, _requests) = Service::answering(OK);
    let limits = Limits { connections_per_source: Some(2), ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let (mut one, mut two) = (rig.client(), rig.client());
    assert_eq!((one.get("/").status(), two.get("/").status()), (200, 200));
    assert_eq!(rig.client().answer().code(), "too-many-connections");
    drop(two);
    rig.await_metric("mamparo_proxy_connections", 1);
    assert_eq!(rig.client().get("/").status(), 200);
    assert_eq!(one.get("/").status(), 200);
}

#[test]
fn a_connection_at_rest_goes_on_where_it_stopped_and_ends_with_its_client() {
    let (service, _requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").status(), 200);
        rig.await_metric("mamparo_proxy_connections_resting", 1);
    }
    // A head that comes in parts is put together, and one that is wrong is still looked at.
    client.send("GET / HTTP/1.1\r\nho");
    rig.await_metric("mamparo_proxy_connections_resting", 0);
    client.send("st: it.test\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
    rig.await_metric("mamparo_proxy_connections_resting", 1);
    client.send("GET / HTTP/1.1\r\nhost : it.test\r\n\r\n");
    assert_eq!(client.answer().code(), "malformed-request");
    let mut client = rig.client();
    assert_eq!(client.get("/").status(), 200);
    rig.await_metric("mamparo_proxy_connections_resting", 1);
    drop(client);
    rig.await_metric("mamparo_proxy_connections_resting", 0);
    rig.await_metric("mamparo_proxy_connections", 0);
}
