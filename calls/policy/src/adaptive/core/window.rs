//! Gathers calls into windows, so that one slow call is not taken for overload.

use std::time::Duration;

use mamparo_context::Moment;

use super::{Call, Sample};
use crate::adaptive::config::AdaptiveConfig;

/// A window without enough calls goes on for this many times its length, and is closed with what it has.
const STRETCH: u32 = 10;

#[derive(Debug)]
pub(super) struct Window {
    began: Moment,
    calls: u32,
    answered: u32,
    sum: Duration,
    /// The longest call that was dropped: what is known where nothing was answered.
    longest_drop: Duration,
    in_flight: u64,
}

impl Window {
    pub(super) const fn new(began: Moment) -> Self {
        Self { began, calls: 0, answered: 0, sum: Duration::ZERO, longest_drop: Duration::ZERO, in_flight: 0 }
    }

    pub(super) fn add(&mut self, call: &Call, now: Moment) {
        let took = now.since(call.began);
        self.calls = self.calls.saturating_add(1);
        self.in_flight = self.in_flight.max(call.in_flight);
        if call.dropped {
            self.longest_drop = self.longest_drop.max(took);
        } else {
            self.answered = self.answered.saturating_add(1);
            self.sum = self.sum.saturating_add(took);
        }
    }

    /// What the window came to, once it is over; the next begins then.
    pub(super) fn close(&mut self, config: &AdaptiveConfig, now: Moment) -> Option<Sample> {
        let age = now.since(self.began);
        let is_full = age >= config.window && self.calls >= config.min_samples;
        if self.calls == 0 || !(is_full || age >= config.window.saturating_mul(STRETCH)) {
            return None;
        }
        let rtt = match self.answered {
            0 => self.longest_drop,
            answered => self.sum / answered,
        };
        let dropped = self.answered < self.calls;
        let in_flight = self.in_flight;
        *self = Self::new(now);
        Some(Sample { rtt, in_flight, dropped, now })
    }
}
