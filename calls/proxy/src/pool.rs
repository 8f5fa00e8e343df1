//! Which connection to an endpoint takes the next request. HTTP/1.1: the one that rested for the shortest time, if
//! it is still open, young enough and ready. HTTP/2: the one with the fewest streams, and another is opened when all
//! have their fill. One pool per worker, so that nothing here is locked.

mod rest;
mod shared;
mod turn;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use crate::forward::{Hearing, Upload};
use crate::limits::{Limits, REST_KNOWN_TIME};
use crate::transport::Lane;
use rest::Rest;
pub(crate) use shared::{Place, Said, Shared, StreamSeat};
pub(crate) use turn::Turn;

/// The connections of a worker that take requests.
#[derive(Debug)]
pub(crate) struct Pool<C = Http1> {
    idle: RefCell<HashMap<Lane, Stack<C>>>,
    pub(crate) shared: Shared,
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    count: usize,
    idle_time: Duration,
    age: Duration,
}

/// The connections to one endpoint that rest, the one that has rested for the longest time first.
#[derive(Debug)]
struct Stack<C> {
    idle: Vec<Idle<C>>,
    rest: Rest,
    /// When one was taken or put back last.
    used: Instant,
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
    /// When it ended, once it has.
    fn ended(&self) -> Option<Instant>;
}

/// A connection of HTTP/1.1 to an endpoint.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(crate) sender: SendRequest<Upload>,
    /// How much of it is heard before an answer, and when it ended.
    pub(crate) hearing: Hearing,
}

impl Connection for Http1 {
    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn ended(&self) -> Option<Instant> {
        self.hearing.ended()
    }
}

impl<C: Connection> Idle<C> {
    fn rested(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Whether it is still open; how long it had rested, or has, is a lesson either way.
    fn teaches(&self, rest: &mut Rest, now: Instant) -> bool {
        let closed = self.connection.is_closed();
        match self.connection.ended() {
            Some(ended) => rest.was_closed(self.rested(ended)),
            None if !closed => rest.is_open(self.rested(now)),
            None => {}
        }
        !closed
    }
}

/// A connection out of the pool.
#[derive(Debug)]
pub(crate) struct Taken<C> {
    pub(crate) connection: C,
    pub(crate) opened: Instant,
    /// How long it has rested.
    pub(crate) rested: Duration,
}

impl<C: Connection> Pool<C> {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bounds =
            Bounds { count: limits.pool_idle_count, idle_time: limits.pool_idle_time, age: limits.pool_age };
        Self { idle: RefCell::default(), shared: Shared::new(limits), bounds }
    }

    /// A connection on `lane` that takes a request now. One that is to be `safe` is not about to be closed by the
    /// endpoint, as far as is known.
    pub(crate) fn take(&self, lane: Lane, now: Instant, safe: bool) -> Option<Taken<C>> {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.get_mut(&lane)?;
        stack.used = now;
        while let Some(top) = stack.idle.pop() {
            if !top.teaches(&mut stack.rest, now) || !top.connection.is_ready() {
                continue;
            }
            let rested = top.rested(now);
            if rested > self.bounds.idle_time {
                // Those below it rested for longer still.
                stack.idle.clear();
                return None;
            }
            if safe && !stack.rest.is_safe(rested) {
                // And so did these; a request that can be sent again may still have it.
                stack.idle.push(top);
                return None;
            }
            let is_young = now.saturating_duration_since(top.opened) <= self.bounds.age;
            if is_young {
                return Some(Taken { connection: top.connection, opened: top.opened, rested });
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
        let new = || Stack { idle: Vec::new(), rest: Rest::default(), used: now };
        let stack = idle.entry(lane).or_insert_with(new);
        stack.used = now;
        if stack.idle.len() < self.bounds.count {
            stack.idle.push(Idle { connection, opened, since: now });
        }
    }

    /// Closes what rested for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, stack| {
            let Stack { idle, rest, used } = stack;
            idle.retain(|idle| idle.teaches(rest, now) && idle.rested(now) <= self.bounds.idle_time);
            let was_used = now.saturating_duration_since(*used) <= REST_KNOWN_TIME;
            !idle.is_empty() || rest.is_known() && was_used
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
    pub(crate) connection: Http1,
    pub(crate) lane: Lane,
    pub(crate) opened: Instant,
    pub(crate) pool: Rc<Pool>,
}

impl Lease {
    /// Whether it has ended since it was taken.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(&self.line, Line::Alone(alone) if alone.connection.is_closed())
    }

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
                if let Ok(Ok(())) = tokio::time::timeout(wait, self.connection.sender.ready()).await {
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
        ended: Rc<Cell<Option<Instant>>>,
    }

    impl Connection for Fake {
        fn is_ready(&self) -> bool {
            self.open.get()
        }

        fn is_closed(&self) -> bool {
            !self.open.get()
        }

        fn ended(&self) -> Option<Instant> {
            self.ended.get()
        }
    }

    fn fake(name: u8) -> Fake {
        Fake { name, open: Rc::new(Cell::new(true)), ended: Rc::default() }
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
            std::iter::from_fn(|| pool.take(at, start, true)).map(|taken| taken.connection.name).collect();
        assert_eq!(taken, [3, 2, 1]);
        assert!(pool.take(lane(2), start, true).is_none());
    }

    #[test]
    fn closed_idle_and_old_connections_are_not_handed_out() {
        let (pool, at, start) = pool();
        let second = Duration::from_secs(1);
        let closed = fake(2);
        pool.put(at, fake(1), start, start);
        pool.put(at, closed.clone(), start, start);
        closed.open.set(false);
        assert_eq!(pool.take(at, start, true).map(|taken| taken.connection.name), Some(1));
        pool.put(at, fake(3), start, start);
        assert!(pool.take(at, start + 5 * second, true).is_none(), "idle for too long");
        pool.put(at, fake(4), start, start + 61 * second);
        pool.put(at, fake(5), start, start + 59 * second);
        assert!(pool.take(at, start + 61 * second, true).is_none(), "too old");
        pool.put(at, fake(6), start, start);
        pool.sweep(start + 5 * second);
        assert!(pool.idle.borrow().is_empty());
    }

    #[test]
    fn a_request_that_must_not_be_sent_twice_goes_out_on_none_that_is_about_to_be_closed() {
        let (pool, at, start) = pool();
        let ms = Duration::from_millis;
        // The endpoint closes after 200 ms, as two closings show that nobody looked at before long.
        let closing = [fake(1), fake(2)];
        for fake in &closing {
            pool.put(at, fake.clone(), start, start);
            fake.open.set(false);
            fake.ended.set(Some(start + ms(200)));
        }
        pool.sweep(start + ms(900));
        let start = start + ms(1000);
        pool.put(at, fake(3), start, start);
        assert!(pool.take(at, start + ms(160), true).is_none());
        assert_eq!(pool.take(at, start + ms(160), false).map(|taken| taken.connection.name), Some(3));
        pool.put(at, fake(4), start, start);
        let taken = pool.take(at, start + ms(140), true);
        assert_eq!(taken.map(|taken| (taken.connection.name, taken.rested)), Some((4, ms(140))));
        // One that lives for longer shows that this is over, and an endpoint of which nobody hears is forgotten.
        pool.put(at, fake(5), start, start);
        pool.sweep(start + ms(300));
        assert!(pool.take(at, start + ms(300), true).is_some());
        pool.sweep(start + REST_KNOWN_TIME + ms(301));
        assert!(pool.idle.borrow().is_empty());
    }
}
