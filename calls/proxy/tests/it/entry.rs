//! What comes before HTTP: the PROXY protocol from listed peers, plain and before TLS, and what a connection whose client
//! has shown a certificate may be used for.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mamparo_context::Clock;
use mamparo_proxy::{Entry, Limits, Routing};
use mamparo_tls::proxy_protocol::{Addresses, TrustedPeers, write_v2};
use mamparo_tls::{CertificateAuthority, ClientAuth, Protocol, UpstreamTls, UpstreamTlsConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Client, Message, OK, Rig, Service};
use crate::tls::{Papers, entry, papers_for};

const FAILURES: &str = "mamparo_proxy_proxy_protocol_failures_total";
const GET: &str = "GET / HTTP/1.1\r\nhost: it.test\r\n\r\n";

/// A rig that believes this machine, and what its service is asked.
fn told(entry: Entry, limits: Limits) -> (Rig, Receiver<Message>) {
    let (service, requests) = Service::answering(OK);
    let peers = TrustedPeers::parse(&["127.0.0.0/8"]).unwrap();
    let change = |routing: Routing| routing.with_entrance(peers, Vec::new()).unwrap();
    (Rig::entered(entry, &[service.address], limits, change), requests)
}

/// Sends `before` as it is and then `requests` over TLS, the last of which asks to close: the answers.
pub(crate) fn over_tls(
    to: SocketAddr,
    before: &[u8],
    (papers, host): (&Papers, &str),
    requests: &str,
) -> Result<String, String> {
    let ca = CertificateAuthority::File(papers.authority.clone());
    let own = papers.config.certificates.first().filter(|_| papers.config.client_ca.is_some());
    let config = UpstreamTlsConfig {
        ca,
        alpn: vec![Protocol::Http1],
        client_cert: own.map(|own| own.cert.clone()),
        client_key: own.map(|own| own.key.clone()),
        ..UpstreamTlsConfig::default()
    };
    let tls = UpstreamTls::load(&config, &Clock::system()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(before).await.unwrap();
        let mut inner = tls.connect(stream, host).await.map_err(|error| error.to_string())?.stream;
        inner.write_all(requests.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut answer = String::new();
        inner.read_to_string(&mut answer).await.map_err(|error| error.to_string())?;
        Ok(answer)
    })
}

fn both(source: &str) -> Option<Addresses> {
    Some(Addresses { source: source.parse().unwrap(), destination: "192.0.2.1:80".parse().unwrap() })
}

#[test]
fn the_client_is_who_a_listed_peer_says() {
    let (rig, requests) = told(Entry::default(), Limits::default());
    for (header, source) in [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (write_v2(both("192.0.2.8:4711")), "192.0.2.8"),
        (write_v2(None), "127.0.0.1"),
    ] {
        for pieces in [1, 7, 4096] {
            let mut client = rig.client();
            let all = [header.as_slice(), GET.as_bytes()].concat();
            all.chunks(pieces).for_each(|piece| client.send(piece));
            assert_eq!(client.answer().status(), 200, "{source}");
            assert_eq!(client.get("/").status(), 200, "{source}: the connection goes on");
            for _ in 0..2 {
                assert_eq!(requests.recv().unwrap().header("x-forwarded-for"), Some(source));
            }
        }
    }
    assert_eq!(Client::connect(rig.mesh).get("/").code(), "no-route", "the mesh is told by nobody");
    assert_eq!(rig.metric(FAILURES), 0);
}

#[test]
fn what_does_not_begin_with_the_header_is_closed_and_counted() {
    let limits = Limits { header_time: Duration::from_millis(200), ..Limits::default() };
    let (rig, requests) = told(Entry::default(), limits);
    let mut count = 0;
    for (bytes, ends) in [
        (GET, false),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n", false),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 99999 80\r\n", false),
        ("\r\n\r\n\0\r\nQUIT\n\u{1}\0\0\0", false),
        ("PROXY TCP4 192.0", true),
        // Late.
        ("PROXY TCP4 192.0", false),
    ] {
        let mut client = rig.client();
        client.send(bytes);
        if ends {
            client.close_writing();
        }
        assert!(client.is_closed(), "{bytes:?}");
        count += 1;
        rig.await_metric(FAILURES, count);
    }
    // A balancer that only looks whether somebody listens.
    rig.client().close_writing();
    let mut long = rig.client();
    long.send([b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat());
    assert!(long.is_closed());
    rig.await_metric(FAILURES, count + 1);
    assert!(requests.try_recv().is_err());
}

#[test]
fn nobody_else_may_say_who_a_client_is() {
    let (service, requests) = Service::answering(OK);
    let peers = TrustedPeers::parse(&["192.0.2.0/24"]).unwrap();
    let change = |routing: Routing| routing.with_entrance(peers, Vec::new()).unwrap();
    let rig = Rig::entered(Entry::default(), &[service.address], Limits::default(), change);
    for header in [b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n".to_vec(), write_v2(both("192.0.2.8:4711"))] {
        let mut client = rig.client();
        client.send([header.as_slice(), GET.as_bytes()].concat());
        assert_eq!(client.answer().status(), 400);
    }
    assert_eq!(rig.client().get("/").status(), 200);
    assert_eq!(requests.recv().unwrap().header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn connections_are_counted_by_the_client_that_is_told() {
    let limits = Limits { connections_per_source: Some(1), ..Limits::default() };
    let (rig, _requests) = told(Entry::default(), limits);
    let open = |source: &str| {
        let mut client = rig.client();
        client.send(format!("PROXY TCP4 {source} 192.0.2.1 4711 80\r\n{GET}"));
        (client.answer().status(), client)
    };
    let (first, _held) = open("192.0.2.7");
    let (other, _also_held) = open("192.0.2.8");
    assert_eq!((first, other), (200, 200), "they come through one peer and from two clients");
    assert_eq!(open("192.0.2.7").0, 503);
    assert_eq!(rig.metric("mamparo_proxy_connections_refused_total"), 1);
}

#[test]
fn the_header_comes_before_tls_as_well() {
    let papers = papers_for(&[&["it.test"]]);
    let (rig, requests) = told(entry(&papers), Limits::default());
    let get = GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let answer = over_tls(rig.edge, &write_v2(both("192.0.2.9:1")), (&papers, "it.test"), &get).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(requests.recv().unwrap().header("x-forwarded-for"), Some("192.0.2.9"));
    assert!(over_tls(rig.edge, b"", (&papers, "it.test"), &get).is_err());
    rig.await_metric(FAILURES, 1);
    assert_eq!(rig.metric("mamparo_proxy_handshake_failures_total"), 0);
}

#[test]
fn who_is_believed_changes_with_the_routing() {
    let (rig, _requests) = told(Entry::default(), Limits::default());
    let mut client = rig.client();
    client.send(GET);
    assert!(client.is_closed());
    rig.proxy.as_ref().unwrap().reconfigure(Routing::new(Vec::new(), Vec::new()).unwrap());
    assert_eq!(rig.client().get("/").code(), "no-route");
}

#[test]
fn a_connection_is_for_the_hosts_of_the_certificate_it_was_opened_for() {
    let (service, _requests) = Service::answering(OK);
    let mut papers = papers_for(&[&["it.test", "also.test"], &["other.test"]]);
    let get = |host: &str| format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let status = |rig: &Rig, papers: &Papers, asked: &str, host: &str| {
        let answer = over_tls(rig.edge, b"", (papers, asked), &get(host)).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let open = Rig::behind(entry(&papers), &[service.address]);
    assert_eq!(status(&open, &papers, "it.test", "other.test"), 200, "nobody has proven anything");

    papers.config.client_auth = ClientAuth::Required;
    papers.config.client_ca = Some(papers.authority.clone());
    let rig = Rig::behind(entry(&papers), &[service.address]);
    for (asked, host, expected) in [
        ("it.test", "it.test", 200),
        ("it.test", "IT.test:443", 200),
        ("it.test", "also.test", 200),
        ("it.test", "other.test", 421),
        ("it.test", "unknown.test", 421),
        ("other.test", "it.test", 421),
        ("other.test", "other.test", 200),
    ] {
        assert_eq!(status(&rig, &papers, asked, host), expected, "{host} over {asked}");
    }
}
