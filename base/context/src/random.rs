//! Randomness that a seed can repeat, and the ids that are drawn from it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::Clock;

/// A source of randomness for jitter, sampling and ids; not for secrets. Cheap to clone; clones share the
/// sequence.
#[derive(Clone, Debug)]
pub struct Random(Arc<Mutex<fastrand::Rng>>);

impl Random {
    /// Seeded by the machine.
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::new())))
    }

    /// The sequence that belongs to `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    fn draw<T>(&self, from: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        from(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Any number.
    pub fn next_u64(&self) -> u64 {
        self.draw(|rng| rng.u64(..))
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw(|rng| rng.u64(..bound)) }
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&self) -> f64 {
        self.draw(fastrand::Rng::f64)
    }

    /// A time in `0..=bound`: the "full jitter" of a backoff.
    pub fn jitter(&self, bound: Duration) -> Duration {
        bound.mul_f64(self.unit())
    }
}

/// Ids that sort by the time they were made (UUID version 7).
#[derive(Clone, Debug)]
pub struct Ids {
    clock: Clock,
    random: Random,
}

impl Ids {
    /// Ids from this clock and this randomness.
    pub fn new(clock: Clock, random: Random) -> Self {
        Self { clock, random }
    }

    /// Ids from the clock and the randomness of the machine.
    pub fn system() -> Self {
        Self::new(Clock::system(), Random::system())
    }

    /// A new id.
    pub fn next(&self) -> Uuid {
        let millis = u64::try_from(self.clock.wall().as_millis()).unwrap_or(0);
        let mut tail = [0; 16];
        tail[..8].copy_from_slice(&self.random.next_u64().to_le_bytes());
        tail[8..].copy_from_slice(&self.random.next_u64().to_le_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, tail[..10].first_chunk().unwrap_or(&[0; 10]))
            .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_sequence() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_eq!(a.below(0), 0);
        assert!((0..100).all(|_| a.below(3) < 3));
    }

    #[test]
    fn ids_are_distinct_and_sort_by_time() {
        let (clock, manual) = Clock::manual();
        let ids = Ids::new(clock, Random::seeded(1));
        let first = ids.next();
        assert_ne!(first, ids.next());
        manual.advance(Duration::from_millis(1));
        assert!(first < ids.next());
    }
}
