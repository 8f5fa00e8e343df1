//! Decides what a bucket is worth under another quota: the tokens that are there stay.

use super::{END, Price};

/// The bucket under `to` that has as many tokens at `now` as `tat` has under `from`, parts of a token included, but
/// no more than `to` can hold.
pub(crate) fn convert(tat: u64, from: Price, to: Price, now: u64) -> u64 {
    if from == to {
        return tat;
    }
    let ahead = i128::from(tat.saturating_sub(now));
    let there = i128::from(from.tolerance) - ahead;
    // Tokens, in ticks of the new price; rounded down, so that a change never makes any.
    let worth = (there * i128::from(to.interval)).div_euclid(i128::from(from.interval));
    let ahead = (i128::from(to.tolerance) - worth).clamp(0, i128::from(END));
    now.saturating_add(u64::try_from(ahead).unwrap_or(END)).min(END)
}
