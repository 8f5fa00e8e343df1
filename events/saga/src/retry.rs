//! How often a step is tried, and the pause between two attempts: exponential, capped, jittered by a hash of what
//! is retried, so that the same saga always pauses the same.

use std::time::Duration;

use crate::id::CommandId;
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// How often a command is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    attempts: Option<u32>,
    min: Duration,
    max: Duration,
}

impl Retry {
    /// At most `attempts` attempts, the first included; zero counts as one.
    pub const fn attempts(attempts: u32) -> Self {
        let attempts = if attempts == 0 { 1 } else { attempts };
        Self { attempts: Some(attempts), min: BACKOFF_MIN, max: BACKOFF_MAX }
    }

    /// One attempt.
    pub const fn once() -> Self {
        Self::attempts(1)
    }

    /// Again and again, until the deadline of the step or of the saga; behind the pivot, and for a compensation,
    /// without end.
    pub const fn until_deadline() -> Self {
        Self { attempts: None, min: BACKOFF_MIN, max: BACKOFF_MAX }
    }

    /// Pauses from `min`, doubled after each attempt, up to `max`; between half of that and all of it is waited.
    pub const fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.min = min;
        self.max = max;
        self
    }

    /// Whether it ends by itself.
    pub const fn is_bounded(&self) -> bool {
        self.attempts.is_some()
    }

    pub(crate) fn allows_another(&self, made: u32) -> bool {
        self.attempts.is_none_or(|attempts| made < attempts)
    }

    /// The pause behind the attempt `attempt` of `command`, the `made`th of its budget.
    pub(crate) fn pause(&self, command: &CommandId, attempt: u32, made: u32) -> Duration {
        let doublings = made.saturating_sub(1).min(31);
        let full = self.min.saturating_mul(1 << doublings).min(self.max);
        // Between one half and one, in steps of 1/65,536.
        let share = 32_768 + (hash(command.as_str(), attempt) & 0x7fff) as u32;
        full.saturating_mul(share) / 65_536
    }
}

/// FNV-1a, stirred once more: spreads pauses, decides nothing else.
fn hash(text: &str, attempt: u32) -> u64 {
    let bytes = text.bytes().chain(attempt.to_le_bytes());
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (fnv ^ (fnv >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_differ_between_sagas() {
        let retry = Retry::until_deadline().backoff(Duration::from_millis(100), Duration::from_secs(2));
        let command: CommandId = "a/pay/do".parse().unwrap();
        for (made, full) in
            [(1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (60, 2_000), (u32::MAX, 2_000)]
        {
            let pause = retry.pause(&command, made, made);
            let full = Duration::from_millis(full);
            assert!(pause >= full / 2 && pause <= full, "{made}: {pause:?}");
            assert_eq!(pause, retry.pause(&command, made, made));
        }
        let other: CommandId = "b/pay/do".parse().unwrap();
        assert_ne!(retry.pause(&command, 1, 1), retry.pause(&other, 1, 1));
    }

    #[test]
    fn the_largest_backoff_does_not_overflow() {
        let retry = Retry::once().backoff(Duration::MAX, Duration::MAX);
        assert!(retry.pause(&"a/pay/do".parse().unwrap(), u32::MAX, u32::MAX) > Duration::from_secs(1));
    }

    #[test]
    fn the_budget_counts_the_first_attempt() {
        assert!(!Retry::once().allows_another(1));
        assert!(!Retry::attempts(0).allows_another(1));
        assert!(Retry::attempts(3).allows_another(2) && !Retry::attempts(3).allows_another(3));
        assert!(Retry::until_deadline().allows_another(u32::MAX));
    }
}
