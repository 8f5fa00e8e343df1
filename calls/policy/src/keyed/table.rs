//! One part of a bounded map: its entries lie side by side, and a hand that goes round over them finds who can make
//! room.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use crate::limits::KEYED_SHRINK_MIN;

/// Whether an entry can make room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// It cannot.
    Busy,
    /// It can, but was asked for since the hand came by.
    Lately,
    /// It can.
    Long,
}

pub(crate) struct Table<K, V> {
    entries: HashTable<(K, V)>,
    max: usize,
    hand: usize,
}

impl<K: Hash + Eq, V> Table<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self { entries: HashTable::new(), max, hand: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that the entries take, without what keys point to.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.allocation_size()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= self.max
    }

    pub(crate) fn resize(&mut self, max: usize) {
        self.max = max;
    }

    #[inline]
    pub(crate) fn find<Q>(&mut self, hash: u64, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.entries.find_mut(hash, |(own, _)| own.borrow() == key).map(|(_, value)| value)
    }

    /// Inserts a key that is not there. The caller has seen that there is room.
    pub(crate) fn insert(&mut self, hash: u64, key: K, value: V, hasher: &impl BuildHasher) {
        self.entries.insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key));
    }

    pub(crate) fn remove<Q>(&mut self, hash: u64, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let found = self.entries.find_entry(hash, |(own, _)| own.borrow() == key).ok()?;
        Some(found.remove().0.1)
    }

    pub(crate) fn for_each(&mut self, mut look: impl FnMut(&K, &mut V)) {
        self.entries.iter_mut().for_each(|(key, value)| look(key, value));
    }

    /// Takes the hand over at most `steps` places and removes one entry: the first that has been idle for long, else
    /// one that is idle at all.
    pub(crate) fn evict(&mut self, steps: usize, mut idle: impl FnMut(&mut V) -> Idle) -> Option<V> {
        let mut second_best = None;
        for _ in 0..steps.min(self.entries.num_buckets()) {
            let place = self.advance();
            let Some((_, value)) = self.entries.get_bucket_mut(place) else { continue };
            match idle(value) {
                Idle::Busy => {}
                Idle::Lately => second_best = Some(place),
                Idle::Long => return self.remove_at(place),
            }
        }
        self.remove_at(second_best?)
    }

    /// Takes the hand over `steps` places and removes every entry that is idle: how many.
    pub(crate) fn sweep(
        &mut self,
        steps: usize,
        hasher: &impl BuildHasher,
        mut idle: impl FnMut(&mut V) -> bool,
    ) -> usize {
        let before = self.entries.len();
        for _ in 0..steps.min(self.entries.num_buckets()) {
            let place = self.advance();
            if self.entries.get_bucket_mut(place).is_some_and(|(_, value)| idle(value)) {
                self.remove_at(place);
            }
            if self.hand == 0 {
                self.shrink(hasher);
            }
        }
        before - self.entries.len()
    }

    fn advance(&mut self) -> usize {
        let place = self.hand;
        self.hand = if place + 1 < self.entries.num_buckets() { place + 1 } else { 0 };
        place
    }

    fn remove_at(&mut self, place: usize) -> Option<V> {
        Some(self.entries.get_bucket_entry(place).ok()?.remove().0.1)
    }

    /// Gives memory back after most keys have gone; the work is paid for by the round that went before.
    fn shrink(&mut self, hasher: &impl BuildHasher) {
        let len = self.entries.len();
        if self.entries.num_buckets() >= KEYED_SHRINK_MIN && self.entries.num_buckets() / 8 > len {
            self.entries.shrink_to(len * 2, |(key, _)| hasher.hash_one(key));
        }
    }
}
