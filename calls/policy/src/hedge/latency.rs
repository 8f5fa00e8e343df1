//! How long calls took lately, and the share of them that was faster than a time: counts in buckets whose width
//! grows with the time, over a window of two halves.

use std::time::Duration;

use mamparo_context::Moment;

/// Buckets of one power of two: a value is told to within a sixteenth.
const PER_OCTAVE: usize = 16;
/// Powers of two from a microsecond on: up to about an hour.
const OCTAVES: usize = 32;
const BUCKETS: usize = PER_OCTAVE * OCTAVES;
/// How long one half of the window is.
const HALF: Duration = Duration::from_secs(30);
/// Fewer calls say nothing.
pub(super) const CALLS_MIN: u32 = 100;

/// How long calls took in the last thirty to sixty seconds.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    current: Half,
    previous: Half,
    since: Moment,
}

#[derive(Clone, Debug)]
struct Half {
    buckets: Box<[u32]>,
    calls: u32,
}

impl Half {
    fn new() -> Self {
        Self { buckets: vec![0; BUCKETS].into(), calls: 0 }
    }

    fn clear(&mut self) {
        self.buckets.fill(0);
        self.calls = 0;
    }
}

impl Latencies {
    pub(super) fn new() -> Self {
        Self { current: Half::new(), previous: Half::new(), since: Moment::ZERO }
    }

    /// A call took `time` and ended at `now`.
    pub(super) fn record(&mut self, time: Duration, now: Moment) {
        let age = now.since(self.since);
        if age >= HALF {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.clear();
            if age >= 2 * HALF {
                self.previous.clear();
            }
            self.since = now;
        }
        let count = &mut self.current.buckets[bucket(time)];
        *count = count.saturating_add(1);
        self.current.calls = self.current.calls.saturating_add(1);
    }

    /// Calls that are known.
    pub(super) fn calls(&self) -> u32 {
        self.current.calls.saturating_add(self.previous.calls)
    }

    /// The time within which this share of calls was answered, rounded up to the width of a bucket; `None` when too
    /// few are known.
    pub(super) fn percentile(&self, percent: f64) -> Option<Duration> {
        let calls = self.calls();
        if calls < CALLS_MIN {
            return None;
        }
        let wanted = f64::from(calls) * percent / 100.0;
        let mut seen = 0.0;
        let both = self.current.buckets.iter().zip(&self.previous.buckets);
        let found = both.map(|(a, b)| f64::from(*a) + f64::from(*b)).position(|count| {
            seen += count;
            seen >= wanted
        });
        Some(upper(found.unwrap_or(BUCKETS - 1)))
    }
}

/// The bucket of a time: which power of two, and which part of it.
fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    let octave = micros.ilog2() as usize;
    if octave >= OCTAVES {
        return BUCKETS - 1;
    }
    let above = micros - (1 << octave);
    // The remainder is below the power of two, so that the part is below the number of parts.
    let part = usize::try_from(above.saturating_mul(PER_OCTAVE as u64) >> octave).unwrap_or(0);
    octave * PER_OCTAVE + part
}

/// The upper bound of a bucket.
fn upper(bucket: usize) -> Duration {
    let (octave, part) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
    let micros = (1_u64 << octave) + (((part as u64 + 1) << octave) / PER_OCTAVE as u64);
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_tells_a_time_to_within_a_sixteenth(micros in 1..3_600_000_000_u64) {
            let time = Duration::from_micros(micros);
            let upper = upper(bucket(time));
            prop_assert!(upper >= time, "{upper:?}");
            prop_assert!(upper <= time.mul_f64(1.0 + 1.0 / 16.0) + Duration::from_micros(1), "{upper:?}");
        }
    }

    #[test]
    fn a_percentile_is_of_the_last_minute() {
        let mut latencies = Latencies::new();
        let at = |secs| Moment::ZERO + Duration::from_secs(secs);
        for millis in 1..=100 {
            assert_eq!(latencies.percentile(95.0), None);
            latencies.record(Duration::from_millis(millis), at(100));
        }
        let p95 = latencies.percentile(95.0).unwrap();
        assert!((95..=101).contains(&p95.as_millis()), "{p95:?}");
        for _ in 0..100 {
            latencies.record(Duration::from_millis(1), at(131));
        }
        assert_eq!(latencies.calls(), 200);
        latencies.record(Duration::from_millis(1), at(200));
        assert_eq!(latencies.calls(), 1);
        latencies.record(Duration::MAX, at(200));
    }
}
