//! Which of several services a request goes to, and whether another one gets a copy. Both are decided by one random
//! number that is handed in.

/// Services and their parts.
#[derive(Clone, Debug)]
pub(super) enum Split {
    One(usize),
    /// The sum of the weights up to and including each.
    Many(Box<[(u64, usize)]>),
}

impl Split {
    /// Parts of these weights; `None` where nothing has a part.
    pub(super) fn new(weighted: impl IntoIterator<Item = (u32, usize)>) -> Option<Self> {
        let mut sum = 0;
        let mut parts = Vec::new();
        for (weight, service) in weighted.into_iter().filter(|(weight, _)| *weight > 0) {
            sum += u64::from(weight);
            parts.push((sum, service));
        }
        match *parts {
            [] => None,
            [(_, service)] => Some(Self::One(service)),
            _ => Some(Self::Many(parts.into())),
        }
    }

    /// Whether it takes a random number to choose.
    pub(super) const fn is_random(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// The service for a request that drew this number of 64 random bits; the upper half of them counts.
    pub(super) fn choose(&self, draw: u64) -> usize {
        match self {
            Self::One(service) => *service,
            Self::Many(parts) => {
                let sum = parts.last().map_or(0, |(sum, _)| *sum);
                // Lemire 2019: a product instead of a remainder. The sum has 32 bits and a few.
                let at = (u128::from(draw >> 32) * u128::from(sum)) >> 32;
                let part = parts.partition_point(|(upto, _)| u128::from(*upto) <= at);
                parts.get(part).map_or(0, |(_, service)| *service)
            }
        }
    }
}

/// The part of the requests that is copied: of 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share(u64);

impl Share {
    /// So many in a hundred.
    pub(super) fn percent(percent: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32")]
        (0.0..=100.0).contains(&percent).then(|| Self((percent / 100.0 * 4_294_967_296.0).round() as u64))
    }

    /// Whether a request that drew this number is one of them; the lower half of its bits counts.
    pub(super) const fn has(self, draw: u64) -> bool {
        draw & 0xffff_ffff < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mamparo_context::Random;
    use proptest::prelude::*;

    #[test]
    fn the_borders_of_the_parts_are_where_the_weights_say() {
        let split = Split::new([(1, 7), (0, 8), (3, 9)]).unwrap();
        let draw = |quarter: u64| (quarter << 62) | 0xffff;
        assert_eq!([0, 1, 2, 3].map(|quarter| split.choose(draw(quarter))), [7, 9, 9, 9]);
        assert_eq!(split.choose(u64::MAX), 9);
        assert!(Split::new([(0, 1)]).is_none());
        assert!(!Split::new([(0, 1), (5, 2)]).unwrap().is_random());
    }

    #[test]
    fn a_share_is_of_all_requests() {
        assert!(Share::percent(100.0).unwrap().has(u64::MAX));
        assert!(!Share::percent(0.0).unwrap().has(0));
        let half = Share::percent(50.0).unwrap();
        assert_eq!((half.has(0x7fff_ffff), half.has(0x8000_0000)), (true, false));
        assert_eq!([-1.0, 100.1, f64::NAN].map(Share::percent), [None; 3]);
    }

    proptest! {
        #[test]
        fn each_service_gets_its_part(weights in prop::collection::vec(0_u32..100, 1..6), seed: u64) {
            let sum: u32 = weights.iter().sum();
            let split = Split::new(weights.iter().enumerate().map(|(at, weight)| (*weight, at)));
            prop_assert_eq!(split.is_none(), sum == 0);
            let Some(split) = split else { return Ok(()) };
            let random = Random::seeded(seed);
            let mut got = vec![0_u32; weights.len()];
            for _ in 0..4_000 {
                got[split.choose(random.next_u64())] += 1;
            }
            for (weight, got) in weights.iter().zip(got) {
                let part = f64::from(*weight) / f64::from(sum);
                // Five standard deviations.
                let slack = 5.0 * (4_000.0 * part * (1.0 - part)).sqrt();
                prop_assert!((f64::from(got) - 4_000.0 * part).abs() <= slack);
            }
        }
    }
}
