//! A browser that speaks gRPC-Web over HTTP/1.1 and a service of gRPC over HTTP/2.

use std::net::SocketAddr;
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mamparo_proxy::{Limits, Speaks, Transport};

use super::{Rig, settings};
use crate::rig::{Client, Message, listen};

/// A service that answers each call with its own message, and with what it saw in its trailers.
fn service() -> SocketAddr {
    let socket = listen();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
            }
        });
    });
    address
}

type Answer =
    StreamBody<futures_util::stream::Iter<std::array::IntoIter<Result<Frame<Bytes>, hyper::Error>, 2>>>;

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    let text =
        |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let seen = format!("{} {}", text("content-type"), text("te"));
    let message = request.into_body().collect().await?.to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    trailers.insert("x-seen", seen.parse().unwrap());
    let frames = [Ok(Frame::data(message)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    response.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
    Ok(response)
}

fn call(client: &mut Client, content: &str, body: &[u8]) -> Message {
    client.send(format!(
        "POST /a.B/C HTTP/1.1\r\nhost: it.test\r\ncontent-type: {content}\r\nx-grpc-web: 1\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    ));
    client.send(body);
    client.answer()
}

#[test]
fn a_call_of_a_browser_reaches_a_service_of_grpc_and_comes_back() {
    let transport = Transport { speaks: Speaks::Http2, ..Transport::default() };
    let rig = Rig::speaking(&[service()], Limits::default(), settings("grpc_web: {}"), transport);
    let mut client = rig.client();
    let trailers = b"grpc-status: 0\r\nx-seen: application/grpc+proto trailers\r\n";
    let mut whole = b"\0\0\0\0\x02hi\x80\0\0\0".to_vec();
    whole.push(u8::try_from(trailers.len()).unwrap());
    whole.extend(trailers);

    let answer = call(&mut client, "application/grpc-web+proto", b"\0\0\0\0\x02hi");
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/grpc-web+proto")));
    assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(&whole));

    let answer = call(&mut client, "application/grpc-web-text", b"AAAAAAJoaQ==");
    assert_eq!(answer.header("content-type"), Some("application/grpc-web-text+proto"));
    assert_eq!(&answer.body[..8], b"AAAAAAJo");

    // What is no base64 is told as a failure of the call.
    let answer = call(&mut client, "application/grpc-web-text", b"AAAA!AAA");
    assert_eq!((answer.status(), answer.header("grpc-status")), (200, Some("3")));
    assert!(answer.header("grpc-message").unwrap().ends_with("is not base64"));
}
