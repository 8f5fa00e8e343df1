//! Weighted round robin: whose turn is the next.

use crate::limits::ROTATION_TURNS_MAX;
use crate::lots::are_equal;

/// One round of turns. The turns of each endpoint are spread over it evenly, so that a heavy one does not get all of its
/// turns in a row; and the first turns of all are spread too, so that the light ones do not come in a row either. A turn
/// is then one atomic addition, where the usual smooth round robin looks at every endpoint under a lock.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    number: u64,
    /// Nothing when all weights are equal.
    turns: Box<[u16]>,
}

impl Rotation {
    /// The rotation for weights above 0. Weights that are whole numbers are honoured exactly, as long as a round has no
    /// more than [`ROTATION_TURNS_MAX`] turns.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let turns = if are_equal(weights) { Box::default() } else { turns(&whole(weights)) };
        Self { number: weights.len() as u64, turns }
    }

    /// Whose turn it is, counted from any number.
    #[inline]
    pub(crate) fn turn(&self, number: u64) -> usize {
        if self.turns.is_empty() {
            return usize::try_from(number % self.number.max(1)).unwrap_or(0);
        }
        let at = usize::try_from(number % self.turns.len() as u64).unwrap_or(0);
        self.turns.get(at).copied().unwrap_or(0).into()
    }
}

/// As many turns for each as its weight says, at least one, and few enough.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded and bounded")]
fn whole(weights: &[f64]) -> Vec<u64> {
    let total: f64 = weights.iter().sum();
    let are_whole = weights.iter().all(|weight| weight.fract() == 0.0);
    let divisor = if are_whole { weights.iter().map(|weight| *weight as u64).fold(0, gcd).max(1) } else { 1 };
    // What is not whole is reckoned to a hundredth of the mean.
    let finest = 100.0 * weights.len() as f64;
    let most = ROTATION_TURNS_MAX as f64;
    let wanted = if are_whole { total / divisor as f64 } else { finest };
    let scale = wanted.min(most) / total;
    weights.iter().map(|weight| ((weight * scale).round() as u64).max(1)).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn turns(weights: &[u64]) -> Box<[u16]> {
    /// The golden ratio, whose multiples lie most evenly between 0 and 1.
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let mut turns: Vec<(f64, u16)> = Vec::new();
    for (index, weight) in (0_u16..).zip(weights) {
        let first = (f64::from(index) * GOLDEN + 0.5).fract();
        turns.extend((0..*weight).map(|turn| ((turn as f64 + first) / *weight as f64, index)));
    }
    turns.sort_by(|(a, i), (b, j)| a.total_cmp(b).then(i.cmp(j)));
    turns.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(weights: &[f64], turns: u64) -> String {
        let rotation = Rotation::new(weights);
        (0..turns).map(|turn| char::from(b'a' + u8::try_from(rotation.turn(turn)).unwrap())).collect()
    }

    #[test]
    fn equals_take_turns_and_heavy_ones_do_not_take_theirs_in_a_row() {
        assert_eq!(round(&[4.0, 4.0, 4.0], 7), "abcabca");
        assert_eq!(round(&[5.0, 1.0, 1.0], 7), "abaaaca");
        assert_eq!(round(&[50.0, 10.0, 10.0], 7), "abaaaca");
        assert_eq!(round(&[5.0, 1.0, 1.0, 1.0, 1.0, 1.0], 10), "abadafacae");
        assert_eq!(round(&[0.1, 0.2], 6).matches('b').count(), 4);
        assert_eq!(round(&[3.0], 3), "aaa");
    }

    #[test]
    fn a_round_is_bounded_and_has_everybody_in_it() {
        let mut weights = vec![1.0; 1_000];
        weights[0] = 1_000_000.0;
        let rotation = Rotation::new(&weights);
        assert!(rotation.turns.len() <= ROTATION_TURNS_MAX + weights.len());
        assert!((0..1_000).all(|index| rotation.turns.contains(&index)));
    }

    proptest! {
        #[test]
        fn a_round_is_exact_and_every_part_of_it_is_nearly_so(
            weights in prop::collection::vec(1_u32..50, 1..17),
        ) {
            let floats: Vec<f64> = weights.iter().copied().map(f64::from).collect();
            let rotation = Rotation::new(&floats);
            let total: u32 = weights.iter().sum();
            let mut seen = vec![0_u32; weights.len()];
            for turn in 0..total {
                seen[rotation.turn(turn.into())] += 1;
                for (index, (seen, weight)) in seen.iter().zip(&floats).enumerate() {
                    let ideal = f64::from(turn + 1) * weight / f64::from(total);
                    prop_assert!((f64::from(*seen) - ideal).abs() < 3.0, "{index} {seen} {ideal}");
                }
            }
            prop_assert_eq!(seen, weights);
        }
    }
}
