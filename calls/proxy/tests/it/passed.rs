//! TLS connections that are passed on by the host that their client asks for, without a look inside.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use mamparo_proxy::{Entry, Limits, Passage, Routing, Settings, Speaks};
use mamparo_tls::proxy_protocol::TrustedPeers;

use crate::entry::over_tls;
use crate::rig::{Client, OK, Rig, Service, reserve};
use crate::tls::{Papers, entry, papers_for, transport};

const COMPLETE: &str = r#"mamparo_proxy_passed_connections_total{service="it",end="complete"}"#;
const ABORTED: &str = r#"mamparo_proxy_passed_connections_total{service="it",end="aborted"}"#;

fn passing(hosts: &[&str]) -> impl FnOnce(Routing) -> Routing + use<> {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let passage = Passage { hosts, service: "it".into() };
    |routing| routing.with_entrance(TrustedPeers::default(), vec![passage]).unwrap()
}

/// One that passes on what asks for `passed.test`, and whose own certificate is for `it.test`.
fn rig(papers: &Papers, endpoints: &[SocketAddr], limits: Limits) -> Rig {
    Rig::entered(entry(papers), endpoints, limits, passing(&["passed.test", "*.below.test"]))
}

/// One that passes on what asks for `host`.
pub(crate) fn rig_for(host: &str, endpoints: &[SocketAddr]) -> Rig {
    Rig::entered(entry(&papers_for(&[&["it.test"]])), endpoints, Limits::default(), passing(&[host]))
}

/// The first bytes of a client that asks for `host`.
pub(crate) fn hello(host: &str) -> Vec<u8> {
    let name = host.as_bytes();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    let host = [&[0][..], &length(name), name].concat();
    let list = [length(&host), host].concat();
    let extension = [&[0, 0][..], &length(&list), &list].concat();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &length(&extension), &extension].concat();
    let message = [&[1, 0][..], &length(&body), &body].concat();
    [&[22, 3, 1][..], &length(&message), &message].concat()
}

fn rest(client: &mut Client) -> String {
    let mut rest = String::new();
    client.stream.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
fn the_service_terminates_what_is_passed_on_and_we_what_is_not() {
    let (service, requests) = Service::answering(OK);
    let theirs = papers_for(&[&["passed.test", "x.below.test", "it.test"]]);
    let ours = papers_for(&[&["it.test"]]);
    let inner = Rig::behind(entry(&theirs), &[service.address]);
    let rig = rig(&ours, &[inner.edge], Limits::default());
    for (number, host) in ["passed.test", "x.below.test"].into_iter().enumerate() {
        for speaks in [Speaks::Http1, Speaks::Http2] {
            // Only the service can have shown a certificate for it.
            let to = transport(&theirs, speaks, host);
            let outer = Rig::speaking(&[rig.edge], Limits::default(), Settings::default(), to);
            assert_eq!(outer.client().get("/").text(), "ok", "{host} {speaks:?}");
            assert_eq!(requests.recv().unwrap().header("x-forwarded-proto"), Some("https"));
        }
        let ended = 2 * (number as u64 + 1);
        rig.await_that("mamparo_proxy_connections", |open| open == 0);
        assert_eq!(rig.metric(COMPLETE) + rig.metric(ABORTED), ended);
    }
    let fixed = "GET /fixed HTTP/1.1\r\nhost: it.test\r\nconnection: close\r\n\r\n";
    let answer = over_tls(rig.edge, b"", (&ours, "it.test"), fixed).unwrap();
    assert!(answer.ends_with("fixed\n"), "{answer}");
    assert!(over_tls(rig.edge, b"", (&theirs, "it.test"), fixed).is_err(), "this one is not passed on");
    assert!(rig.metric(r#"mamparo_proxy_passed_bytes_total{service="it",way="received"}"#) > 1000);
    assert!(rig.metric(r#"mamparo_proxy_passed_bytes_total{service="it",way="sent"}"#) > 1000);
}

#[test]
fn bytes_pass_as_they_are_and_an_end_passes_too() {
    let (seen, at_service) = std::sync::mpsc::channel();
    let service = Service::start(move |mut connection| {
        let mut all = Vec::new();
        connection.stream.read_to_end(&mut all).unwrap();
        seen.send(all).unwrap();
        connection.send("that was all");
    });
    let rig = rig(&papers_for(&[&["it.test"]]), &[service.address], Limits::default());
    let mut client = rig.client();
    let bytes = [hello("passed.test"), vec![9; 5000]].concat();
    // In two pieces: the host is known with the second.
    let (first, last) = bytes.split_at(60);
    client.send(first);
    client.send(last);
    client.close_writing();
    assert_eq!(at_service.recv().unwrap(), bytes);
    assert_eq!(rest(&mut client), "that was all");
    rig.await_metric(COMPLETE, 1);
}

#[test]
fn another_endpoint_takes_over_and_where_none_does_the_connection_closes() {
    let (_reserved, gone) = reserve();
    let service = Service::start(|mut connection| {
        connection.send("here");
        connection.is_closed();
    });
    let papers = papers_for(&[&["it.test"]]);
    let of_two = rig(&papers, &[gone, service.address], Limits::default());
    for _ in 0..4 {
        let mut client = of_two.client();
        client.send(hello("passed.test"));
        client.close_writing();
        assert_eq!(rest(&mut client), "here");
    }
    for endpoints in [&[gone][..], &[]] {
        let rig = rig(&papers, endpoints, Limits::default());
        let mut client = rig.client();
        client.send(hello("passed.test"));
        assert!(client.is_closed());
        rig.await_metric(ABORTED, 1);
    }
}

#[test]
fn one_through_which_nothing_passes_is_closed() {
    let service = Service::start(|mut connection| assert!(!connection.is_closed()));
    let limits = Limits { tunnel_idle: Duration::from_millis(50), ..Limits::default() };
    let rig = rig(&papers_for(&[&["it.test"]]), &[service.address], limits);
    let mut client = rig.client();
    client.send(hello("passed.test"));
    assert!(client.is_closed());
    rig.await_metric(ABORTED, 1);
}

#[test]
fn one_that_never_says_its_host_is_given_up_in_time() {
    let limits = Limits { header_time: Duration::from_millis(100), ..Limits::default() };
    let rig = rig(&papers_for(&[&["it.test"]]), &[], limits);
    let mut client = rig.client();
    client.send(&hello("passed.test")[..20]);
    assert!(client.is_closed());
    rig.await_metric("mamparo_proxy_handshake_failures_total", 1);
}

#[test]
fn who_is_passed_on_changes_with_the_routing() {
    let (service, _requests) = Service::answering(OK);
    let papers = papers_for(&[&["passed.test"]]);
    let rig = Rig::entered(entry(&papers), &[service.address], Limits::default(), passing(&["passed.test"]));
    let get = "GET / HTTP/1.1\r\nhost: passed.test\r\nconnection: close\r\n\r\n";
    rig.proxy.as_ref().unwrap().reconfigure(Routing::new(Vec::new(), Vec::new()).unwrap());
    let answer = over_tls(rig.edge, b"", (&papers, "passed.test"), get).unwrap();
    assert!(answer.contains("no-route"), "{answer}");
}

#[test]
fn without_tls_nothing_is_passed_on() {
    let (service, _requests) = Service::answering(OK);
    let change = passing(&["passed.test"]);
    let rig = Rig::entered(Entry::default(), &[service.address], Limits::default(), change);
    let mut client = rig.client();
    client.send(hello("passed.test"));
    client.close_writing();
    let head = client.head().map(|head| head.status());
    assert!(head.is_none() || head == Some(400), "{head:?}");
    assert_eq!(rig.client().get("/").status(), 200);
}
