//! How far the store is behind, and what an end of the process would cost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Shared;
use crate::cache::{Key, Value};
use crate::sync::{Mutex, lock};

/// How far the store is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Keys whose value the store does not have.
    pub dirty: usize,
    /// Of them, those whose newest value the journal does not have, either: what an end of the process would lose.
    pub not_on_disk: usize,
    /// How long the oldest of them waits.
    pub oldest: Option<Duration>,
    /// Writes that were taken.
    pub taken: u64,
    /// Writes that were refused, for too much was dirty.
    pub refused: u64,
    /// Values that the store took; fewer than were taken, where writes of a key became one.
    pub written: u64,
    /// Batches that the store did not take.
    pub store_failures: u64,
    /// Batches that the journal did not take, and acknowledgements.
    pub journal_failures: u64,
    /// What the store or the journal said last when it failed.
    pub last_error: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    taken: AtomicU64,
    refused: AtomicU64,
    written: AtomicU64,
    store_failures: AtomicU64,
    journal_failures: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Counts {
    pub(super) fn taken(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn written(&self, count: usize) {
        self.written.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn store_failed(&self, error: String) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_error) = Some(error);
    }

    pub(super) fn journal_failed(&self, error: String) {
        self.journal_failures.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_error) = Some(error);
    }
}

impl<K: Key, V: Value, S> Shared<K, V, S> {
    pub(super) fn status(&self) -> Status {
        let now = self.now();
        let dirty = lock(&self.dirty);
        let (keys, not_on_disk, oldest) = (dirty.len(), dirty.not_on_disk(), dirty.oldest());
        drop(dirty);
        let counts = &self.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            dirty: keys,
            not_on_disk,
            oldest: oldest.map(|since| now.since(since)),
            taken: read(&counts.taken),
            refused: read(&counts.refused),
            written: read(&counts.written),
            store_failures: read(&counts.store_failures),
            journal_failures: read(&counts.journal_failures),
            last_error: lock(&counts.last_error).clone(),
        }
    }
}
