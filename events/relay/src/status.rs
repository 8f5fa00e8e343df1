//! How a relay stands, for metrics and for a person.

use std::time::Duration;

use mamparo_context::Timestamp;
use serde::Serialize;

/// How a relay stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Rows in memory that were not accepted by the broker yet.
    pub waiting: usize,
    /// Rows behind the last one read; an upper bound, for their ids may have gaps.
    pub unread: u64,
    /// When the oldest row in memory was published.
    pub oldest: Option<Timestamp>,
    /// Rows that wait for a person.
    pub parked: usize,
    /// Topics whose broker is away or full.
    pub blocked_topics: usize,
    /// Keys (and rows without a key) held up by a refused row.
    pub blocked_keys: usize,
    /// Rows that the broker accepted since the start.
    pub sent: u64,
    /// Batches that the broker refused or did not answer since the start.
    pub failures: u64,
    /// What the last failure said.
    pub last_error: Option<String>,
}

impl Status {
    /// Rows that were not accepted by the broker yet; an upper bound.
    pub fn lag(&self) -> u64 {
        self.unread.saturating_add(self.waiting as u64)
    }

    /// How long the oldest row waits at `now`.
    pub fn oldest_age(&self, now: Timestamp) -> Duration {
        self.oldest.map_or(Duration::ZERO, |at| now.since(at))
    }
}
