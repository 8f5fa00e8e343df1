//! The load: requests of HTTP/1.1 over a fixed number of connections, either as fast as they are answered or at a
//! pace. At a pace, a request counts from the moment it was due, so that a proxy that stands still cannot hide it.

mod answer;
mod client;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{Client, Step};
use hdrhistogram::Histogram;
use mamparo_context::Clock;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::events::Events;
use crate::run::histogram;

/// Connections of the load.
pub(crate) const CONNECTIONS: usize = 32;
const TIMER: u64 = u64::MAX;
/// Longer than any answer that is waited for when the time is over.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What is asked, of whom.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) to: SocketAddr,
    pub(crate) request: Vec<u8>,
    /// Bytes of the body of a good answer.
    pub(crate) body: usize,
    /// Whether every request comes on a connection of its own.
    pub(crate) closes: bool,
}

/// What came of it.
pub(crate) struct Answered {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) took: Duration,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Ask {
    /// A GET of `path`.
    pub(crate) fn get(to: SocketAddr, path: &str, body: usize, closes: bool) -> Self {
        let close = if closes { "connection: close\r\n" } else { "" };
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nuser-agent: bench\r\naccept: */*\r\n{close}\r\n");
        Self { to, request: request.into_bytes(), body, closes }
    }

    /// Asks again as soon as there is an answer, on every connection, until `goes_on` says no.
    pub(crate) fn closed(
        &self,
        connections: usize,
        mut goes_on: impl FnMut(Instant, &Answered) -> bool,
    ) -> Answered {
        let mut load = Load::new(self, connections);
        for number in 0..connections {
            load.ask(number, load.clock.now());
        }
        let start = load.clock.now();
        if load.is_gone {
            return load.sum(Duration::ZERO);
        }
        loop {
            for token in load.events.wait() {
                let (number, now) = (token as usize, load.clock.now());
                if load.look(number, now) {
                    load.ask(number, now);
                }
            }
            let now = load.clock.now();
            if load.is_gone || !goes_on(now, &load.answered) {
                return load.sum(now - start);
            }
        }
    }

    /// Asks `rate` times a second for `time`, on whichever connection is free; one that is late waits its turn.
    pub(crate) fn paced(&self, connections: usize, rate: f64, time: Duration) -> Answered {
        let mut load = Load::new(self, connections);
        for number in 0..connections {
            load.connect(number);
        }
        let every = Duration::from_secs_f64(1.0 / rate);
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap();
        let spec = Timespec::try_from(every).unwrap();
        let spec = Itimerspec { it_interval: spec, it_value: spec };
        load.events.add(&timer, TIMER);
        let start = load.clock.now();
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec).unwrap();
        let total = (time.as_secs_f64() * rate) as u64;
        let mut free: Vec<usize> = (0..connections).collect();
        let mut asked = 0;
        loop {
            for token in load.events.wait() {
                if token == TIMER {
                    let mut expirations = [0; 8];
                    let _ = rustix::io::read(&timer, &mut expirations);
                } else if load.look(token as usize, load.clock.now()) {
                    free.push(token as usize);
                }
            }
            let now = load.clock.now();
            let due = total.min(((now - start).as_secs_f64() * rate) as u64);
            while asked < due
                && let Some(number) = free.pop()
            {
                load.ask(number, start + Duration::from_secs_f64(asked as f64 / rate));
                asked += 1;
            }
            let all_back = load.answered.done + load.answered.failed >= total;
            if load.is_gone || all_back || now > start + time + LAST_ANSWERS {
                load.answered.failed = total - load.answered.done;
                return load.sum(now - start);
            }
        }
    }
}

struct Load<'a> {
    ask: &'a Ask,
    clock: Clock,
    events: Events,
    clients: Vec<Option<Client>>,
    buffer: Vec<u8>,
    answered: Answered,
    /// Whether nobody takes connections any more.
    is_gone: bool,
}

impl<'a> Load<'a> {
    fn new(ask: &'a Ask, connections: usize) -> Self {
        let answered = Answered { done: 0, failed: 0, took: Duration::ZERO, latency: histogram() };
        Self {
            ask,
            clock: Clock::system(),
            events: Events::new(),
            clients: (0..connections).map(|_| None).collect(),
            buffer: vec![0; 64 * 1024],
            answered,
            is_gone: false,
        }
    }

    fn connect(&mut self, number: usize) {
        let client = Client::connect(self.ask.to, self.ask.closes);
        if let Some(client) = &client {
            self.events.add(&client.stream, number as u64);
        }
        self.clients[number] = client;
    }

    /// Sends the next request of a connection, which counts since `since`. One that cannot be sent has failed.
    fn ask(&mut self, number: usize, since: Instant) {
        for _ in 0..2 {
            if self.clients[number].is_none() {
                self.connect(number);
            }
            if let Some(client) = &mut self.clients[number]
                && client.send(&self.ask.request, since)
            {
                return;
            }
            self.clients[number] = None;
            self.answered.failed += 1;
        }
        self.is_gone = true;
    }

    /// Looks at a connection that has something to say: whether its request is over.
    fn look(&mut self, number: usize, now: Instant) -> bool {
        let Some(Some(client)) = self.clients.get_mut(number) else { return false };
        match client.read(&mut self.buffer, self.ask.body) {
            Step::Waiting => false,
            Step::Answered => {
                if let Some(since) = client.since.take() {
                    self.answered.done += 1;
                    let micros = now.saturating_duration_since(since).as_micros();
                    self.answered.latency.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
                }
                if self.ask.closes
                    && let Some(client) = self.clients[number].take()
                {
                    client.discard();
                }
                true
            }
            Step::Failed => {
                // One that was closed between two requests has failed nobody.
                let was_asked = client.since.is_some();
                self.answered.failed += u64::from(was_asked);
                self.clients[number] = None;
                was_asked
            }
        }
    }

    fn sum(mut self, took: Duration) -> Answered {
        self.answered.took = took;
        self.answered
    }
}
