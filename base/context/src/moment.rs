//! Monotonic time as a number: what windows, limits and deadlines are reckoned with, and what fits into an atomic.

use std::ops::Add;
use std::time::{Duration, Instant};

use crate::clock::process_start;
use crate::duration::nanos;

/// Nanoseconds since a moment of this process that stays the same; it has no meaning in another process. All
/// arithmetic saturates: there is nothing before 0, and the end is 584 years away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// So that what began before the first look at the clock still lies after 0.
const HEAD_START: Duration = Duration::from_secs(86_400);

impl Moment {
    /// The first moment there is.
    pub const ZERO: Moment = Moment(0);
    /// A moment that never comes.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// The moment `nanos` after the first one.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the first moment.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero when `earlier` lies later.
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same moment on the clock of [`Instant`].
    pub fn instant(self) -> Instant {
        let start = process_start();
        let after = Duration::from_nanos(self.0);
        match after.checked_sub(HEAD_START) {
            Some(after) => start.checked_add(after).unwrap_or(start),
            None => start.checked_sub(HEAD_START - after).unwrap_or(start),
        }
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    #[inline]
    fn add(self, by: Duration) -> Moment {
        Moment(self.0.saturating_add(nanos(by)))
    }
}

impl From<Instant> for Moment {
    #[inline]
    fn from(at: Instant) -> Self {
        let start = process_start();
        match at.checked_duration_since(start) {
            Some(after) => Moment::ZERO + HEAD_START + after,
            None => Moment::ZERO + HEAD_START.saturating_sub(start.saturating_duration_since(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    #[test]
    fn a_moment_and_an_instant_tell_the_same_time() {
        let (clock, manual) = Clock::manual();
        for step in [0, 1, 999, 1_000_000_007] {
            manual.advance(Duration::from_nanos(step));
            assert_eq!(Moment::from(clock.now()), clock.moment());
            assert_eq!(clock.moment().instant(), clock.now());
        }
        let before = process_start().checked_sub(Duration::from_secs(5));
        let moment = before.map(Moment::from);
        assert_eq!(moment.map(Moment::instant), before);
    }

    #[test]
    fn time_saturates() {
        assert_eq!(Moment::NEVER + Duration::MAX, Moment::NEVER);
        assert_eq!(Moment::ZERO.since(Moment::NEVER), Duration::ZERO);
        assert_eq!(Moment::from_nanos(3).since(Moment::from_nanos(1)), Duration::from_nanos(2));
    }
}
