//! Decides who loads and who waits: one load of a key at a time, and what an invalidation or a write overtakes is
//! not stored. The epoch of a key is the number of its flight.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// The number of a load. No two loads of one table have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId(u64);

/// What a caller who misses a key is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<W> {
    /// Load, under this number, and wait as this waiter.
    Leads(FlightId, W),
    /// Wait: somebody loads already.
    Follows(W),
}

/// The loads that are under way, by key, each with a handle `F` at which callers wait.
#[derive(Debug)]
pub struct Flights<K, F, S> {
    by_key: HashMap<K, (FlightId, F), S>,
    last: u64,
}

impl<K: Eq + Hash, F, S: BuildHasher> Flights<K, F, S> {
    /// No loads.
    pub fn new(hasher: S) -> Self {
        Self { by_key: HashMap::with_hasher(hasher), last: 0 }
    }

    /// How many loads are under way that were not overtaken.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// A caller misses `key`. `wait` makes a waiter at a flight, unless that has been given up; `launch` makes a
    /// new flight and its first waiter.
    pub fn join<W>(
        &mut self,
        key: K,
        wait: impl FnOnce(&F) -> Option<W>,
        launch: impl FnOnce() -> (F, W),
    ) -> Joined<W> {
        if let Some(waiter) = self.by_key.get(&key).and_then(|(_, flight)| wait(flight)) {
            return Joined::Follows(waiter);
        }
        self.last += 1;
        let (flight, waiter) = launch();
        self.by_key.insert(key, (FlightId(self.last), flight));
        Joined::Leads(FlightId(self.last), waiter)
    }

    /// A load has ended, however it did. Says whether what it found may be stored: it may not if the key was
    /// written or invalidated since.
    #[must_use]
    pub fn land(&mut self, key: &K, id: FlightId) -> bool {
        let is_current = self.holds(key, id);
        if is_current {
            self.by_key.remove(key);
        }
        is_current
    }

    /// Whether the load of this number is under way and was not overtaken.
    pub fn holds(&self, key: &K, id: FlightId) -> bool {
        self.by_key.get(key).is_some_and(|(own, _)| *own == id)
    }

    /// The key was written or invalidated: the load under way goes to those who wait for it already, and is not
    /// stored; who comes from now on loads anew. Says whether there was one.
    pub fn overtake(&mut self, key: &K) -> bool {
        self.by_key.remove(key).is_some()
    }

    /// As [`overtake`](Self::overtake), for every key that `applies`; says how many.
    pub fn overtake_if(&mut self, applies: impl Fn(&K) -> bool) -> usize {
        let before = self.by_key.len();
        self.by_key.retain(|key, _| !applies(key));
        before - self.by_key.len()
    }

    /// As [`overtake`](Self::overtake), for every key; says how many.
    pub fn overtake_all(&mut self) -> usize {
        let count = self.by_key.len();
        self.by_key.clear();
        count
    }
}

#[cfg(test)]
mod tests;
