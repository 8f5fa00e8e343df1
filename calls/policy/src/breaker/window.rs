//! The calls that a rate is of: the last so many, or those of the last so much time. Both slide with every call and
//! keep their sums, so that a rate is exact and costs the same however many calls there are.

use std::time::Duration;

use mamparo_context::Moment;
use mamparo_context::duration::nanos;

use super::config::WindowConfig;

/// Steps in which a window of time slides.
const SLICES: u64 = 32;

/// What is remembered of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// Sums over some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) calls: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

impl From<Sample> for Sums {
    fn from(sample: Sample) -> Self {
        Self { calls: 1, failed: sample.failed.into(), slow: sample.slow.into() }
    }
}

impl Sums {
    fn take(&mut self, other: Sums) {
        self.calls = self.calls.saturating_sub(other.calls);
        self.failed = self.failed.saturating_sub(other.failed);
        self.slow = self.slow.saturating_sub(other.slow);
    }

    fn put(&mut self, other: Sums) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failed = self.failed.saturating_add(other.failed);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

#[derive(Clone, Debug)]
pub(super) struct Window {
    calls: Calls,
    sums: Sums,
}

#[derive(Clone, Debug)]
enum Calls {
    /// A ring of the last calls; `next` is where the oldest is, once the ring is full.
    Last { ring: Box<[Sample]>, next: usize },
    /// A ring of slices of time; `at` is the number of the slice that calls fall into now, counted from the first
    /// moment.
    Recent { slices: Box<[Sums]>, nanos: u64, at: u64 },
}

impl Window {
    pub(super) fn new(config: WindowConfig) -> Self {
        let calls = match config {
            WindowConfig::Calls(calls) => {
                let nothing = Sample { failed: false, slow: false };
                Calls::Last { ring: vec![nothing; calls.max(1) as usize].into(), next: 0 }
            }
            WindowConfig::Time(time) => Calls::Recent {
                slices: vec![Sums::default(); SLICES as usize].into(),
                nanos: slice_nanos(time),
                at: 0,
            },
        };
        Self { calls, sums: Sums::default() }
    }

    /// Takes a call in, and lets go those that have become too old.
    pub(super) fn record(&mut self, sample: Sample, now: Moment) {
        self.slide(now);
        match &mut self.calls {
            Calls::Last { ring, next } => {
                let oldest = std::mem::replace(&mut ring[*next], sample);
                if self.sums.calls as usize == ring.len() {
                    self.sums.take(oldest.into());
                }
                *next = if *next + 1 == ring.len() { 0 } else { *next + 1 };
            }
            Calls::Recent { slices, at, .. } => slices[index(*at)].put(sample.into()),
        }
        self.sums.put(sample.into());
    }

    /// The sums over the calls that are in the window at `now`.
    pub(super) fn sums(&mut self, now: Moment) -> Sums {
        self.slide(now);
        self.sums
    }

    /// The sums over the calls that it held when one was last recorded.
    pub(super) fn held(&self) -> Sums {
        self.sums
    }

    pub(super) fn clear(&mut self) {
        self.sums = Sums::default();
        match &mut self.calls {
            Calls::Last { next, .. } => *next = 0,
            Calls::Recent { slices, .. } => slices.fill(Sums::default()),
        }
    }

    /// The same calls in a window of another size, as far as it reaches. Between a window of calls and one of time
    /// nothing can be carried over.
    pub(super) fn resized(&self, config: WindowConfig) -> Self {
        let mut new = Self::new(config);
        match (&self.calls, &mut new.calls) {
            (Calls::Last { ring, next }, Calls::Last { .. }) => {
                let held = self.sums.calls as usize;
                let oldest = (next + ring.len() - held) % ring.len();
                for number in 0..held {
                    new.record(ring[(oldest + number) % ring.len()], Moment::ZERO);
                }
            }
            (
                Calls::Recent { slices: old, nanos: old_nanos, at: old_at },
                Calls::Recent { slices, nanos, at },
            ) => {
                *at = old_at.saturating_mul(*old_nanos) / *nanos;
                for back in 0..SLICES.min(old_at + 1) {
                    let number = (old_at - back).saturating_mul(*old_nanos) / *nanos;
                    if at.saturating_sub(number) < SLICES {
                        slices[index(number)].put(old[index(old_at - back)]);
                    }
                }
                slices.iter().for_each(|slice| new.sums.put(*slice));
            }
            _ => {}
        }
        new
    }

    fn slide(&mut self, now: Moment) {
        let Calls::Recent { slices, nanos, at } = &mut self.calls else { return };
        let number = now.as_nanos() / *nanos;
        // A clock that another thread read a little earlier does not turn the window back.
        let steps = number.saturating_sub(*at);
        if steps == 0 {
            return;
        }
        for step in 1..=steps.min(SLICES) {
            let slice = &mut slices[index(*at + step)];
            self.sums.take(std::mem::take(slice));
        }
        *at = number;
    }
}

fn slice_nanos(time: Duration) -> u64 {
    (nanos(time) / SLICES).max(1)
}

fn index(number: u64) -> usize {
    (number % SLICES) as usize
}
