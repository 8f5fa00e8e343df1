//! What can be chosen about a consumer.

use std::time::Duration;

use crate::limits::{CONCURRENCY_MAX, PREFETCH_MAX};

/// What becomes of a message whose deadline passed while it rested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    /// It is handled all the same, and the transaction has no deadline: a fact does not become untrue because
    /// nobody waits for its consequences.
    #[default]
    Handle,
    /// The deadline is that of the transaction; once it has passed the message is a dead letter.
    DeadLetter,
}

/// What can be chosen about a consumer. Values out of range are brought into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Handlers at the same time, for each subscription.
    pub concurrency: usize,
    /// Messages leased ahead of the handlers, for each subscription.
    pub prefetch: usize,
    /// How long a message is leased; extended while it is held.
    pub visibility: Duration,
    /// How long the broker is asked to wait for a message.
    pub wait: Duration,
    /// Attempts after which a message that fails is a dead letter.
    pub attempts_max: u32,
    /// Bound of the first pause before a message is tried again; it doubles with every attempt, and the pause is
    /// drawn from zero to it.
    pub backoff: Duration,
    /// Largest bound of the pause.
    pub backoff_max: Duration,
    /// What becomes of a message whose deadline has passed.
    pub expired: Expired,
    /// How long a stopping consumer lets its handlers finish.
    pub drain: Duration,
    /// How long the inbox remembers a message; longer than any broker may take to repeat it.
    pub inbox_window: Duration,
    /// How often the inbox is pruned.
    pub prune_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 64,
            prefetch: 256,
            visibility: Duration::from_secs(30),
            wait: Duration::from_secs(1),
            attempts_max: 10,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            expired: Expired::Handle,
            drain: Duration::from_secs(5),
            inbox_window: Duration::from_secs(7 * 24 * 3_600),
            prune_every: Duration::from_secs(60),
        }
    }
}

impl Options {
    pub(crate) fn in_range(mut self) -> Self {
        self.concurrency = self.concurrency.clamp(1, CONCURRENCY_MAX);
        self.prefetch = self.prefetch.min(PREFETCH_MAX);
        self.visibility = self.visibility.max(Duration::from_secs(1));
        self.wait = self.wait.max(Duration::from_millis(10));
        self.attempts_max = self.attempts_max.max(1);
        self.prune_every = self.prune_every.max(Duration::from_secs(1));
        self
    }
}
