//! What time it is: one concrete clock, read from the machine or moved by hand.
//!
//! Two times exist. [`Instant`] is monotonic and lives only in this process: timeouts, windows, deadlines of a
//! call. [`Timestamp`] is wall time and may be stored: timers, leases, what a message carries.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::duration::nanos;
use crate::moment::Moment;
use crate::sleep::ManualSleep;

/// Wall time as microseconds since 1970-01-01 UTC, fit to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `micros` microseconds after 1970-01-01 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970-01-01 UTC, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to this moment; zero when `earlier` lies later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, such as `2026-11-22T05:59:38.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis();
        let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        // Days to civil date: H. Hinnant, "chrono-compatible low-level date algorithms".
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
        let year = yoe + era * 400 + i64::from(month <= 2);
        let (h, m, s, ms) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60, of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
    }
}

/// The moment after which nobody waits for the answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that lies at `at`.
    pub const fn at(at: Instant) -> Self {
        Self(at)
    }

    /// When it lies.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// When it lies, as a number.
    pub fn moment(self) -> Moment {
        Moment::from(self.0)
    }

    /// What is left of it at `now`; zero once it has passed.
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed at `now`.
    pub fn has_passed(self, now: Instant) -> bool {
        now >= self.0
    }
}

/// The clock that everything is handed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<ManualTime>),
}

#[derive(Debug)]
pub(crate) struct ManualTime {
    start: Instant,
    start_moment: Moment,
    start_wall: Timestamp,
    elapsed_nanos: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

/// Who sleeps until when, and among those of one moment in the order of their going to sleep.
#[derive(Debug, Default)]
struct Sleepers {
    wakers: BTreeMap<Place, Waker>,
    next: u64,
}

/// Where a sleeper lies: until when, and as which one.
pub(crate) type Place = (Moment, u64);

impl Clock {
    /// The clock of the machine.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until its [`ManualClock`] moves it. It starts at 2026-01-01T00:00:00Z.
    pub fn manual() -> (Self, ManualClock) {
        let time = Arc::new(ManualTime {
            start: process_start(),
            start_moment: Moment::from(process_start()),
            start_wall: Timestamp::from_micros(1_767_225_600_000_000),
            elapsed_nanos: AtomicU64::new(0),
            sleepers: Mutex::default(),
        });
        (Self(Source::Manual(Arc::clone(&time))), ManualClock(time))
    }

    /// Monotonic time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock of the machine")]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual(time) => time.start + time.elapsed(),
        }
    }

    /// Monotonic time as a number.
    pub fn moment(&self) -> Moment {
        match &self.0 {
            Source::System => Moment::from(self.now()),
            Source::Manual(time) => time.moment(),
        }
    }

    /// Monotonic time as it was at the last tick of the machine, a few milliseconds ago at the most, for a fraction of
    /// the cost; as exact as [`moment`](Self::moment) where the machine has no such time.
    #[inline]
    pub fn coarse_moment(&self) -> Moment {
        match &self.0 {
            Source::System => crate::coarse::moment(),
            Source::Manual(time) => time.moment(),
        }
    }

    /// Waits until `at` on a manual clock; `None` on the clock of the machine, where the runtime has the timers.
    pub fn manual_sleep(&self, at: Moment) -> Option<ManualSleep> {
        match &self.0 {
            Source::System => None,
            Source::Manual(time) => Some(ManualSleep::new(Arc::clone(time), at)),
        }
    }

    /// Wall time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock of the machine")]
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::default() + since
            }
            Source::Manual(time) => time.start_wall + time.elapsed(),
        }
    }
}

impl ManualTime {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos.load(Ordering::SeqCst))
    }

    pub(crate) fn moment(&self) -> Moment {
        let nanos = self.elapsed_nanos.load(Ordering::SeqCst);
        Moment::from_nanos(self.start_moment.as_nanos().saturating_add(nanos))
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a waker for `at`. Who lies at `place` already stays there.
    pub(crate) fn wake_at(&self, at: Moment, place: Option<Place>, waker: &Waker) -> Place {
        let mut sleepers = self.sleepers();
        if let Some(place) = place
            && let Some(own) = sleepers.wakers.get_mut(&place)
        {
            let old = (!own.will_wake(waker)).then(|| std::mem::replace(own, waker.clone()));
            drop(sleepers);
            // Dropped without the lock: what a waker does then is not ours.
            drop(old);
            return place;
        }
        let place = (at, sleepers.next);
        sleepers.next += 1;
        sleepers.wakers.insert(place, waker.clone());
        place
    }

    /// Whoever lies at `place` does not sleep any more.
    pub(crate) fn forget(&self, place: Place) {
        let waker = self.sleepers().wakers.remove(&place);
        drop(waker);
    }
}

/// Moves a manual [`Clock`].
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<ManualTime>);

impl ManualClock {
    /// Moves the clock forward by `by`, up to the end of all time, and wakes who sleeps until then or less.
    pub fn advance(&self, by: Duration) {
        let nanos = nanos(by);
        let later = |elapsed: u64| Some(elapsed.saturating_add(nanos));
        _ = self.0.elapsed_nanos.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
        let now = self.0.moment();
        let mut sleepers = self.0.sleepers();
        let later = match sleepers.wakers.first_key_value() {
            Some(((at, _), _)) if *at <= now => sleepers.wakers.split_off(&(now, u64::MAX)),
            _ => return,
        };
        let due = std::mem::replace(&mut sleepers.wakers, later);
        drop(sleepers);
        due.into_values().for_each(Waker::wake);
    }

    /// How far the clock must be moved for the next sleeper to wake; `None` when nobody sleeps.
    pub fn next_wakeup(&self) -> Option<Duration> {
        let sleepers = self.0.sleepers();
        let ((next, _), _) = sleepers.wakers.first_key_value()?;
        Some(next.since(self.0.moment()))
    }
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin: only differences to it are ever used")]
pub(crate) fn process_start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_moves_both_times() {
        let (clock, manual) = Clock::manual();
        let (instant, wall) = (clock.now(), clock.wall());
        assert_eq!((clock.now(), clock.wall()), (instant, wall));
        manual.advance(Duration::from_millis(7));
        assert_eq!(clock.now() - instant, Duration::from_millis(7));
        assert_eq!(clock.wall().since(wall), Duration::from_millis(7));
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_225_600_000_000, "2026-01-01T00:00:00.000Z"),
            (951_782_399_999_000, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (-1_000, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn time_saturates_instead_of_wrapping() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Timestamp::default().since(end), Duration::ZERO);
        let (clock, manual) = Clock::manual();
        manual.advance(Duration::from_secs(1));
        manual.advance(Duration::MAX);
        assert_eq!(clock.moment(), Moment::NEVER, "it does not run back");
    }
}
