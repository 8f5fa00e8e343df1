//! Whether a line is standing: even the shortest delay of a whole interval was above the target. A burst makes a
//! long delay for a moment; only more work than can be done makes one that never goes away.
//!
//! Nichols and Jacobson, "Controlling Queue Delay" (2012); used for requests as in folly's `Codel`: no drop
//! schedule, only the question whether there is overload.

use std::time::Duration;

use mamparo_context::Moment;

/// Watches the delay of one line.
#[derive(Clone, Debug)]
pub struct Codel {
    target: Duration,
    interval: Duration,
    least: Duration,
    /// The least delay of the interval before.
    last: Duration,
    ends: Moment,
    is_overloaded: bool,
}

impl Codel {
    /// A delay that stays above `target` for an `interval` is overload.
    pub const fn new(target: Duration, interval: Duration) -> Self {
        Self {
            target,
            interval,
            least: Duration::ZERO,
            last: Duration::ZERO,
            ends: Moment::ZERO,
            is_overloaded: false,
        }
    }

    /// Changes the bounds and keeps what is known.
    pub const fn reconfigure(&mut self, target: Duration, interval: Duration) {
        self.target = target;
        self.interval = interval;
    }

    /// Somebody saw `delay` at `now`. Says whether there is overload.
    pub fn observe(&mut self, delay: Duration, now: Moment) -> bool {
        self.turn(now);
        self.least = self.least.min(delay);
        self.is_overloaded
    }

    /// Somebody came to an empty line at `now`: how long they wait is not known yet.
    pub fn begin(&mut self, now: Moment) {
        self.turn(now);
    }

    /// Begins the next interval once this one is over.
    fn turn(&mut self, now: Moment) {
        if now >= self.ends {
            // Where nobody came by for a whole interval more, nobody stood in line either.
            let was_quiet = now.since(self.ends) >= self.interval;
            self.last = if was_quiet { Duration::ZERO } else { self.least };
            self.is_overloaded = self.last > self.target;
            self.least = Duration::MAX;
            self.ends = now + self.interval;
        }
    }

    /// What was last found.
    pub const fn is_overloaded(&self) -> bool {
        self.is_overloaded
    }

    /// The least delay of the last interval in parts of the target, 10 at most; 1 or more means overload.
    pub fn pressure(&mut self, now: Moment) -> f64 {
        self.turn(now);
        let parts = (self.last.as_secs_f64() / self.target.as_secs_f64().max(f64::MIN_POSITIVE)).min(10.0);
        if self.is_overloaded { parts.max(1.0) } else { parts.min(0.99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(0) + Duration::from_secs(10) + MS(ms)
    }

    #[test]
    fn only_a_delay_that_never_goes_away_is_overload() {
        // (when, delay, overload)
        for history in [
            // a burst that is worked off
            vec![(0, 50, false), (40, 20, false), (80, 1, false), (101, 0, false), (202, 0, false)],
            // a standing line: known at the end of the first whole interval
            vec![(0, 50, false), (50, 20, false), (99, 6, false), (100, 9, true), (150, 1, true)],
            // and over once an interval has seen a short delay
            vec![(0, 50, false), (100, 9, true), (150, 1, true), (200, 9, false)],
            // nobody came by for long: what was known is void
            vec![(0, 50, false), (400, 50, false), (500, 50, true)],
        ] {
            let mut codel = Codel::new(MS(5), MS(100));
            for (when, delay, overload) in history.clone() {
                assert_eq!(codel.observe(MS(delay), at(when)), overload, "{history:?} at {when}");
            }
        }
    }

    #[test]
    fn pressure_crosses_one_with_overload() {
        let mut codel = Codel::new(MS(5), MS(100));
        codel.observe(MS(20), at(0));
        assert!(codel.pressure(at(0)) < 1.0);
        codel.observe(MS(50), at(99));
        assert_eq!(codel.pressure(at(100)), 4.0);
        assert_eq!(codel.pressure(at(199)), 4.0);
        assert_eq!(codel.pressure(at(200)), 10.0, "nobody was let go");
        assert_eq!(codel.pressure(at(401)), 0.0, "nobody came");
    }
}
