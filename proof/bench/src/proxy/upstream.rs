//! The service behind the proxies: answers every request at once with the same bytes, on a thread beside the load.

mod h1;
mod h2;

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;

/// A service that speaks HTTP/1.1 on a port of its own and answers `body`.
pub(crate) fn h1(body: &Bytes) -> SocketAddr {
    let (socket, address) = listen();
    let body = body.clone();
    std::thread::Builder::new().name("upstream-h1".into()).spawn(move || h1::serve(&socket, &body)).unwrap();
    address
}

/// A service that speaks HTTP/2 without TLS, and answers a unary call of gRPC with `message` and a status in trailers.
pub(crate) fn grpc(message: &Bytes) -> SocketAddr {
    let (socket, address) = listen();
    let message = message.clone();
    std::thread::Builder::new().name("upstream-h2".into()).spawn(move || h2::serve(socket, message)).unwrap();
    address
}

fn listen() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
