//! Monotonic time as it was at the last tick of the machine: for whoever looks at the clock very often, and does not
//! mind a few milliseconds.

use crate::moment::Moment;

/// The time of the last tick. It is never ahead of the exact time.
#[cfg(target_os = "linux")]
pub(crate) fn moment() -> Moment {
    use std::sync::OnceLock;
    // How far a moment lies ahead of the machine's own count.
    static AHEAD: OnceLock<u64> = OnceLock::new();
    let ahead = *AHEAD.get_or_init(|| Moment::from(now()).as_nanos().saturating_sub(exact_nanos()));
    let tick = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Moment::from_nanos(nanos(tick).saturating_add(ahead))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn moment() -> Moment {
    Moment::from(now())
}

#[expect(clippy::disallowed_methods, reason = "this room reads the clock of the machine")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(target_os = "linux")]
fn exact_nanos() -> u64 {
    nanos(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic))
}

#[cfg(target_os = "linux")]
fn nanos(time: rustix::time::Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::Clock;

    #[test]
    fn coarse_time_is_not_ahead_and_not_far_behind() {
        let clock = Clock::system();
        for _ in 0..1000 {
            let coarse = clock.coarse_moment();
            let exact = clock.moment();
            assert!(coarse <= exact);
            assert!(exact.since(coarse) < Duration::from_secs(5), "a busy machine, but not that busy");
            assert!(clock.coarse_moment() >= coarse);
        }
        let (clock, manual) = Clock::manual();
        manual.advance(Duration::from_nanos(7));
        assert_eq!(clock.coarse_moment(), clock.moment());
    }
}
