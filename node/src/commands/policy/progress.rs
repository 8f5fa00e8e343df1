//! How far a replay is, for a person who has waited for a while.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use mamparo_context::{Clock, Moment};

/// Nobody needs to be told about less.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a replay is.
pub(super) struct Progress {
    clock: Clock,
    /// When something is said next; `None` where nobody looks.
    next: Option<Moment>,
    span: Duration,
    shown: bool,
}

impl Progress {
    /// Of a trace of this length.
    pub(super) fn new(span: Duration) -> Self {
        let clock = Clock::system();
        let next = stderr().is_terminal().then(|| clock.moment() + PATIENCE);
        Self { clock, next, span, shown: false }
    }

    /// It has come to `at`.
    pub(super) fn show(&mut self, at: Duration) {
        let now = self.clock.moment();
        if self.next.is_some_and(|next| now >= next) {
            let share = at.as_secs_f64() / self.span.as_secs_f64().max(0.001) * 100.0;
            let _ = write!(stderr().lock(), "\r{:3.0}% of the calls have come", share.min(100.0));
            self.next = Some(now + PATIENCE / 5);
            self.shown = true;
        }
    }

    /// Leaves an empty line behind.
    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(stderr().lock(), "\r\x1b[K");
        }
    }
}
