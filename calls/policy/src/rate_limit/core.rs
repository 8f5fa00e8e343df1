//! Decides whether a bucket has enough tokens, and when it will: GCRA in whole numbers.
//!
//! A bucket is one number, its *theoretical arrival time*: the moment at which it will be full again. A call moves
//! that moment on by the interval between two tokens, times its cost, and may go as long as the moment does not lie
//! further ahead than a whole burst takes. Time is counted in quarters of a nanosecond, and an interval is rounded
//! up to the next of them: a quota is never exceeded in the long run, and a million tokens a second lose less than
//! 0.025 %. The numbers end after 18 years of one process; all arithmetic saturates there.

mod convert;
#[cfg(test)]
mod tests;

use std::time::Duration;

use mamparo_context::Moment;

pub(crate) use convert::convert;

/// How finely time is counted.
const TICKS_PER_NANO: u64 = 4;

/// The last moment there is: three bits are left for whoever keeps the number.
pub(crate) const END: u64 = u64::MAX >> 3;

/// A moment in ticks.
#[inline]
pub(crate) fn ticks(at: Moment) -> u64 {
    at.as_nanos().saturating_mul(TICKS_PER_NANO).min(END)
}

/// The first moment that is not before `ticks`.
pub(crate) fn moment(ticks: u64) -> Moment {
    Moment::from_nanos(ticks.div_ceil(TICKS_PER_NANO))
}

/// How long `ticks` take, rounded up.
pub(crate) fn span(ticks: u64) -> Duration {
    Duration::from_nanos(ticks.div_ceil(TICKS_PER_NANO))
}

/// What a token costs in time, and how much of it may be spent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// Ticks from one token to the next.
    pub(crate) interval: u64,
    /// Ticks that a whole burst takes; 0 for a leaky bucket, which spaces calls and knows no burst.
    pub(crate) tolerance: u64,
}

impl Price {
    /// `rate` tokens in each `per`, and `burst` of them at once; no burst is a leaky bucket. `rate` is at least 1.
    pub(crate) fn new(rate: u32, per: Duration, burst: u32) -> Self {
        let ticks = per.as_nanos().saturating_mul(u128::from(TICKS_PER_NANO));
        let interval = ticks.div_ceil(u128::from(rate.max(1)));
        let interval = u64::try_from(interval).unwrap_or(END).clamp(1, END);
        Self { interval, tolerance: interval.saturating_mul(u64::from(burst)).min(END) }
    }

    /// How far `cost` tokens move the bucket.
    #[inline]
    pub(crate) fn charge(self, cost: u64) -> u64 {
        self.interval.saturating_mul(cost).min(END)
    }

    /// How much of the burst must be there: all of the charge, or nothing where calls are only spaced.
    #[inline]
    fn need(self, charge: u64) -> u64 {
        if self.tolerance == 0 { 0 } else { charge }
    }

    /// Whether a call of this cost can ever go.
    #[inline]
    pub(crate) fn can_ever(self, cost: u64) -> bool {
        self.need(self.charge(cost)) <= self.tolerance
    }
}

/// Takes `cost` tokens at `now`: the bucket afterwards, or else the tick at which they will be there. A `now` that
/// lies before another call's is no matter: time goes on in the bucket.
#[inline]
pub(crate) fn take(tat: u64, price: Price, cost: u64, now: u64) -> Result<u64, u64> {
    // All of these are at most `END`, an eighth of what the type holds: their sums do not overflow.
    let start = tat.max(now);
    let charge = price.charge(cost);
    let filled = start + price.need(charge);
    if filled - now <= price.tolerance {
        Ok((start + charge).min(END))
    } else {
        Err(filled.saturating_sub(price.tolerance))
    }
}

/// When a call of `cost` can go that stands behind calls of `ahead` in all, where the first of them must wait.
pub(crate) fn due(tat: u64, price: Price, ahead: u64, cost: u64) -> u64 {
    let own = price.need(price.charge(cost));
    let filled = tat.saturating_add(price.charge(ahead)).saturating_add(own);
    filled.saturating_sub(price.tolerance).min(END)
}

/// Puts `cost` tokens back. A bucket does not hold more than its burst, whatever is put back.
#[inline]
pub(crate) fn refund(tat: u64, price: Price, cost: u64) -> u64 {
    tat.saturating_sub(price.charge(cost))
}

/// How many tokens there are at `now`. A leaky bucket has one or none.
pub(crate) fn available(tat: u64, price: Price, now: u64) -> u64 {
    let ahead = tat.saturating_sub(now);
    match price.tolerance {
        0 => u64::from(ahead == 0),
        tolerance => tolerance.saturating_sub(ahead) / price.interval,
    }
}
