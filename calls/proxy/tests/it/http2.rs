//! HTTP/2 on either side, driven by a client and a service of a library that is not ours.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mamparo_proxy::{Limits, Settings, Speaks, Transport};

use crate::rig::{OK, Rig, Service, listen};

pub(crate) type Sender = SendRequest<Full<Bytes>>;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) async fn connect(to: SocketAddr) -> Sender {
    let stream = tokio::net::TcpStream::connect(to).await.unwrap();
    let (sender, driver) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    sender
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://it.test{path}")).body(Full::default()).unwrap()
}

/// A service that speaks HTTP/2 only: answers with what it was sent, and the trailer `x-sum`.
fn echo() -> SocketAddr {
    let socket = listen();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        block_on(async move {
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(served);
            }
        });
    });
    address
}

async fn answer(
    request: Request<Incoming>,
) -> Result<
    Response<StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, hyper::Error>>>>,
    hyper::Error,
> {
    let te = request.headers().get("te").cloned();
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let body = request.into_body().collect().await?.to_bytes();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", body.len().into());
    let frames = [Ok(Frame::data(body)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    if let Some(te) = te {
        response.headers_mut().insert("x-te", te);
    }
    response.headers_mut().insert("x-authority", authority.unwrap().parse().unwrap());
    Ok(response)
}

fn to_http2(address: SocketAddr) -> Rig {
    let transport = Transport { speaks: Speaks::Http2, ..Transport::default() };
    Rig::speaking(&[address], Limits::default(), Settings::default(), transport)
}

#[test]
fn http2_goes_to_a_service_of_http1() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    block_on(async {
        let mut sender = connect(rig.edge).await;
        let answer = sender.send_request(get("/a?b=c")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        let post = Request::post("http://it.test/p").body(Full::from("body")).unwrap();
        assert_eq!(sender.send_request(post).await.unwrap().status(), StatusCode::OK);
    });
    let seen = requests.recv().unwrap();
    assert_eq!(seen.start, "GET /a?b=c HTTP/1.1");
    assert_eq!(seen.header("host"), Some("it.test"));
    let seen = requests.recv().unwrap();
    assert_eq!((seen.start.as_str(), &*seen.body), ("POST /p HTTP/1.1", &b"body"[..]));
    rig.await_metric("mamparo_proxy_connections", 0);
}

#[test]
fn many_requests_share_one_connection_on_both_sides() {
    let rig = to_http2(echo());
    block_on(async {
        let sender = connect(rig.edge).await;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..64 {
            let mut sender = sender.clone();
            calls.spawn(async move {
                let body = vec![b'x'; number * 1000];
                let post = Request::post("http://it.test/p").header("te", "trailers");
                let post = post.body(Full::from(body.clone())).unwrap();
                let answer = sender.send_request(post).await.unwrap();
                assert_eq!(answer.headers()["x-te"], "trailers");
                assert_eq!(answer.headers()["x-authority"], "it.test");
                let whole = answer.into_body().collect().await.unwrap();
                assert_eq!(whole.trailers().unwrap()["x-sum"], body.len().to_string());
                assert_eq!(whole.to_bytes(), body);
            });
        }
        calls.join_all().await;
    });
    assert_eq!(rig.metric("mamparo_proxy_service_connects_total{service=\"it\"}"), 1);
}

#[test]
fn http1_goes_to_a_service_of_http2_trailers_and_all() {
    let rig = to_http2(echo());
    let mut client = rig.client();
    client.send("POST /p HTTP/1.1\r\nhost: it.test\r\nte: trailers\r\nconnection: te\r\ncontent-length: 4\r\n\r\nabcd");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (200, "abcd"));
    assert_eq!(answer.header("x-authority"), Some("it.test"));
    assert_eq!(client.get("/").status(), 200, "the connection goes on");
}

#[test]
fn what_http2_must_not_say_is_refused() {
    let (service, _requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    block_on(async {
        let mut sender = connect(rig.edge).await;
        let long = get(&format!("/{}", "x".repeat(9000)));
        assert_eq!(sender.send_request(long).await.unwrap().status(), StatusCode::URI_TOO_LONG);
        let mut many = get("/");
        for number in 0..120 {
            let name: http::HeaderName = format!("x-{number}").parse().unwrap();
            many.headers_mut().insert(name, "1".parse().unwrap());
        }
        let refused = sender.send_request(many).await.unwrap();
        assert_eq!(refused.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let mut twofold = get("/");
        twofold.headers_mut().insert("host", "other.test".parse().unwrap());
        assert_eq!(sender.send_request(twofold).await.unwrap().status(), StatusCode::BAD_REQUEST);
        let mut large = get("/");
        *large.method_mut() = Method::POST;
        *large.body_mut() = Full::from(vec![0; 9 << 20]);
        let answer = sender.send_request(large).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(sender.send_request(get("/")).await.unwrap().status(), StatusCode::OK, "it goes on");
    });
}

#[test]
fn a_client_that_asks_and_gives_up_over_and_over_loses_its_connection() {
    let (held, holding) = mpsc::sync_channel::<()>(0);
    let holding = std::sync::Mutex::new(holding);
    let service = Service::start(move |mut connection| {
        connection.request();
        let _ = holding.lock().map(|held| held.recv());
    });
    let rig = Rig::new(&[service.address]);
    block_on(async {
        let mut sender = connect(rig.edge).await;
        let mut given_up = 0;
        // Each is given up as soon as it has been sent.
        while !sender.is_closed() && given_up < 5000 {
            if sender.ready().await.is_err() {
                break;
            }
            let asked = sender.send_request(get("/"));
            let _ = tokio::time::timeout(std::time::Duration::from_millis(1), asked).await;
            given_up += 1;
        }
        assert!(given_up < 5000, "it was never closed");
    });
    // By the bound of ours, or by one of the library below it, whichever is reached first.
    rig.await_metric("mamparo_proxy_connections", 0);
    drop(held);
}

#[test]
fn a_drain_lets_streams_end_and_takes_no_more() {
    let (service, _requests) = Service::answering(OK);
    let mut rig = Rig::new(&[service.address]);
    block_on(async {
        let mut sender = connect(rig.edge).await;
        assert_eq!(sender.send_request(get("/")).await.unwrap().status(), StatusCode::OK);
        let proxy = rig.proxy.take().unwrap();
        let drained = proxy.drain(crate::rig::PATIENCE).await;
        assert_eq!(drained.cut, 0);
        assert!(sender.ready().await.is_err() || sender.send_request(get("/")).await.is_err());
    });
}

#[test]
fn curl_is_served_over_http2() {
    let (service, _requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let url = format!("http://{}/x", rig.edge);
    let output = std::process::Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "20",
            "--http2-prior-knowledge",
            "-w",
            " %{http_version} %{http_code}",
            &url,
        ])
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: curl is not installed");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok 2 200");
}
