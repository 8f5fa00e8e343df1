//! One bucket that many threads take from without a lock: the number of [`core`](super::core), and beside it one bit
//! that says that calls wait, so that nobody who comes later can overtake them.

use super::core::{self, Price};
use crate::sync::{AtomicU64, Ordering};

/// Set while calls wait or the quota changes: what happens then happens under the lock of the line.
const SHUT: u64 = 1;

/// What came of an attempt to take without a lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The tokens are taken.
    Now,
    /// They will be there at this tick.
    Later(u64),
    /// There will never be as many.
    Never,
    /// Ask under the lock.
    Shut,
}

#[derive(Debug)]
pub(super) struct Bucket {
    state: AtomicU64,
    interval: AtomicU64,
    tolerance: AtomicU64,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(price: Price) -> Self {
        Self {
            state: AtomicU64::new(0),
            interval: AtomicU64::new(price.interval),
            tolerance: AtomicU64::new(price.tolerance),
        }
    }

    /// The price. Who sees halves of two prices finds afterwards that the number has changed, because a change shuts
    /// the bucket before it begins: what follows from a price counts only if the number is still the same.
    #[inline]
    pub(super) fn price(&self) -> Price {
        Price {
            interval: self.interval.load(Ordering::Acquire),
            tolerance: self.tolerance.load(Ordering::Acquire),
        }
    }

    /// When the bucket will be full, and at which price, as it is seen at this moment.
    pub(super) fn look(&self) -> (u64, Price) {
        let mut seen = self.state.load(Ordering::Acquire);
        loop {
            let price = self.price();
            match self.state.load(Ordering::Acquire) {
                same if same == seen => return (seen >> 1, price),
                other => seen = other,
            }
        }
    }

    /// Takes `cost` tokens at `now` if they are there and nobody waits.
    #[inline]
    pub(super) fn take(&self, cost: u64, now: u64) -> Taken {
        let mut seen = self.state.load(Ordering::Acquire);
        loop {
            if seen & SHUT != 0 {
                return Taken::Shut;
            }
            let price = self.price();
            match core::take(seen >> 1, price, cost, now) {
                Ok(after) => match self.exchange(seen, after << 1) {
                    Ok(()) => return Taken::Now,
                    Err(other) => seen = other,
                },
                Err(due) => match self.state.load(Ordering::Acquire) {
                    same if same == seen && price.can_ever(cost) => return Taken::Later(due),
                    same if same == seen => return Taken::Never,
                    other => seen = other,
                },
            }
        }
    }

    /// Puts `cost` tokens back; `false` if that must be done under the lock.
    pub(super) fn refund(&self, cost: u64) -> bool {
        let mut seen = self.state.load(Ordering::Acquire);
        loop {
            if seen & SHUT != 0 {
                return false;
            }
            match self.exchange(seen, core::refund(seen >> 1, self.price(), cost) << 1) {
                Ok(()) => return true,
                Err(other) => seen = other,
            }
        }
    }

    #[inline]
    fn exchange(&self, seen: u64, next: u64) -> Result<(), u64> {
        self.state.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire).map(|_| ())
    }

    /// Shuts the bucket, so that only the holder of the line's lock changes it: what is in it.
    pub(super) fn shut(&self) -> u64 {
        self.state.fetch_or(SHUT, Ordering::AcqRel) >> 1
    }

    /// Ends what [`shut`](Self::shut) began; the bucket stays shut while calls wait.
    pub(super) fn put(&self, tat: u64, somebody_waits: bool) {
        self.state.store(tat << 1 | u64::from(somebody_waits), Ordering::Release);
    }

    /// Changes the price of a bucket that is shut and whose number was `before`: what is in it now. It is another
    /// number, so that a call that reckoned with the old price finds out.
    pub(super) fn reprice(&self, before: u64, price: Price, now: u64) -> u64 {
        let old = self.price();
        if old == price {
            return before;
        }
        let after = core::convert(before, old, price, now);
        self.interval.store(price.interval, Ordering::Release);
        self.tolerance.store(price.tolerance, Ordering::Release);
        if after == before { after.saturating_add(1).min(core::END) } else { after }
    }
}
