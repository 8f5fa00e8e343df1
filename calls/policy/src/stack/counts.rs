//! What a stack has done beside what its policies count themselves.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::retry::GaveUp;

#[derive(Debug, Default)]
pub(super) struct StackCounts {
    calls: AtomicU64,
    repeats: AtomicU64,
    shadow_repeats: AtomicU64,
    hedges_won: AtomicU64,
    attempts_timed_out: AtomicU64,
    calls_timed_out: AtomicU64,
    given_up: [AtomicU64; GAVE_UP.len()],
}

/// What a stack has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackCounted {
    /// Calls that began.
    pub calls: u64,
    /// Attempts beyond the first: repeats, or hedges.
    pub repeats: u64,
    /// Repeats or hedges that would have been made, had they been enforced.
    pub shadow_repeats: u64,
    /// Calls that were answered by a hedge, while the first attempt was under way.
    pub hedges_won: u64,
    /// Attempts whose own time was over.
    pub attempts_timed_out: u64,
    /// Calls whose whole time was over.
    pub calls_timed_out: u64,
    /// Calls that were not made again although that might have helped, by reason.
    pub given_up: [(&'static str, u64); GAVE_UP.len()],
}

const GAVE_UP: [GaveUp; 4] = [GaveUp::Attempts, GaveUp::Budget, GaveUp::Deadline, GaveUp::RetryAfter];

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl StackCounts {
    #[inline]
    pub(super) fn called(&self) {
        add(&self.calls);
    }

    pub(super) fn repeated(&self) {
        add(&self.repeats);
    }

    pub(super) fn shadow_repeated(&self) {
        add(&self.shadow_repeats);
    }

    pub(super) fn hedge_won(&self) {
        add(&self.hedges_won);
    }

    pub(super) fn timed_out(&self, whole: bool) {
        add(if whole { &self.calls_timed_out } else { &self.attempts_timed_out });
    }

    pub(super) fn gave_up(&self, why: GaveUp) {
        if let Some(place) = GAVE_UP.iter().position(|other| *other == why) {
            add(&self.given_up[place]);
        }
    }

    pub(super) fn read(&self) -> StackCounted {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut given_up = [("", 0); GAVE_UP.len()];
        for (place, (why, counter)) in GAVE_UP.iter().zip(&self.given_up).enumerate() {
            given_up[place] = (why.as_str(), load(counter));
        }
        StackCounted {
            calls: load(&self.calls),
            repeats: load(&self.repeats),
            shadow_repeats: load(&self.shadow_repeats),
            hedges_won: load(&self.hedges_won),
            attempts_timed_out: load(&self.attempts_timed_out),
            calls_timed_out: load(&self.calls_timed_out),
            given_up,
        }
    }
}
