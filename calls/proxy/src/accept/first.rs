//! What a new connection speaks. Nothing is held ready for it before its first byte has come: ten thousand clients
//! that have nothing to say cost next to nothing.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use mamparo_tls::{PrefixedIo, ServerTls};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::wire::Wire;
use super::{Arrival, Client, Peer, Protocol, Seat, pass, said, serve};
use crate::limits::{DRAIN_GRACE, FIRST_BYTES, after};
use crate::options::Door;
use crate::problem::Problem;

/// How HTTP/2 begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves one connection.
pub(super) async fn connection(arrival: Arrival, stream: TcpStream) {
    let worker = Rc::clone(&arrival.seat.worker);
    let first = tokio::select! {
        first = timeout(worker.limits.header_time, first_read(&stream)) => first,
        // Whoever has not said anything when the worker drains has lost nothing.
        () = worker.drain.begins() => timeout(DRAIN_GRACE, first_read(&stream)).await,
    };
    if let Ok(Ok(first)) = first
        && !first.is_empty()
    {
        // Boxed: what waits for its first byte does not carry it.
        Box::pin(enter(arrival, stream, first)).await;
    }
}

/// What comes first; empty where the client went. That a socket may be read is only a hint: a new one is often said to
/// be, and has nothing.
async fn first_read(stream: &TcpStream) -> io::Result<Vec<u8>> {
    loop {
        stream.readable().await?;
        match read_now(stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

/// What is there, with room for it only while it is read.
fn read_now(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut room = [0; FIRST_BYTES];
    let count = stream.try_read(&mut room)?;
    Ok(room.get(..count).unwrap_or_default().to_vec())
}

/// Takes what comes before HTTP, then HTTP. All that comes before it has one time together.
async fn enter(mut arrival: Arrival, stream: TcpStream, first: Vec<u8>) {
    let worker = Rc::clone(&arrival.seat.worker);
    let until = after(worker.clock.now(), worker.limits.header_time);
    let mut stream = PrefixedIo::with(BytesMut::from(first.as_slice()), stream);
    if arrival.told && !is_told(&mut arrival, &mut stream, until).await {
        return;
    }
    let Arrival { seat, address, gate, .. } = arrival;
    let client = Client::new(address, &gate.port);
    let Some(tls) = &gate.entry.tls else {
        let (ahead, stream) = stream.into_parts();
        let has_begun = !ahead.is_empty();
        let first = timeout_at(until.into(), first_bytes(&stream, ahead.into())).await;
        if first.is_err() && has_begun {
            // It began like HTTP/2, or like a method with the same letters, and came no further.
            let _ = stream.try_write(Problem::HeaderTimeout.raw().as_bytes());
        }
        let Ok(Ok(Some((protocol, first)))) = first else { return };
        return Box::pin(serve::connection(peer(seat, client, gate.door, protocol), stream, first)).await;
    };
    if gate.door != Door::Mesh && worker.snapshot().routing.entrance().passes_some() {
        let asked = timeout_at(until.into(), said::host(&mut stream)).await;
        // What says no host in time is no handshake either.
        let asked = asked.ok().flatten();
        let snapshot = worker.snapshot();
        let passes = |host: &String| snapshot.routing.entrance().passes(host);
        if let Some((host, service)) = asked.and_then(|host| passes(&host).map(|to| (host, to))) {
            let passage = pass::Passage { seat, stream, client, host, service, snapshot };
            return Box::pin(passage.run()).await;
        }
    }
    Box::pin(secured(seat, stream, client, (gate.door, tls), until)).await;
}

/// Takes what a balancer says of its client: whether the connection goes on.
async fn is_told(arrival: &mut Arrival, stream: &mut PrefixedIo<TcpStream>, until: Instant) -> bool {
    let worker = Rc::clone(&arrival.seat.worker);
    let peer = arrival.address;
    let why = match timeout_at(until.into(), said::source(stream)).await {
        Ok(Ok(said::Source::Client(address))) => {
            arrival.address = address;
            let room = arrival.seat.is_of(address.ip());
            if !room && arrival.gate.entry.tls.is_none() {
                let _ = stream.get_ref().try_write(Problem::TooManyConnections.raw().as_bytes());
            }
            return room;
        }
        Ok(Ok(said::Source::Itself)) => return true,
        Ok(Ok(said::Source::Gone)) => return false,
        Ok(Err(why)) => why.to_string(),
        Err(_) => "it did not come in time".to_owned(),
    };
    worker.metrics.proxy_protocol_failures.inc();
    tracing::debug!(%peer, why, "a connection does not begin with a header of the PROXY protocol");
    false
}

/// Serves what is inside of TLS.
async fn secured(
    seat: Seat,
    stream: PrefixedIo<TcpStream>,
    client: Client,
    (door, tls): (Door, &Arc<ServerTls>),
    until: Instant,
) {
    let worker = Rc::clone(&seat.worker);
    let address = client.address.clone();
    match timeout_at(until.into(), tls.accept(stream)).await {
        Ok(Ok(accepted)) => {
            let protocol = match accepted.handshake.alpn {
                Some(mamparo_tls::Protocol::Http2) => Protocol::Http2,
                _ => Protocol::Http1,
            };
            let client = client.shown(accepted.handshake, tls);
            serve::connection(peer(seat, client, door, protocol), accepted.stream, Vec::new()).await;
        }
        Ok(Err(error)) => {
            worker.metrics.handshake_failures.inc();
            tracing::debug!(%error, ?address, "a handshake failed");
        }
        Err(_) => {
            worker.metrics.handshake_failures.inc();
            tracing::debug!(?address, "a handshake took too long");
        }
    }
}

fn peer(seat: Seat, client: Client, door: Door, protocol: Protocol) -> Rc<Peer> {
    let wire = Rc::new(Wire::new(seat.worker.clock.now()));
    Rc::new(Peer { seat, wire, client, door, protocol })
}

/// The first bytes, those that were read before among them, as soon as they tell what is spoken; nothing where the
/// client went.
async fn first_bytes(stream: &TcpStream, mut first: Vec<u8>) -> io::Result<Option<(Protocol, Vec<u8>)>> {
    loop {
        if let Some(protocol) = spoken(&first) {
            return Ok(Some((protocol, first)));
        }
        let more = first_read(stream).await?;
        if more.is_empty() {
            return Ok(None);
        }
        first.extend_from_slice(&more);
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

    fn size<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Every connection that has said nothing yet holds one of these.
    #[test]
    fn what_waits_for_its_first_byte_stays_small() {
        let waiting = size(connection);
        assert!(waiting <= 1024, "{waiting} bytes");
    }

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
