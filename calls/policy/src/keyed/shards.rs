//! Decides which part of a map a key belongs to: threads that ask for different keys rarely meet at a lock.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::limits::{KEYED_SHARD_MIN, KEYED_SHARDS_MAX};
use crate::sync::{Mutex, MutexGuard, lock};

/// Parts of a map, each under a lock of its own. The hash is keyed anew for each map, so that nobody can choose keys
/// that meet.
pub(crate) struct Shards<T> {
    shards: Box<[Mutex<T>]>,
    hasher: RandomState,
}

impl<T> Shards<T> {
    /// Parts for `max` entries in all; `make` makes one for as many as it is told.
    pub(crate) fn new(max: usize, make: impl Fn(usize) -> T) -> Self {
        let max = max.max(1);
        let count = (max / KEYED_SHARD_MIN).next_power_of_two().clamp(1, KEYED_SHARDS_MAX);
        let share = |shard| max / count + usize::from(shard < max % count);
        let shards = (0..count).map(|shard| Mutex::new(make(share(shard)))).collect();
        Self { shards, hasher: RandomState::new() }
    }

    #[inline]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(crate) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// The part in which keys of this hash are. The tables use the lowest and the highest bits; these are others.
    #[inline]
    pub(crate) fn lock(&self, hash: u64) -> MutexGuard<'_, T> {
        lock(&self.shards[(hash >> 40) as usize & (self.shards.len() - 1)])
    }

    pub(crate) fn count(&self) -> usize {
        self.shards.len()
    }

    /// Every part, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.shards.iter().map(lock)
    }
}
