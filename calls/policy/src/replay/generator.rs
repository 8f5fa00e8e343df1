//! A trace that is made up: how many calls come, and how well the dependency is at which time. What happens to an
//! attempt depends on the seed, on its call and on its number alone, so that two stacks meet the same bad luck.

mod grammar;
#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::time::Duration;

pub use grammar::InvalidGenerator;
use mamparo_context::{Criticality, IdempotencyKey, Principal};

use super::trace::{Answer, Behaviour, Call, LOST_AFTER, Source, Trace};
use crate::draw::Draw;
use crate::limits::TRACE_CALLS_MAX;

/// How calls are made up, and what the dependency does with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    /// Calls a second.
    per_second: f64,
    span: Duration,
    /// Calls come at random, or else evenly.
    random: bool,
    latency: Latency,
    /// Share of slow calls, and how long they take.
    tail: Option<(f64, Duration)>,
    /// Shares in percent of what is failed, lost and answered that there is too much to do.
    errors: f64,
    lost: f64,
    busy: f64,
    busy_after: Option<Duration>,
    outages: Vec<(Window, Outage)>,
    /// Times in which so many times as many calls come.
    surges: Vec<(Window, f64)>,
    capacity: Option<u32>,
    /// Share of calls with an idempotency key.
    keyed: f64,
    /// Share of calls that are sheddable.
    sheddable: f64,
    /// On behalf of how many principals.
    principals: u32,
    deadline: Option<Duration>,
    seed: u64,
}

/// A time, and how far it spreads around that in each direction, as a share of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Latency {
    middle: Duration,
    spread: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: Duration,
    to: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outage {
    Down,
    Hang,
    Slow(Duration),
    Errors(f64),
    Busy(Option<Duration>),
}

impl Default for Generator {
    fn default() -> Self {
        Self {
            per_second: 100.0,
            span: Duration::from_secs(60),
            random: true,
            latency: Latency { middle: Duration::from_millis(20), spread: 0.5 },
            tail: None,
            errors: 0.0,
            lost: 0.0,
            busy: 0.0,
            busy_after: None,
            outages: Vec::new(),
            surges: Vec::new(),
            capacity: None,
            keyed: 100.0,
            sheddable: 0.0,
            principals: 0,
            deadline: None,
            seed: 1,
        }
    }
}

impl FromStr for Generator {
    type Err = InvalidGenerator;

    /// Reads `gen:rate=200/s,for=60s,outage=20s..35s:hang`.
    fn from_str(text: &str) -> Result<Self, InvalidGenerator> {
        grammar::parse(text)
    }
}

impl Window {
    fn contains(self, at: Duration) -> bool {
        self.from <= at && at < self.to
    }
}

impl Latency {
    fn draw(self, draw: &mut Draw) -> Duration {
        self.middle.mul_f64(1.0 + self.spread * (2.0 * draw.unit() - 1.0))
    }
}

impl Generator {
    /// The same with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The seed that it draws from.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The trace.
    pub fn trace(&self) -> Trace {
        let mut draw = Draw::new(self.seed);
        let mut calls = Vec::new();
        let mut at = Duration::ZERO;
        while let Some(next) = self.next_arrival(at, &mut draw) {
            at = next;
            if at >= self.span || calls.len() == TRACE_CALLS_MAX {
                break;
            }
            calls.push(self.call(calls.len(), at, &mut draw));
        }
        Trace { calls, source: Source::Generated(self.clone()), capacity: self.capacity }
    }

    fn call(&self, number: usize, at: Duration, draw: &mut Draw) -> Call {
        let key: Option<IdempotencyKey> = format!("call-{number}").parse().ok();
        let keyed = draw.unit() * 100.0 < self.keyed;
        let sheddable = draw.unit() * 100.0 < self.sheddable;
        let principal = draw.unit() * f64::from(self.principals);
        Call {
            at,
            key: key.filter(|_| keyed),
            class: if sheddable { Criticality::Sheddable } else { Criticality::Critical },
            principal: (self.principals > 0).then(|| Principal::new(&format!("p{}", principal.floor()))),
            deadline: self.deadline,
        }
    }

    /// When the next call comes after `at`.
    fn next_arrival(&self, mut at: Duration, draw: &mut Draw) -> Option<Duration> {
        // A share of the time between two calls; where the rate changes on the way, what is left of it goes on there.
        let mut left = if self.random { -(1.0 - draw.unit()).ln() } else { 1.0 };
        loop {
            let rate = self.surges.iter().filter(|(window, _)| window.contains(at)).map(|(_, times)| times);
            let rate = self.per_second * rate.product::<f64>();
            let edges = self.surges.iter().flat_map(|(window, _)| [window.from, window.to]);
            let edge = edges.filter(|edge| *edge > at).min();
            let gap = Duration::try_from_secs_f64(left / rate).ok()?;
            match edge {
                Some(edge) if at + gap > edge => {
                    left -= (edge - at).as_secs_f64() * rate;
                    at = edge;
                }
                _ => return at.checked_add(gap),
            }
        }
    }

    /// What the dependency does with attempt number `ordinal` of call number `call`, which arrives at `at`.
    pub(super) fn behaviour(&self, call: usize, ordinal: u32, at: Duration) -> Behaviour {
        let of_call = Draw::new(self.seed ^ 0x5bd1_e995).number() ^ call as u64;
        let mut draw = Draw::new(Draw::new(of_call).number() ^ u64::from(ordinal));
        let outage = self.outages.iter().find(|(window, _)| window.contains(at)).map(|(_, outage)| *outage);
        let at_once = Duration::from_millis(1);
        match outage {
            Some(Outage::Down) => return Behaviour { answer: Answer::Unavailable, took: at_once },
            Some(Outage::Hang) => return Behaviour { answer: Answer::Lost, took: LOST_AFTER },
            Some(Outage::Busy(after)) => return Behaviour { answer: Answer::Busy(after), took: at_once },
            Some(Outage::Slow(_) | Outage::Errors(_)) | None => {}
        }
        let latency = match outage {
            Some(Outage::Slow(middle)) => Latency { middle, ..self.latency },
            _ => self.latency,
        };
        let took = latency.draw(&mut draw);
        let slow = draw.unit() * 100.0;
        let took = self.tail.filter(|(share, _)| slow < *share).map_or(took, |(_, time)| time.max(took));
        let errors = match outage {
            Some(Outage::Errors(percent)) => percent,
            _ => self.errors,
        };
        let drawn = draw.unit() * 100.0;
        if drawn < errors {
            Behaviour { answer: Answer::Failed, took }
        } else if drawn < errors + self.lost {
            Behaviour { answer: Answer::Lost, took: LOST_AFTER }
        } else if drawn < errors + self.lost + self.busy {
            Behaviour { answer: Answer::Busy(self.busy_after), took: at_once }
        } else {
            Behaviour { answer: Answer::Ok, took }
        }
    }
}
