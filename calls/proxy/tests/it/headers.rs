//! What a service learns about a request, and what a client learns about an answer: nothing that belongs to one
//! connection, and nothing that a client made up about itself.

use crate::rig::{OK, Rig, Service};

#[test]
fn connection_headers_stop_at_the_proxy_in_both_directions() {
    let (service, requests) = Service::answering(
        "HTTP/1.1 200 OK\r\nconnection: x-secret\r\nconnection: x-other\r\nx-secret: 1\r\nx-other: 1\r\n\
         keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nupgrade: h2c\r\nx-kept: 1\r\n\
         content-length: 2\r\n\r\nok",
    );
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: x-one, keep-alive\r\nConnection: X-Two, authorization\r\n\
         x-one: 1\r\nx-two: 2\r\nx-three: 3\r\nauthorization: Basic eA==\r\nkeep-alive: 5\r\nte: gzip\r\n\
         proxy-connection: keep-alive\r\nupgrade: websocket\r\n\r\n",
    );
    let answer = client.answer();
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-kept", "content-length", "x-request-id", "date"]);
    let request = requests.recv().unwrap();
    for gone in ["connection", "x-one", "x-two", "keep-alive", "te", "proxy-connection", "upgrade"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    assert_eq!(request.header("x-three"), Some("3"));
    assert_eq!(request.header("authorization"), Some("Basic eA=="), "nobody strips it by naming it");
    assert_eq!(client.get("/").status(), 200, "the connection goes on");
}

#[test]
fn claims_of_a_client_are_replaced() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send(
        "GET / HTTP/1.1\r\nhost: shop.test:80\r\nx-forwarded-for: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n\
         x-forwarded-proto: https\r\nx-forwarded-host: evil\r\nx-forwarded-port: 1\r\nforwarded: for=6.6.6.6\r\n\
         x-real-ip: 6.6.6.6\r\nmamparo-principal: root\r\nx-request-id: mine-1\r\n\
         connection: x-forwarded-for, mamparo-principal\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    let request = requests.recv().unwrap();
    assert_eq!(request.header("host"), Some("shop.test:80"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    assert_eq!(request.header("x-forwarded-host"), Some("shop.test:80"));
    assert_eq!(request.header("x-request-id"), Some("mine-1"));
    assert_eq!(request.header("x-forwarded-port"), Some(&*rig.edge.port().to_string()));
    for gone in ["forwarded", "x-real-ip", "mamparo-principal"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
}

#[test]
fn the_trace_goes_on_and_the_deadline_shrinks() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send(
        "GET / HTTP/1.1\r\nhost: a\r\nmamparo-timeout-ms: 9000\r\ntracestate: a=1\r\nidempotency-key: k\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
    );
    assert_eq!(client.answer().header("x-request-id"), Some("0af7651916cd43dd8448eb211c80319c"));
    let request = requests.recv().unwrap();
    let parent = request.header("traceparent").unwrap();
    assert!(parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && parent.ends_with("-01"));
    assert!(!parent.contains("b7ad6b7169203331"), "the proxy is a span of its own");
    assert_eq!(request.header("tracestate"), Some("a=1"));
    assert_eq!(request.header("idempotency-key"), Some("k"));
    let left: u64 = request.header("mamparo-timeout-ms").unwrap().parse().unwrap();
    assert!((1..=9000).contains(&left), "{left}");

    client.send("GET / HTTP/1.1\r\nhost: a\r\nmamparo-timeout-ms: 99999999\r\ntraceparent: x\r\ntracestate: a=1\r\n\r\n");
    let id = client.answer().header("x-request-id").unwrap().to_owned();
    let request = requests.recv().unwrap();
    assert_eq!(request.header("traceparent").unwrap().get(3..35), Some(id.as_str()));
    assert_eq!(request.header("tracestate"), None, "it belonged to the trace that was not readable");
    let left: u64 = request.header("mamparo-timeout-ms").unwrap().parse().unwrap();
    assert!(left <= 30_000, "no longer than the route allows: {left}");
}
