//! What can be chosen about a projection.

use std::time::Duration;

use crate::limits::BATCH_MAX;

/// What can be chosen about a projection. Values out of range are brought into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most events applied in one transaction.
    pub batch: usize,
    /// How often an event is tried before its stream is parked.
    pub attempts: u32,
    /// First pause after a failure; it doubles with every further one, each drawn between its half and its whole.
    pub backoff: Duration,
    /// Longest pause after a failure.
    pub backoff_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch: 256,
            attempts: 5,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
        }
    }
}

impl Options {
    pub(crate) fn in_range(mut self) -> Self {
        self.batch = self.batch.clamp(1, BATCH_MAX);
        self.attempts = self.attempts.max(1);
        self.backoff = self.backoff.max(Duration::from_millis(1));
        self.backoff_max = self.backoff_max.max(self.backoff);
        self
    }

    /// The pause after failure number `failures` (from 1); `unit` in `0.0..1.0` is the jitter.
    pub(crate) fn pause(&self, failures: u32, unit: f64) -> Duration {
        let doubled = self.backoff.saturating_mul(1_u32 << failures.saturating_sub(1).min(20));
        let bound = doubled.min(self.backoff_max);
        bound / 2 + (bound / 2).mul_f64(unit.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit() {
        let options = Options::default();
        for (failures, unit, millis) in
            [(1, 0.0, 25), (1, 1.0, 50), (3, 1.0, 200), (20, 1.0, 5_000), (u32::MAX, 0.0, 2_500)]
        {
            assert_eq!(options.pause(failures, unit), Duration::from_millis(millis), "{failures} {unit}");
        }
    }
}
