//! What can be chosen about a relay.

use std::time::Duration;

use mamparo_broker::limits::BATCH_MAX;

use crate::limits::WINDOW_ROWS_MAX;

/// What can be chosen about a relay. Values out of range are brought into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most messages published at once.
    pub batch: usize,
    /// Batches under way at the same time, never two with the same topic and key.
    pub in_flight: usize,
    /// Rows held in memory.
    pub window: usize,
    /// How often a row is refused for what it is before it is parked for a person.
    pub park_after: u32,
    /// First pause after a failure; it doubles with every further one, each drawn between its half and its whole.
    pub backoff: Duration,
    /// Longest pause after a failure.
    pub backoff_max: Duration,
    /// How often parked rows are looked at, to send those that a person let go.
    pub sweep: Duration,
    /// How long the broker may take to answer; then the batch is sent again, under the same message ids.
    pub answer_within: Duration,
    /// How long a stopping relay waits for what is under way.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch: BATCH_MAX,
            in_flight: 4,
            window: WINDOW_ROWS_MAX,
            park_after: 8,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(10),
            sweep: Duration::from_secs(5),
            answer_within: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

impl Options {
    pub(crate) fn in_range(mut self) -> Self {
        self.batch = self.batch.clamp(1, BATCH_MAX);
        self.in_flight = self.in_flight.clamp(1, 64);
        self.window = self.window.clamp(1, WINDOW_ROWS_MAX);
        self.park_after = self.park_after.max(1);
        self.backoff = self.backoff.max(Duration::from_millis(1));
        self.backoff_max = self.backoff_max.max(self.backoff);
        self
    }

    /// The pause after failure number `failures` (from 1); `unit` in `0.0..1.0` is the jitter.
    pub(crate) fn pause(&self, failures: u32, unit: f64) -> Duration {
        backoff(self.backoff, self.backoff_max, failures, unit)
    }
}

/// `base` doubled for every failure after the first, at most `max`, drawn between its half and its whole: never
/// so short that a broker that is away is stormed.
pub(crate) fn backoff(base: Duration, max: Duration, failures: u32, unit: f64) -> Duration {
    let doubled = base.saturating_mul(1_u32 << failures.saturating_sub(1).min(20)).min(max);
    doubled / 2 + (doubled / 2).mul_f64(unit.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit_and_are_never_short() {
        let options = Options {
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            ..Default::default()
        };
        for (failures, unit, millis) in
            [(1, 0.0, 50), (1, 1.0, 100), (2, 1.0, 200), (4, 0.5, 600), (5, 1.0, 1000), (u32::MAX, 1.0, 1000)]
        {
            assert_eq!(options.pause(failures, unit), Duration::from_millis(millis), "{failures} {unit}");
        }
    }
}
