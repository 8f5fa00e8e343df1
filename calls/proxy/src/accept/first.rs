//! What a new connection speaks. Nothing is held ready for it before its first byte has come: ten thousand clients
//! that have nothing to say cost next to nothing.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::wire::Wire;
use super::{Client, Gate, Peer, Protocol, Seat, serve};
use crate::limits::{DRAIN_GRACE, FIRST_BYTES};
use crate::options::Door;

/// How HTTP/2 begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves one connection.
pub(super) async fn connection(seat: Seat, stream: TcpStream, address: SocketAddr, gate: Rc<Gate>) {
    let worker = Rc::clone(&seat.worker);
    let readable = async {
        let readable = stream.readable();
        tokio::select! {
            readable = timeout(worker.limits.header_time, readable) => matches!(readable, Ok(Ok(()))),
            // Whoever has not said anything when the worker drains has lost nothing.
            () = worker.drain.begins() => matches!(timeout(DRAIN_GRACE, stream.readable()).await, Ok(Ok(()))),
        }
    };
    if readable.await {
        // Boxed: what waits for its first byte does not carry it.
        Box::pin(enter(seat, stream, address, gate)).await;
    }
}

/// Takes what comes before HTTP, then HTTP.
async fn enter(seat: Seat, stream: TcpStream, address: SocketAddr, gate: Rc<Gate>) {
    let worker = Rc::clone(&seat.worker);
    let Some(tls) = &gate.entry.tls else {
        let Ok(Ok(Some((protocol, first)))) = timeout(worker.limits.header_time, first_bytes(&stream)).await
        else {
            return;
        };
        let peer = peer(seat, Client::new(address, &gate.port, None), gate.door, protocol);
        return serve::connection(peer, stream, first).await;
    };
    match timeout(worker.limits.header_time, tls.accept(stream)).await {
        Ok(Ok(accepted)) => {
            let protocol = match accepted.handshake.alpn {
                Some(mamparo_tls::Protocol::Http2) => Protocol::Http2,
                _ => Protocol::Http1,
            };
            let client = Client::new(address, &gate.port, Some(Rc::new(accepted.handshake)));
            serve::connection(peer(seat, client, gate.door, protocol), accepted.stream, Vec::new()).await;
        }
        Ok(Err(error)) => {
            worker.metrics.handshake_failures.inc();
            tracing::debug!(%error, %address, "a handshake failed");
        }
        Err(_) => {
            worker.metrics.handshake_failures.inc();
            tracing::debug!(%address, "a handshake took too long");
        }
    }
}

fn peer(seat: Seat, client: Client, door: Door, protocol: Protocol) -> Rc<Peer> {
    let wire = Rc::new(Wire::new(seat.worker.clock.now()));
    Rc::new(Peer { seat, wire, client, door, protocol })
}

/// The first bytes, as soon as they tell what is spoken; nothing where the client went.
async fn first_bytes(stream: &TcpStream) -> io::Result<Option<(Protocol, Vec<u8>)>> {
    let mut first = Vec::new();
    loop {
        stream.readable().await?;
        if first.capacity() == 0 {
            first.reserve_exact(FIRST_BYTES);
        }
        match stream.try_read_buf(&mut first) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if let Some(protocol) = spoken(&first) {
            return Ok(Some((protocol, first)));
        }
    }
}

/// What is spoken where a connection begins like this; nothing where that is not clear yet.
fn spoken(first: &[u8]) -> Option<Protocol> {
    let common = first.len().min(PREFACE.len());
    if first.get(..common) != PREFACE.get(..common) {
        return Some(Protocol::Http1);
    }
    (common == PREFACE.len()).then_some(Protocol::Http2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_spoken() {
        for (first, protocol) in [
            (&b""[..], None),
            (b"P", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", None),
            (PREFACE, Some(Protocol::Http2)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Some(Protocol::Http2)),
            (b"PO", Some(Protocol::Http1)),
            (b"GET /", Some(Protocol::Http1)),
            (b"PRI * HTTP/2.0\r\nhost", Some(Protocol::Http1)),
        ] {
            assert_eq!(spoken(first), protocol, "{first:?}");
        }
    }
}
