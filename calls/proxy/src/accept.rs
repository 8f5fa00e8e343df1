//! First stop: bytes become requests. Takes connections while there is room for them, finds out what they speak,
//! looks at every head before the parser does, and gives up connections on which nothing happens.

mod first;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod keep;
mod meanwhile;
mod pass;
mod said;
mod scan;
mod serve;
mod wire;

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::header::HeaderValue;
use mamparo_tls::{Handshake, ServerTls};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::limits::ACCEPT_PAUSE;
use crate::options::{Door, Entry};
use crate::problem::Problem;
use crate::worker::Worker;
pub(crate) use scan::Refusal;
pub(crate) use serve::{Cut, LocalExecutor, http1};
pub(crate) use wire::{Socket, Wire};

/// What the requests on one connection share.
pub(crate) struct Peer {
    pub(crate) seat: Seat,
    pub(crate) wire: Rc<Wire>,
    pub(crate) client: Client,
    pub(crate) door: Door,
    pub(crate) protocol: Protocol,
}

/// Who is at the other end, as far as the connection says.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address, and how a header says it.
    pub(crate) ip: IpAddr,
    pub(crate) address: HeaderValue,
    /// The port that it came to.
    pub(crate) port: Port,
    /// What its handshake has shown, where what it sends is encrypted.
    pub(crate) tls: Option<Rc<Handshake>>,
    /// What its requests are held to, where it has proven who it is by a certificate.
    pub(crate) bound: Option<Bound>,
}

/// A connection of a client that has proven who it is: for which hosts that holds.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    tls: Arc<ServerTls>,
    handshake: Rc<Handshake>,
}

impl Bound {
    /// Whether requests for `host` may come over it.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        self.tls.may_share(self.handshake.server_name.as_deref(), host)
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// As it stands in the access log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

impl Peer {
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.seat.worker
    }
}

/// A port, and how a header says it.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) text: HeaderValue,
}

impl From<u16> for Port {
    fn from(number: u16) -> Self {
        Self { number, text: HeaderValue::from(number) }
    }
}

impl Client {
    fn new(address: SocketAddr, port: &Port) -> Self {
        let ip = address.ip().to_canonical();
        let text = HeaderValue::try_from(ip.to_string());
        let address = text.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { ip, address, port: port.clone(), tls: None, bound: None }
    }

    /// The same after a handshake with `tls`.
    fn shown(self, handshake: Handshake, tls: &Arc<ServerTls>) -> Self {
        let handshake = Rc::new(handshake);
        let bound = handshake
            .client
            .is_some()
            .then(|| Bound { tls: Arc::clone(tls), handshake: Rc::clone(&handshake) });
        Self { tls: Some(handshake), bound, ..self }
    }
}

/// A connection that is counted.
pub(crate) struct Seat {
    worker: Rc<Worker>,
    /// Where it comes from, if that is counted.
    source: Option<IpAddr>,
}

impl Seat {
    /// A seat for a connection, if one is left. Where it comes from is said by [`Seat::is_of`].
    fn take(worker: &Rc<Worker>) -> Option<Self> {
        if worker.drain.connections() >= worker.limits.connections_per_worker {
            worker.metrics.connections_refused.inc();
            return None;
        }
        worker.drain.connection_begins();
        worker.metrics.connections.inc();
        Some(Self { worker: Rc::clone(worker), source: None })
    }

    /// It is one of a connection from `source`: whether there may be one more from there.
    fn is_of(&mut self, source: IpAddr) -> bool {
        let Some(most) = self.worker.limits.connections_per_source else { return true };
        let source = source.to_canonical();
        let room = self.worker.sources.begins(source, most);
        if room {
            self.source = Some(source);
        } else {
            self.worker.metrics.connections_refused.inc();
        }
        room
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(source) = self.source {
            self.worker.sources.ends(source);
        }
        self.worker.metrics.connections.dec();
        self.worker.drain.connection_ends();
    }
}

/// How many connections come from where.
#[derive(Debug, Default)]
pub(crate) struct Sources(RefCell<HashMap<IpAddr, usize>>);

impl Sources {
    /// One more from `source`, unless there are `most` already: whether it was let in.
    fn begins(&self, source: IpAddr, most: usize) -> bool {
        let mut all = self.0.borrow_mut();
        let count = all.entry(source).or_default();
        let room = *count < most;
        *count += usize::from(room);
        room
    }

    fn ends(&self, source: IpAddr) {
        let mut all = self.0.borrow_mut();
        if let Some(count) = all.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                all.remove(&source);
            }
        }
    }
}

/// What every connection of a listener passes.
struct Gate {
    door: Door,
    port: Port,
    entry: Entry,
}

/// A connection that was taken, and of which nothing is read yet.
struct Arrival {
    seat: Seat,
    /// Where it comes from, as far as is known.
    address: SocketAddr,
    /// Whether it begins with where it comes from.
    told: bool,
    gate: Rc<Gate>,
}

/// Takes connections until the worker drains.
pub(crate) async fn listen(worker: Rc<Worker>, socket: TcpListener, door: Door, entry: Entry) {
    let port = socket.local_addr().map_or(0, |address| address.port()).into();
    let gate = Rc::new(Gate { door, port, entry });
    let mut closing = pin!(worker.drain.closes());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut closing => break,
        };
        match accepted {
            Ok((stream, address)) => take(&worker, stream, address, &gate),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever connected before the socket closes is still served.
    while let Some((stream, address)) = poll_fn(|cx| match socket.poll_accept(cx) {
        Poll::Ready(Ok(accepted)) => Poll::Ready(Some(accepted)),
        Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
    })
    .await
    {
        take(&worker, stream, address, &gate);
    }
}

fn take(worker: &Rc<Worker>, stream: TcpStream, address: SocketAddr, gate: &Rc<Gate>) {
    let told = gate.door != Door::Mesh && worker.snapshot().routing.entrance().is_told_by(address.ip());
    // Of one that another speaks for, the source is not known yet.
    let seat = Seat::take(worker).and_then(|mut seat| (told || seat.is_of(address.ip())).then_some(seat));
    let Some(seat) = seat else {
        let _ = stream.try_write(Problem::TooManyConnections.raw().as_bytes());
        return;
    };
    // Without it small answers wait for acknowledgements; a failure costs time, not correctness.
    let _ = stream.set_nodelay(true);
    let arrival = Arrival { seat, address, told, gate: Rc::clone(gate) };
    spawn_local(first::connection(arrival, stream));
}
