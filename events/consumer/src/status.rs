//! What a subscription has done, for metrics and for a person.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::Verdict;

/// What a subscription has done since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The queue or topic.
    pub source: String,
    /// The name of the consumer.
    pub consumer: String,
    /// Messages whose handler took effect.
    pub handled: u64,
    /// Messages that had taken effect before.
    pub repeated: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Messages that became dead letters.
    pub dead: u64,
    /// Times that the ledger or the broker failed.
    pub paused: u64,
    /// Handlers that run now.
    pub running: u64,
}

/// The counters behind [`Status`].
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) handled: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) dead: AtomicU64,
    pub(crate) paused: AtomicU64,
    pub(crate) running: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, verdict: &Verdict, repeated: bool) {
        Self::add(match verdict {
            Verdict::Done if repeated => &self.repeated,
            Verdict::Done => &self.handled,
            Verdict::Again { .. } => &self.retried,
            Verdict::Dead { .. } => &self.dead,
            Verdict::Pause { .. } => &self.paused,
        });
    }

    pub(crate) fn status(&self, source: &str, consumer: &str) -> Status {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            source: source.to_owned(),
            consumer: consumer.to_owned(),
            handled: read(&self.handled),
            repeated: read(&self.repeated),
            retried: read(&self.retried),
            dead: read(&self.dead),
            paused: read(&self.paused),
            running: read(&self.running),
        }
    }
}
