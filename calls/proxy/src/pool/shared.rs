//! Connections that many requests share: HTTP/2. Each request takes a seat, which is a stream.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::http2::SendRequest;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout_at};

use crate::forward::Upload;
use crate::limits::{H2_CONNECTIONS_OUT, H2_SETTINGS_LOOK, H2_SETTINGS_TIME, H2_STREAMS_OUT, Limits, after};
use crate::transport::Lane;

/// The shared connections of a worker.
#[derive(Debug)]
pub(crate) struct Shared {
    lanes: RefCell<HashMap<Lane, Rc<Connections>>>,
    idle_time: Duration,
    age: Duration,
}

/// Those to one endpoint.
#[derive(Debug, Default)]
struct Connections {
    open: RefCell<Vec<Rc<Connection>>>,
    /// How many are being opened.
    opening: Cell<usize>,
    opened: Notify,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Upload>,
    said: Rc<Said>,
    streams: Cell<usize>,
    opened: Instant,
    /// When the last stream ended.
    since: Cell<Instant>,
}

/// What the other end of a connection says of itself.
pub(crate) struct Said {
    /// Streams that it allows, as far as is known.
    pub(crate) most: Cell<usize>,
    /// Whether it has said by now that it takes WebSockets (RFC 8441).
    pub(crate) takes_websockets: Box<dyn Fn() -> bool>,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said").field("most", &self.most).finish_non_exhaustive()
    }
}

/// A stream of a connection.
#[derive(Debug)]
pub(crate) struct StreamSeat(Rc<Connection>);

/// What a request is to do that needs a stream.
#[derive(Debug)]
pub(crate) enum Place {
    /// Use this one.
    Seat(StreamSeat),
    /// Open a connection.
    Open(Opening),
    /// Look again: one was being opened.
    Again,
}

/// A connection that is being opened. Dropped, it has failed, and somebody else may try.
#[derive(Debug)]
pub(crate) struct Opening(Rc<Connections>);

impl Shared {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { lanes: RefCell::default(), idle_time: limits.pool_idle_time, age: limits.pool_age }
    }

    /// What a request is to do whose way is `lane`. `fresh` asks for a connection that nobody used before.
    ///
    /// Cancel safe.
    pub(crate) async fn turn(&self, lane: Lane, fresh: bool, now: Instant) -> Place {
        let connections = Rc::clone(self.lanes.borrow_mut().entry(lane).or_default());
        if let Some(seat) = connections.seat(now, self.age).filter(|_| !fresh) {
            return Place::Seat(seat);
        }
        let all = connections.open.borrow().len() + connections.opening.get();
        if connections.opening.get() == 0 || (fresh && all < H2_CONNECTIONS_OUT) {
            connections.opening.set(connections.opening.get() + 1);
            return Place::Open(Opening(connections));
        }
        connections.opened.notified().await;
        Place::Again
    }

    pub(super) fn sweep(&self, now: Instant) {
        self.lanes.borrow_mut().retain(|_, connections| {
            connections.open.borrow_mut().retain(|connection| {
                let rests = connection.streams.get() == 0;
                let rested = now.saturating_duration_since(connection.since.get());
                let is_old = now.saturating_duration_since(connection.opened) > self.age;
                !connection.sender.is_closed() && !(rests && (is_old || rested > self.idle_time))
            });
            !connections.open.borrow().is_empty() || Rc::strong_count(connections) > 1
        });
    }
}

impl Connections {
    /// A stream of the connection that has the fewest, unless all have their fill and another may be opened.
    fn seat(&self, now: Instant, age: Duration) -> Option<StreamSeat> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| !connection.sender.is_closed());
        let young = |one: &&Rc<Connection>| now.saturating_duration_since(one.opened) <= age;
        let least = open.iter().filter(young).min_by_key(|one| one.streams.get())?;
        let fill = H2_STREAMS_OUT.min(least.said.most.get()).max(1);
        if least.streams.get() >= fill && open.len() < H2_CONNECTIONS_OUT {
            return None;
        }
        Some(StreamSeat::new(least))
    }
}

impl StreamSeat {
    fn new(connection: &Rc<Connection>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(Rc::clone(connection))
    }

    /// What takes the request.
    pub(crate) fn sender(&self) -> SendRequest<Upload> {
        self.0.sender.clone()
    }

    /// Whether the other end takes WebSockets. It says so in its first words, which may be on their way; nobody tells when
    /// they are there.
    pub(crate) async fn takes_websockets(&self) -> bool {
        let Connection { said, opened, .. } = &*self.0;
        let said_it = async {
            while !(said.takes_websockets)() {
                sleep(H2_SETTINGS_LOOK).await;
            }
        };
        timeout_at(after(*opened, H2_SETTINGS_TIME).into(), said_it).await.is_ok()
    }

    /// The answer has been read whole.
    pub(super) fn give_back(self, now: Instant) {
        self.0.since.set(now);
    }
}

impl Drop for StreamSeat {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
    }
}

impl Opening {
    /// It is open: the first seat on it.
    pub(crate) fn done(self, sender: SendRequest<Upload>, said: Rc<Said>, now: Instant) -> StreamSeat {
        let (streams, since) = (Cell::new(0), Cell::new(now));
        let connection = Rc::new(Connection { sender, said, streams, opened: now, since });
        let seat = StreamSeat::new(&connection);
        self.0.open.borrow_mut().push(connection);
        seat
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opening.set(self.0.opening.get() - 1);
        self.0.opened.notify_waiters();
    }
}
