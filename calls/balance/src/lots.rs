//! Draws of one or two endpoints in proportion to their weights, in constant time and out of one random number.

/// Draws in proportion to weights by the alias method: M. D. Vose, "A linear algorithm for generating random numbers
/// with a given distribution", IEEE Transactions on Software Engineering 17 (1991).
#[derive(Clone, Debug)]
pub(crate) struct Lots {
    number: u32,
    /// Nothing when all weights are equal.
    columns: Box<[Column]>,
}

/// One of as many columns as there are endpoints, all of the same height: below the threshold it is its own, above it
/// belongs to another.
#[derive(Clone, Copy, Debug)]
struct Column {
    threshold: u32,
    other: u32,
}

impl Lots {
    /// Lots for weights above 0.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let number = u32::try_from(weights.len()).unwrap_or(u32::MAX);
        let columns = if are_equal(weights) { Box::default() } else { columns(weights) };
        Self { number, columns }
    }

    /// One in proportion to the weights.
    #[inline]
    pub(crate) fn one(&self, random: u64) -> usize {
        self.draw(high(random))
    }

    /// Two. Where all weights are equal they are not the same one, if there are two: the classic power of two choices.
    /// Where the weights differ they may be: of two that were drawn apart, and are equally loaded, the lighter would be
    /// taken too often.
    #[inline]
    pub(crate) fn two(&self, random: u64) -> (usize, usize) {
        if !self.columns.is_empty() || self.number < 2 {
            return (self.draw(high(random)), self.draw(low(random)));
        }
        let (a, _) = split(high(random), self.number);
        let (b, _) = split(low(random), self.number - 1);
        (a as usize, (b + u32::from(b >= a)) as usize)
    }

    #[inline]
    fn draw(&self, random: u32) -> usize {
        let (index, rest) = split(random, self.number);
        match self.columns.get(index as usize) {
            Some(column) if rest >= column.threshold => column.other as usize,
            _ => index as usize,
        }
    }
}

pub(crate) fn are_equal(weights: &[f64]) -> bool {
    weights.windows(2).all(|pair| pair.first() == pair.last())
}

/// A number in `0..bound`, and what is left of the randomness (D. Lemire, "Fast random integer generation in an
/// interval", 2019, without the correction: the bounds are small beside 2^32).
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a product")]
fn split(random: u32, bound: u32) -> (u32, u32) {
    let product = u64::from(random) * u64::from(bound);
    ((product >> 32) as u32, product as u32)
}

fn high(random: u64) -> u32 {
    (random >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
fn low(random: u64) -> u32 {
    random as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of 2^32, and few endpoints"
)]
fn columns(weights: &[f64]) -> Box<[Column]> {
    let total: f64 = weights.iter().sum();
    let number = weights.len() as f64;
    let mut heights: Vec<f64> = weights.iter().map(|weight| weight * number / total).collect();
    let whole = |index: usize| Column { threshold: u32::MAX, other: index as u32 };
    let mut columns: Vec<Column> = (0..weights.len()).map(whole).collect();
    let (mut short, mut tall): (Vec<usize>, Vec<usize>) =
        (0..weights.len()).partition(|index| heights.get(*index).is_some_and(|height| *height < 1.0));
    while let (Some(&of), Some(&from)) = (short.last(), tall.last()) {
        short.pop();
        let Some(&height) = heights.get(of) else { continue };
        if let Some(column) = columns.get_mut(of) {
            *column = Column { threshold: (height * 4_294_967_296.0) as u32, other: from as u32 };
        }
        let Some(rest) = heights.get_mut(from) else { continue };
        *rest -= 1.0 - height;
        if *rest < 1.0 {
            tall.pop();
            short.push(from);
        }
    }
    columns.into()
}

#[cfg(test)]
mod tests {
    use mamparo_context::Random;
    use proptest::prelude::*;

    use super::*;

    const DRAWS: u32 = 50_000;

    #[test]
    fn two_of_equals_are_never_the_same() {
        let random = Random::seeded(1);
        for number in 2..6 {
            let lots = Lots::new(&vec![7.0; number]);
            let mut seen = vec![0_u32; number * number];
            for _ in 0..DRAWS {
                let (a, b) = lots.two(random.next_u64());
                seen[a * number + b] += 1;
            }
            let expected = f64::from(DRAWS) / (number * (number - 1)) as f64;
            for (pair, seen) in seen.into_iter().enumerate() {
                let is_twin = pair / number == pair % number;
                let share = f64::from(seen) / expected;
                assert!(
                    if is_twin { seen == 0 } else { (0.9..1.1).contains(&share) },
                    "{number} {pair} {share}"
                );
            }
        }
        assert_eq!(Lots::new(&[3.0]).two(u64::MAX), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn draws_are_in_proportion(weights in prop::collection::vec(1_u32..100, 1..20), seed in any::<u64>()) {
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            let (lots, random) = (Lots::new(&weights), Random::seeded(seed));
            let mut drawn = vec![0_u32; weights.len()];
            for _ in 0..DRAWS {
                drawn[lots.one(random.next_u64())] += 1;
            }
            let total: f64 = weights.iter().sum();
            for (weight, drawn) in weights.iter().zip(drawn) {
                let expected = f64::from(DRAWS) * weight / total;
                // Six deviations of a binomial distribution.
                prop_assert!((f64::from(drawn) - expected).abs() <= 6.0 * expected.sqrt() + 3.0);
            }
        }
    }
}
