//! WebSockets over HTTP/2 (RFC 8441), on either side and on both: what the service is asked, what the client is told, and
//! what becomes of one that is not granted.

use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mamparo_proxy::{Limits, Settings, Speaks, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http2::{block_on, connect};
use crate::rig::{Client, OK, Rig, Service, listen};

const ASK: &str = "GET /chat?a=b HTTP/1.1\r\nhost: it.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-protocol: chat\r\n\r\n";

type Seen = (Method, String, Option<String>, http::HeaderMap);

/// A service of HTTP/2 that sends back what comes on a WebSocket, answers `/no` with 403, and tells what it was asked.
fn service(takes_websockets: bool) -> (SocketAddr, Receiver<Seen>) {
    let socket = listen();
    let address = socket.local_addr().unwrap();
    let (saw, seen) = channel();
    thread::spawn(move || {
        block_on(async move {
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                if takes_websockets {
                    server.enable_connect_protocol();
                }
                let saw = saw.clone();
                let answer = move |request| std::future::ready(Ok::<_, Infallible>(answer(request, &saw)));
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
            }
        });
    });
    (address, seen)
}

fn answer(request: Request<Incoming>, saw: &Sender<Seen>) -> Response<Full<Bytes>> {
    let protocol = request.extensions().get::<Protocol>().map(|protocol| protocol.as_str().to_owned());
    let is_websocket = protocol.is_some();
    let seen = (request.method().clone(), request.uri().to_string(), protocol, request.headers().clone());
    let _ = saw.send(seen);
    if request.uri().path() == "/no" {
        return Response::builder().status(StatusCode::FORBIDDEN).body("no".into()).unwrap();
    }
    if !is_websocket {
        return Response::new("plain".into());
    }
    tokio::spawn(async move {
        let mut socket = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        let mut bytes = [0; 1024];
        while let Ok(count) = socket.read(&mut bytes).await
            && count > 0
        {
            socket.write_all(&bytes[..count]).await.unwrap();
        }
        socket.shutdown().await.unwrap();
    });
    let mut granted = Response::new(Full::default());
    granted.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    granted
}

fn to(address: SocketAddr) -> Rig {
    let transport = Transport { speaks: Speaks::Http2, ..Transport::default() };
    Rig::speaking(&[address], Limits::default(), Settings::default(), transport)
}

fn echoes(client: &mut Client, said: &str) {
    client.send(said);
    let mut bytes = vec![0; said.len()];
    client.stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, said.as_bytes());
}

/// A service is known to take no WebSockets a second after its connection began. That wait is none of its own.
#[test]
fn a_service_that_takes_none_has_all_of_its_time_for_the_answer() {
    let (address, _seen) = service(false);
    let transport = Transport { speaks: Speaks::Http2, ..Transport::default() };
    let settings = Settings { answer_timeout: Duration::from_millis(500), ..Settings::default() };
    let rig = Rig::speaking(&[address], Limits::default(), settings, transport);
    let mut client = rig.client();
    client.send(ASK);
    assert_eq!(client.answer().text(), "plain");
}

#[test]
fn a_client_of_http1_speaks_with_a_service_of_http2() {
    let (address, seen) = service(true);
    let rig = to(address);
    let mut clients: Vec<Client> = (0..3).map(|_| rig.client()).collect();
    for client in &mut clients {
        client.send(ASK);
        let head = client.head().unwrap();
        assert_eq!(head.status(), 101, "{head:?}");
        assert_eq!((head.header("upgrade"), head.header("connection")), (Some("websocket"), Some("upgrade")));
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(head.header("sec-websocket-protocol"), Some("chat"));
        let (method, uri, protocol, headers) = seen.recv().unwrap();
        assert_eq!((method, protocol.as_deref()), (Method::CONNECT, Some("websocket")));
        assert_eq!(uri, "http://it.test/chat?a=b");
        assert_eq!(
            (&headers["sec-websocket-version"], &headers["sec-websocket-protocol"]),
            (&"13".parse().unwrap(), &"chat".parse().unwrap())
        );
        for gone in ["sec-websocket-key", "upgrade", "connection", "host"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }
    for round in 0..20 {
        for client in &mut clients {
            echoes(client, &format!("round {round} {}", "x".repeat(round * 100)));
        }
    }
    // Other requests go on beside them, on the same connection.
    assert_eq!(rig.client().get("/other").text(), "plain");
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 1);
    for mut client in clients {
        client.close_writing();
        assert!(client.is_closed());
    }
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
    rig.await_metric("mamparo_proxy_connections", 0);
}

#[test]
fn one_that_the_service_refuses_is_told_and_the_connection_goes_on() {
    let (address, _seen) = service(true);
    let rig = to(address);
    let mut client = rig.client();
    client.send(ASK.replace("/chat?a=b", "/no"));
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (403, "no"));
    assert_eq!(client.get("/other").text(), "plain");
}

#[test]
fn a_service_that_takes_no_websockets_sees_a_plain_request() {
    let (address, seen) = service(false);
    let rig = to(address);
    let mut client = rig.client();
    client.send(ASK);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (200, "plain"));
    let (method, _, protocol, headers) = seen.recv().unwrap();
    assert_eq!((method, protocol), (Method::GET, None));
    assert!(!headers.contains_key("upgrade"));
    assert_eq!(client.get("/other").text(), "plain", "the connection goes on");
}

/// What comes of an extended `CONNECT`: the status, and what is echoed where it is granted.
fn by_connect(rig: &Rig, path: &str) -> (StatusCode, String) {
    block_on(async {
        let mut sender = connect(rig.edge).await;
        // The settings of the proxy say that it may be asked.
        let plain = Request::get("http://it.test/fixed").body(Full::default()).unwrap();
        assert_eq!(sender.send_request(plain).await.unwrap().status(), StatusCode::OK);
        let mut ask = Request::builder().method(Method::CONNECT).uri(format!("http://it.test{path}"));
        ask = ask.header("sec-websocket-version", "13").extension(Protocol::from_static("websocket"));
        let answer = sender.send_request(ask.body(Full::default()).unwrap()).await.unwrap();
        let status = answer.status();
        assert!(!answer.headers().contains_key("sec-websocket-accept"));
        if status != StatusCode::OK {
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            return (status, String::from_utf8(body.to_vec()).unwrap());
        }
        let mut socket = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        socket.write_all(b"hello").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).await.unwrap();
        (status, said)
    })
}

#[test]
fn a_client_of_http2_speaks_with_a_service_of_http2() {
    let (address, seen) = service(true);
    let rig = to(address);
    assert_eq!(by_connect(&rig, "/chat"), (StatusCode::OK, "hello".into()));
    let (method, uri, protocol, headers) = seen.recv().unwrap();
    assert_eq!((method, protocol.as_deref()), (Method::CONNECT, Some("websocket")));
    assert_eq!(uri, "http://it.test/chat");
    assert!(!headers.contains_key("sec-websocket-key"));
    assert_eq!(by_connect(&rig, "/no"), (StatusCode::FORBIDDEN, "no".into()));
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
    rig.await_metric("mamparo_proxy_connections", 0);
}

#[test]
fn what_is_well_with_a_plain_request_grants_no_websocket() {
    let (old, _requests) = Service::answering(OK);
    let (new, _seen) = service(false);
    for rig in [Rig::new(&[old.address]), to(new)] {
        let (status, body) = by_connect(&rig, "/chat");
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(body.contains("service-answer-malformed"), "{body}");
    }
}
