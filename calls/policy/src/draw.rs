//! Random numbers for pure cores: a sequence that a seed repeats, kept in the core that draws, and times that are
//! scaled by them.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The sequence of `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what a double can tell apart.
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `time` times `by`, at most as long as a time can be.
pub(crate) fn scaled(time: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_time_saturates() {
        assert_eq!(scaled(Duration::from_secs(8), 0.25), Duration::from_secs(2));
        assert_eq!(scaled(Duration::MAX, 1.0), Duration::MAX);
    }

    #[test]
    fn a_seed_repeats_its_sequence_and_units_spread() {
        let (mut a, mut b) = (Draw::new(7), Draw::new(7));
        assert!((0..100).all(|_| a.number() == b.number()));
        let units: Vec<f64> = (0..10_000).map(|_| a.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = units.iter().sum::<f64>() / 10_000.0;
        assert!((0.49..0.51).contains(&mean), "{mean}");
    }
}
