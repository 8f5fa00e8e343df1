//! Requests that could be read in two ways are answered 400 by the proxy and never reach a service.

use crate::rig::{Client, OK, Rig, Service};

#[test]
fn what_is_ambiguous_is_refused_and_not_forwarded() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let te = "transfer-encoding: chunked\r\n";
    for (request, status, code) in [
        (
            format!("POST / HTTP/1.1\r\nhost: a\r\n{te}content-length: 4\r\n\r\n0\r\n\r\n"),
            400,
            "ambiguous-framing",
        ),
        (
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n{te}\r\n0\r\n\r\n"),
            400,
            "ambiguous-framing",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx".into(),
            400,
            "ambiguous-framing",
        ),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\nx".into(), 400, "ambiguous-framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x1\r\n\r\nx".into(), 400, "ambiguous-framing"),
        (format!("POST / HTTP/1.0\r\nhost: a\r\n{te}\r\n0\r\n\r\n"), 400, "ambiguous-framing"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n".into(),
            501,
            "coding-not-supported",
        ),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400, "ambiguous-host"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n".into(), 400, "ambiguous-host"),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n".into(), 400, "ambiguous-host"),
        ("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n".into(), 400, "ambiguous-host"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded\r\n\r\n".into(), 400, "malformed-request"),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n".into(), 400, "malformed-request"),
        ("GET / HTTP/1.1\nhost: a\n\n".into(), 400, "malformed-request"),
        ("GET /a/../../b HTTP/1.1\r\nhost: a\r\n\r\n".into(), 400, "ambiguous-path"),
        ("GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n".into(), 400, "ambiguous-path"),
        ("PRI * HTTP/2.0\r\nhost: a\r\n\r\n".into(), 505, "version-not-supported"),
        ("\u{16}\u{3}\u{1}\u{2}".into(), 400, "malformed-request"),
        ("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n".into(), 501, "method-refused"),
        ("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n".into(), 501, "method-refused"),
        ("GET / HTTP/1.1\r\nhost: a\r\nmamparo-timeout-ms: soon\r\n\r\n".into(), 400, "malformed-header"),
    ] {
        let mut client = rig.client();
        client.send(&request);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.code()), (status, code), "{request:?}");
        if !matches!(code, "ambiguous-path" | "malformed-header") && !request.contains("a b") {
            assert_eq!(answer.header("connection"), Some("close"), "{request:?}");
            assert!(client.is_closed(), "{request:?}");
        }
    }
    assert_eq!(rig.client().get("/").status(), 200);
    assert_eq!(requests.recv().unwrap().start, "GET / HTTP/1.1");
    assert!(requests.try_recv().is_err(), "nothing else was forwarded");
}

#[test]
fn pipelined_requests_are_answered_in_order_up_to_the_one_that_is_refused() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send(
        "POST /1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nde\
         POST /3 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /4 HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(client.answer().text(), "ok");
    let last = client.answer();
    assert_eq!((last.status(), last.code()), (400, "ambiguous-framing"));
    assert!(client.is_closed());
    let seen: Vec<_> = requests.try_iter().map(|request| (request.start, request.body)).collect();
    assert_eq!(seen[0], ("POST /1 HTTP/1.1".into(), b"abc".to_vec()));
    assert_eq!(seen[1], ("POST /2 HTTP/1.1".into(), b"de".to_vec()));
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_malformed_chunk_is_refused_in_the_middle_of_a_body() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    for body in ["3\r\nabcdef\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "zz\r\n", "3;\u{7f}\r\nabc\r\n0\r\n\r\n"]
    {
        let mut client = rig.client();
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
        let answer = client.answer();
        assert_eq!((answer.status(), answer.code()), (400, "ambiguous-framing"), "{body:?}");
        assert!(client.is_closed());
    }
    assert!(requests.try_iter().all(|request| !request.whole));
}

#[test]
fn a_head_that_comes_with_a_malformed_chunk_is_answered() {
    let (service, _requests) = Service::answering(OK);
    let slow = Service::start(|mut connection| {
        connection.head();
        std::thread::sleep(std::time::Duration::from_millis(50));
        connection.send(OK);
    });
    for service in [service, slow] {
        let rig = Rig::new(&[service.address]);
        for (path, lines, statuses) in [
            ("/", "", &[400][..]),
            ("/", "expect: 100-continue\r\n", &[400]),
            ("/", "upgrade: websocket\r\nconnection: upgrade\r\n", &[400]),
            ("/cut", "", &[400]),
            // What is answered without its body is answered as if that were sound; nothing follows it.
            ("/hidden", "", &[401]),
            ("/fixed", "", &[200]),
        ] {
            for body in ["zz\r\n", "1\r\naX\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "0\r\nabc\r\n\r\n"] {
                for is_first in [true, false] {
                    let mut client = rig.client();
                    if !is_first {
                        client.get("/fixed");
                    }
                    client.send(format!(
                        "GET {path} HTTP/1.1\r\nhost: a\r\n{lines}transfer-encoding: chunked\r\n\r\n{body}"
                    ));
                    let mut answer = client.answer();
                    while answer.status() < 200 {
                        answer = client.answer();
                    }
                    assert!(statuses.contains(&answer.status()), "{path} {lines} {body:?}: {answer:?}");
                    assert!(client.is_closed(), "{path} {lines} {body:?}");
                }
            }
        }
    }
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for _ in 0..2 {
        for byte in
            b"POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        {
            client.send([*byte]);
        }
        assert_eq!(client.answer().text(), "ok");
        assert_eq!(requests.recv().unwrap().body, b"abc");
    }
}

#[test]
fn routes_decide_who_answers() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    let hidden = client.get("/a/../hidden/x");
    assert_eq!((hidden.status(), hidden.code()), (401, "identity-required"));
    assert_eq!(hidden.header("www-authenticate"), Some("Bearer"));
    assert_eq!(client.get("/fixed").text(), "fixed\n");
    assert_eq!(client.get("/cut//me?q=1").status(), 200);
    assert_eq!(requests.recv().unwrap().start, "GET /me?q=1 HTTP/1.1");
    client.send("GET /only HTTP/1.1\r\nhost: it.mamparo\r\n\r\n");
    assert_eq!(client.answer().code(), "identity-required", "names of the mesh are no route of the edge");
    let mut mesh = Client::connect(rig.mesh);
    mesh.send("GET /hidden HTTP/1.1\r\nhost: it.mamparo\r\n\r\n");
    assert_eq!(mesh.answer().status(), 200);
    assert_eq!(requests.recv().unwrap().header("host"), Some("it.mamparo"));
    mesh.send("GET / HTTP/1.1\r\nhost: nobody.mamparo\r\n\r\n");
    assert_eq!(mesh.answer().code(), "no-route");
}
