//! How slow an endpoint is: an average of its latencies in which a peak counts at once, what is old fades, and a failure
//! counts as slow.
//!
//! This is the *peak EWMA* of Finagle (`com.twitter.finagle.loadbalancer.PeakEwma`), which Linkerd uses too. With `td`
//! the time since the last sample and `w = exp(-td / decay)`, a latency above the average replaces it; one below moves it
//! to `average * w + latency * (1 - w)`; and what is read is `average * w`, so that an endpoint that was slow once, and
//! is not asked for that reason, is asked again.
//!
//! A failure is counted as a penalty, which is the idea of Linkerd's load biaser: an endpoint that fails at once would
//! look fast, and draw all requests to itself. Here the penalty moves the average by its share `1 - w` like a low sample
//! does, and does not replace it as a peak: the average of an endpoint of which one in a hundred fails then rises by a
//! hundredth of the penalty, where a peak would hide every other difference for minutes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mamparo_context::Moment;
use mamparo_context::duration::nanos;

/// A tick is 2^20 nanoseconds, about a millisecond. 32 bits of them are 52 days: an average that nobody has changed for
/// half of that looks new.
const TICK_BITS: u32 = 20;

/// Below this, in nanoseconds, nothing is known: no latency was ever seen, or it has faded.
const UNKNOWN: f32 = 1.0;

/// How fast averages fade, and what a failure counts as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fading {
    /// One over the decay, per tick.
    per_tick: f32,
    /// In nanoseconds.
    penalty: f32,
}

/// An average and when it was last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Average {
    nanos: f32,
    tick: u32,
}

/// An [`Average`] that threads share, in one word.
#[derive(Debug, Default)]
pub(crate) struct SharedAverage(AtomicU64);

#[expect(clippy::cast_precision_loss, reason = "a latency need not be known to more than seven digits")]
fn float(nanos: u64) -> f32 {
    nanos as f32
}

#[expect(clippy::cast_possible_truncation, reason = "ticks are reckoned modulo 2^32")]
fn tick(now: Moment) -> u32 {
    (now.as_nanos() >> TICK_BITS) as u32
}

impl Fading {
    pub(crate) fn new(decay: Duration, penalty: Duration) -> Self {
        let tick = float(1 << TICK_BITS);
        Self { per_tick: tick / float(nanos(decay).max(1)), penalty: float(nanos(penalty)) }
    }

    /// How much of an average is left at `now` that was changed at `then`.
    #[inline]
    fn left(self, then: u32, now: u32) -> f32 {
        let ticks = now.wrapping_sub(then);
        // One that another thread changed with a clock read a little later has not aged.
        if ticks == 0 || ticks > u32::MAX / 2 {
            return 1.0;
        }
        (-float(ticks.into()) * self.per_tick).exp()
    }
}

impl Average {
    /// What it has faded to at `now`, in nanoseconds; `None` when nothing is known.
    #[inline]
    pub(crate) fn at(self, fading: Fading, now: Moment) -> Option<f32> {
        if self.nanos < UNKNOWN {
            return None;
        }
        let faded = self.nanos * fading.left(self.tick, tick(now));
        (faded >= UNKNOWN).then_some(faded)
    }

    /// It, once a request that took so long and failed, or did not, has been taken in.
    fn observe(self, took: Duration, failed: bool, fading: Fading, now: Moment) -> Self {
        let took = float(nanos(took)).max(UNKNOWN);
        let sample = if failed { took.max(fading.penalty) } else { took };
        let at = tick(now);
        if self.nanos < UNKNOWN {
            return Self { nanos: sample, tick: at };
        }
        let left = fading.left(self.tick, at);
        let peak = if took > self.nanos * left { took } else { self.nanos };
        let average = peak.mul_add(left, sample * (1.0 - left));
        // A sample of an earlier clock does not make the average older.
        let is_earlier = at.wrapping_sub(self.tick) > u32::MAX / 2;
        Self { nanos: average, tick: if is_earlier { self.tick } else { at } }
    }
}

impl SharedAverage {
    #[inline]
    pub(crate) fn load(&self) -> Average {
        unpack(self.0.load(Ordering::Relaxed))
    }

    /// Nothing is known any more.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Takes in what a request came to.
    #[inline]
    pub(crate) fn observe(&self, took: Duration, failed: bool, fading: Fading, now: Moment) {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let new = pack(unpack(old).observe(took, failed, fading, now));
            match self.0.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => old = changed,
            }
        }
    }
}

fn pack(average: Average) -> u64 {
    u64::from(average.nanos.to_bits()) << 32 | u64::from(average.tick)
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
fn unpack(word: u64) -> Average {
    Average { nanos: f32::from_bits((word >> 32) as u32), tick: word as u32 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DECAY: Duration = Duration::from_secs(10);

    fn fading() -> Fading {
        Fading::new(DECAY, Duration::from_secs(5))
    }

    fn at(seconds: f64) -> Moment {
        Moment::ZERO + Duration::from_secs_f64(seconds)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn read(average: Average, now: Moment) -> f32 {
        average.at(fading(), now).unwrap_or(0.0) / 1e6
    }

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let start = Average::default();
        assert_eq!(start.at(fading(), at(0.0)), None);
        let first = start.observe(millis(10), false, fading(), at(1.0));
        assert_eq!(read(first, at(1.0)), 10.0);
        let peak = first.observe(millis(200), false, fading(), at(1.1));
        assert_eq!(read(peak, at(1.1)), 200.0);
        let faded = read(peak, at(11.1));
        assert!((faded - 200.0 / std::f32::consts::E).abs() < 0.1, "{faded}");
        let low = read(peak.observe(millis(10), false, fading(), at(2.1)), at(2.1));
        assert!((low - (200.0 * 0.9048 + 10.0 * 0.0952)).abs() < 0.1, "{low}");
        assert_eq!(peak.at(fading(), at(1_000.0)), None, "nothing is known any more");
    }

    #[test]
    fn one_failure_moves_it_and_many_make_it_the_penalty() {
        let mut average = Average::default().observe(millis(10), false, fading(), at(0.0));
        average = average.observe(millis(1), true, fading(), at(0.1));
        let one = read(average, at(0.1));
        assert!((50.0..70.0).contains(&one), "{one}");
        for tenth in 2..500_u32 {
            average = average.observe(millis(1), true, fading(), at(f64::from(tenth) / 10.0));
        }
        let many = read(average, at(49.9));
        assert!((4_900.0..5_001.0).contains(&many), "{many}");
        let first = Average::default().observe(millis(1), true, fading(), at(0.0));
        assert_eq!(read(first, at(0.0)), 5_000.0);
        let slow = Average::default().observe(Duration::from_secs(9), true, fading(), at(0.0));
        assert!((read(slow, at(0.0)) - 9_000.0).abs() < 0.1);
    }

    #[test]
    fn an_earlier_clock_neither_ages_nor_renews_it() {
        let average = Average::default().observe(millis(10), false, fading(), at(5.0));
        assert_eq!(read(average, at(4.0)), 10.0);
        assert_eq!(average.observe(millis(3), false, fading(), at(4.0)), average);
    }

    proptest! {
        #[test]
        fn it_is_never_below_the_lowest_latency_as_it_has_faded_nor_above_the_highest(
            samples in prop::collection::vec((1_u64..10_000, 0_u64..3_000), 1..50),
        ) {
            let (mut average, mut now) = (Average::default(), at(1.0));
            for (took, step) in &samples {
                now = now + millis(*step);
                average = average.observe(millis(*took), false, fading(), now);
                prop_assert!(read(average, now) >= *took as f32 * 0.999, "a peak counts at once");
            }
            let highest = samples.iter().map(|(took, _)| *took).max().unwrap_or(0);
            prop_assert!(read(average, now) <= highest as f32 * 1.001);
            prop_assert_eq!(unpack(pack(average)), average);
        }
    }
}
