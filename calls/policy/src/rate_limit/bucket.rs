//! One bucket that many threads take from without a lock: the number of [`core`](super::core), and beside it in the
//! same word the name of the price that it is reckoned with, and one bit that says that calls wait, so that nobody
//! who comes later can overtake them.
//!
//! A new price is written into the next of a few slots before its name is. Whoever has read the word has therefore
//! read a number and a price that belong together, and takes only if neither has changed since. (A slot is used again
//! after as many changes as there are slots: a thread that slept through all of them and wakes to the same word would
//! pay the old price once.)

use super::core::{self, Price};
use crate::sync::{AtomicU64, Ordering};

/// Set while calls wait: what happens then happens under the lock of the line.
const SHUT: u64 = 1;
const SLOTS: u64 = 4;
const SLOT_AT: u32 = 1;
const TAT_AT: u32 = 3;
/// The name of the price within the word.
const NAME: u64 = (SLOTS - 1) << SLOT_AT;

const _: () = assert!(core::END == u64::MAX >> TAT_AT, "a number fits beside the rest");

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
    prices: [Slot; SLOTS as usize],
}

#[derive(Debug)]
struct Slot {
    interval: AtomicU64,
    tolerance: AtomicU64,
}

/// The bucket in the hands of whoever holds the lock of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) tat: u64,
    pub(super) price: Price,
    slot: u64,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(price: Price) -> Self {
        let slot =
            |_| Slot { interval: AtomicU64::new(price.interval), tolerance: AtomicU64::new(price.tolerance) };
        Self { state: AtomicU64::new(0), prices: std::array::from_fn(slot) }
    }

    #[inline]
    fn price(&self, state: u64) -> Price {
        let slot = &self.prices[((state & NAME) >> SLOT_AT) as usize];
        Price {
            interval: slot.interval.load(Ordering::Relaxed),
            tolerance: slot.tolerance.load(Ordering::Relaxed),
        }
    }

    /// When the bucket will be full, and at which price, as it is seen at this moment.
    pub(super) fn look(&self) -> (u64, Price) {
        let seen = self.state.load(Ordering::Acquire);
        (seen >> TAT_AT, self.price(seen))
    }

    /// Takes `cost` tokens at `now` if they are there and nobody waits.
    #[inline]
    pub(super) fn take(&self, cost: u64, now: u64) -> Taken {
        let mut seen = self.state.load(Ordering::Acquire);
        loop {
            if seen & SHUT != 0 {
                return Taken::Shut;
            }
            let price = self.price(seen);
            match core::take(seen >> TAT_AT, price, cost, now) {
                Ok(tat) => match self.exchange(seen, tat) {
                    Ok(()) => return Taken::Now,
                    Err(other) => seen = other,
                },
                Err(due) if price.can_ever(cost) => return Taken::Later(due),
                Err(_) => return Taken::Never,
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
            match self.exchange(seen, core::refund(seen >> TAT_AT, self.price(seen), cost)) {
                Ok(()) => return true,
                Err(other) => seen = other,
            }
        }
    }

    #[inline]
    fn exchange(&self, seen: u64, tat: u64) -> Result<(), u64> {
        let next = tat << TAT_AT | seen & NAME;
        self.state.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire).map(|_| ())
    }

    /// Shuts the bucket, so that only the holder of the line's lock, who calls this, changes it.
    pub(super) fn shut(&self) -> Held {
        let seen = self.state.fetch_or(SHUT, Ordering::AcqRel);
        Held { tat: seen >> TAT_AT, price: self.price(seen), slot: (seen & NAME) >> SLOT_AT }
    }

    /// Ends what [`shut`](Self::shut) began; the bucket stays shut while calls wait.
    pub(super) fn put(&self, held: Held, somebody_waits: bool) {
        let state = held.tat << TAT_AT | held.slot << SLOT_AT | u64::from(somebody_waits);
        self.state.store(state, Ordering::Release);
    }

    /// Changes the price of a bucket that is held; the tokens that are there stay.
    pub(super) fn reprice(&self, held: &mut Held, price: Price, now: u64) {
        if held.price == price {
            return;
        }
        held.tat = core::convert(held.tat, held.price, price, now);
        held.price = price;
        held.slot = (held.slot + 1) % SLOTS;
        let slot = &self.prices[held.slot as usize];
        slot.interval.store(price.interval, Ordering::Relaxed);
        slot.tolerance.store(price.tolerance, Ordering::Relaxed);
    }
}
