//! When a process that ended is started again: soon at first, then less and less often.

use std::time::{Duration, Instant};

/// The first pause.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Whoever lived this long was healthy: the next pause is the first one again.
pub(crate) const HEALTHY: Duration = Duration::from_secs(2);

/// The pauses of one process.
#[derive(Debug)]
pub(crate) struct Restart {
    pause: Duration,
}

impl Restart {
    pub(crate) const fn new() -> Self {
        Self { pause: PAUSE_MIN }
    }

    /// How long to wait before a process is started again that lived from `started` until `now`.
    pub(crate) fn ended(&mut self, started: Instant, now: Instant) -> Duration {
        if now.saturating_duration_since(started) >= HEALTHY {
            self.pause = PAUSE_MIN;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use mamparo_context::Clock;

    use super::*;

    #[test]
    fn pauses_double_and_a_healthy_life_forgives() {
        let (start, mut restart) = (Clock::manual().0.now(), Restart::new());
        let lives = [0, 0, 1_999, 0, 0, 0, 0, 0, 0, 2_000, 0];
        let pauses =
            lives.map(|millis| restart.ended(start, start + Duration::from_millis(millis)).as_millis());
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 50, 100]);
    }
}
