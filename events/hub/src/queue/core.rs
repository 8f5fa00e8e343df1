//! What becomes of a message: decided here from its attempts and the options of its queue, performed elsewhere.

use std::time::Duration;

use mamparo_context::Timestamp;

use crate::limits::{DELAY_MAX, ERROR_BYTES_MAX};
use crate::options::{Backoff, QueueOptions};

/// How an attempt ended badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The consumer gave it back and asked for this delay.
    Nacked(Duration),
    /// The consumer said nothing until its lease ran out.
    Expired,
    /// The consumer says that it can never be handled.
    Rejected,
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It can be leased at once.
    Ready,
    /// It rests until this moment.
    Rest(Timestamp),
    /// It becomes a dead letter.
    Dead,
}

/// What becomes of a message whose attempt number `attempts` (counted from 1) failed.
pub(crate) fn after(failure: Failure, attempts: u32, queue: &QueueOptions, now: Timestamp) -> Next {
    let delay = match failure {
        Failure::Rejected => return Next::Dead,
        Failure::Nacked(_) | Failure::Expired if attempts >= queue.max_attempts => return Next::Dead,
        Failure::Nacked(delay) => delay.min(DELAY_MAX),
        Failure::Expired => backoff(queue.backoff, attempts),
    };
    if delay.is_zero() { Next::Ready } else { Next::Rest(now + delay) }
}

/// The delay after attempt number `attempts`: it doubles each time.
fn backoff(backoff: Backoff, attempts: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    backoff.initial.saturating_mul(doubled).min(backoff.max).min(DELAY_MAX)
}

/// When a message that is published at `now` can be leased.
pub(crate) fn first_due(not_before: Option<Timestamp>, now: Timestamp) -> Next {
    match not_before {
        Some(at) if at > now => Next::Rest(at.min(now + DELAY_MAX)),
        _ => Next::Ready,
    }
}

/// What a queue holds, dead letters included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Usage {
    /// Whether a queue that holds this much takes `more`.
    pub(crate) fn admits(self, more: Usage, queue: &QueueOptions) -> bool {
        self.messages.saturating_add(more.messages) <= queue.capacity_messages
            && self.bytes.saturating_add(more.bytes) <= queue.capacity_bytes
    }
}

/// How many of the next messages go into one batch of at most `max` bytes; at least one, if there is one.
pub(crate) fn batch(sizes: impl IntoIterator<Item = u64>, max: usize) -> usize {
    let mut sum = 0_u64;
    let fits = |size| {
        sum = sum.saturating_add(size);
        sum <= max as u64
    };
    let mut sizes = sizes.into_iter().peekable();
    let any = sizes.peek().is_some();
    sizes.map(fits).take_while(|fits| *fits).count().max(usize::from(any))
}

/// An error as it is stored: cut to its limit between two characters.
pub(crate) fn stored_error(error: &str) -> &str {
    let mut end = error.len().min(ERROR_BYTES_MAX);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    &error[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn queue() -> QueueOptions {
        QueueOptions {
            max_attempts: 3,
            backoff: Backoff { initial: SECOND, max: 3 * SECOND },
            ..QueueOptions::default()
        }
    }

    #[test]
    fn a_failure_leads_to_another_attempt_or_to_the_dead_letters() {
        for (failure, attempts, next) in [
            (Failure::Nacked(Duration::ZERO), 1, Next::Ready),
            (Failure::Nacked(5 * SECOND), 2, Next::Rest(NOW + 5 * SECOND)),
            (Failure::Nacked(Duration::MAX), 2, Next::Rest(NOW + DELAY_MAX)),
            (Failure::Nacked(5 * SECOND), 3, Next::Dead),
            (Failure::Nacked(5 * SECOND), 9, Next::Dead),
            (Failure::Expired, 1, Next::Rest(NOW + SECOND)),
            (Failure::Expired, 2, Next::Rest(NOW + 2 * SECOND)),
            (Failure::Expired, 3, Next::Dead),
            (Failure::Rejected, 1, Next::Dead),
        ] {
            assert_eq!(after(failure, attempts, &queue(), NOW), next, "{failure:?} of attempt {attempts}");
        }
    }

    #[test]
    fn the_backoff_doubles_up_to_its_end_and_never_overflows() {
        let options = QueueOptions { max_attempts: u32::MAX, ..queue() };
        for (attempts, seconds) in [(1, 1), (2, 2), (3, 3), (33, 3), (u32::MAX - 1, 3)] {
            let next = Next::Rest(NOW + seconds * SECOND);
            assert_eq!(after(Failure::Expired, attempts, &options, NOW), next, "attempt {attempts}");
        }
        let at_once = QueueOptions { backoff: Backoff { initial: Duration::ZERO, max: SECOND }, ..queue() };
        assert_eq!(after(Failure::Expired, 2, &at_once, NOW), Next::Ready);
    }

    #[test]
    fn a_full_queue_admits_nothing() {
        let options = QueueOptions { capacity_messages: 10, capacity_bytes: 100, ..queue() };
        let held = Usage { messages: 9, bytes: 90 };
        assert!(held.admits(Usage { messages: 1, bytes: 10 }, &options));
        assert!(!held.admits(Usage { messages: 2, bytes: 10 }, &options));
        assert!(!held.admits(Usage { messages: 1, bytes: 11 }, &options));
        assert!(!held.admits(Usage { messages: u64::MAX, bytes: 0 }, &options));
    }

    #[test]
    fn a_batch_ends_at_its_bytes_but_holds_one_message() {
        let half = 500;
        for (sizes, count) in [
            (vec![], 0),
            (vec![1, 2, 3], 3),
            (vec![half, half, 1], 2),
            (vec![half, half + 1], 1),
            (vec![3 * half], 1),
            (vec![1, 3 * half], 1),
        ] {
            assert_eq!(batch(sizes, 1_000), count);
        }
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        assert_eq!(stored_error("short"), "short");
        let long = "é".repeat(ERROR_BYTES_MAX);
        assert!(stored_error(&format!("x{long}")).len() <= ERROR_BYTES_MAX);
    }
}
