//! Which connection to an endpoint takes the next request. HTTP/1.1: the one that rested for the shortest time, if
//! it is still open, young enough and ready. HTTP/2: the one with the fewest streams, and another is opened when all
//! have their fill. One pool per worker, so that nothing here is locked.

mod shared;
mod turn;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use crate::forward::Upload;
use crate::limits::Limits;
use crate::transport::Lane;
pub(crate) use shared::{Place, Shared, StreamSeat};
pub(crate) use turn::Turn;

/// The connections of a worker that take requests.
#[derive(Debug)]
pub(crate) struct Pool<C = SendRequest<Upload>> {
    idle: RefCell<HashMap<Lane, Vec<Idle<C>>>>,
    pub(crate) shared: Shared,
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    count: usize,
    idle_time: Duration,
    age: Duration,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    opened: Instant,
    since: Instant,
}

/// What the pool asks of a connection.
pub(crate) trait Connection {
    /// Whether it takes a request at once.
    fn is_ready(&self) -> bool;
    /// Whether it never will again.
    fn is_closed(&self) -> bool;
}

impl<B> Connection for SendRequest<B> {
    fn is_ready(&self) -> bool {
        SendRequest::is_ready(self)
    }

    fn is_closed(&self) -> bool {
        SendRequest::is_closed(self)
    }
}

impl<C: Connection> Pool<C> {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bounds =
            Bounds { count: limits.pool_idle_count, idle_time: limits.pool_idle_time, age: limits.pool_age };
        Self { idle: RefCell::default(), shared: Shared::new(limits), bounds }
    }

    /// A connection on `lane` that takes a request now, and when it was opened.
    pub(crate) fn take(&self, lane: Lane, now: Instant) -> Option<(C, Instant)> {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.get_mut(&lane)?;
        while let Some(top) = stack.pop() {
            if !top.connection.is_ready() || top.connection.is_closed() {
                continue;
            }
            if now.saturating_duration_since(top.since) > self.bounds.idle_time {
                // Those below it rested for longer still.
                stack.clear();
                return None;
            }
            let is_young = now.saturating_duration_since(top.opened) <= self.bounds.age;
            if is_young {
                return Some((top.connection, top.opened));
            }
        }
        None
    }

    /// Keeps a connection that has done its work.
    pub(crate) fn put(&self, lane: Lane, connection: C, opened: Instant, now: Instant) {
        if connection.is_closed() || now.saturating_duration_since(opened) > self.bounds.age {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let stack = idle.entry(lane).or_default();
        if stack.len() < self.bounds.count {
            stack.push(Idle { connection, opened, since: now });
        }
    }

    /// Closes what rested for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, stack| {
            stack.retain(|idle| {
                !idle.connection.is_closed()
                    && now.saturating_duration_since(idle.since) <= self.bounds.idle_time
            });
            !stack.is_empty()
        });
        self.shared.sweep(now);
    }
}

/// A connection that is lent out for one request, and the turn of its endpoint. Handed back once the answer has been
/// read whole; dropped, a connection of HTTP/1.1 is closed, and a stream of HTTP/2 ended.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) line: Line,
    pub(crate) turn: Turn,
}

/// The connection itself.
#[derive(Debug)]
pub(crate) enum Line {
    Alone(Alone),
    Stream(StreamSeat),
}

/// A connection that serves one request at a time.
#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) connection: SendRequest<Upload>,
    pub(crate) lane: Lane,
    pub(crate) opened: Instant,
    pub(crate) pool: Rc<Pool>,
}

impl Lease {
    /// The answer has been read whole.
    pub(crate) fn give_back(self, now: Instant) {
        match self.line {
            Line::Alone(alone) => alone.give_back(now),
            Line::Stream(seat) => seat.give_back(now),
        }
    }
}

impl Alone {
    fn give_back(mut self, now: Instant) {
        if self.connection.is_ready() {
            self.pool.put(self.lane, self.connection, self.opened, now);
        } else if !self.connection.is_closed() {
            // The answer came before the request was sent whole: whoever drives the connection finishes that.
            let wait = self.pool.bounds.idle_time;
            tokio::task::spawn_local(async move {
                if let Ok(Ok(())) = tokio::time::timeout(wait, self.connection.ready()).await {
                    self.pool.put(self.lane, self.connection, self.opened, now);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;
    use mamparo_context::Clock;
    use std::cell::Cell;

    #[derive(Clone, Debug)]
    struct Fake {
        name: u8,
        open: Rc<Cell<bool>>,
    }

    impl Connection for Fake {
        fn is_ready(&self) -> bool {
            self.open.get()
        }

        fn is_closed(&self) -> bool {
            !self.open.get()
        }
    }

    fn fake(name: u8) -> Fake {
        Fake { name, open: Rc::new(Cell::new(true)) }
    }

    fn lane(port: u16) -> Lane {
        Transport::default().lane(([127, 0, 0, 1], port).into())
    }

    fn pool() -> (Pool<Fake>, Lane, Instant) {
        let limits = Limits {
            pool_idle_count: 3,
            pool_idle_time: Duration::from_secs(4),
            pool_age: Duration::from_secs(60),
            ..Limits::default()
        };
        (Pool::new(&limits), lane(1), Clock::manual().0.now())
    }

    #[test]
    fn the_last_one_back_is_the_first_one_out_and_no_more_than_the_bound_are_kept() {
        let (pool, at, start) = pool();
        for name in 1..=4 {
            pool.put(at, fake(name), start, start);
        }
        let taken: Vec<_> =
            std::iter::from_fn(|| pool.take(at, start)).map(|(connection, _)| connection.name).collect();
        assert_eq!(taken, [3, 2, 1]);
        assert!(pool.take(lane(2), start).is_none());
    }

    #[test]
    fn closed_idle_and_old_connections_are_not_handed_out() {
        let (pool, at, start) = pool();
        let second = Duration::from_secs(1);
        let closed = fake(2);
        pool.put(at, fake(1), start, start);
        pool.put(at, closed.clone(), start, start);
        closed.open.set(false);
        assert_eq!(pool.take(at, start).map(|(connection, _)| connection.name), Some(1));
        pool.put(at, fake(3), start, start);
        assert!(pool.take(at, start + 5 * second).is_none(), "idle for too long");
        pool.put(at, fake(4), start, start + 61 * second);
        pool.put(at, fake(5), start, start + 59 * second);
        assert!(pool.take(at, start + 61 * second).is_none(), "too old");
        pool.put(at, fake(6), start, start);
        pool.sweep(start + 5 * second);
        assert!(pool.idle.borrow().is_empty());
    }
}
