//! A value that its caller reads from the source by itself: what is invalidated by a tag meanwhile wins over it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Cache, Inner, Key, Value};
use crate::options::EntryOptions;
use crate::sync::lock;

/// A read from the source that a caller has begun by itself, without [`get_or_load`](Cache::get_or_load): because it
/// streams, say. Dropped, it leaves nothing.
///
/// What it stores bears the epoch of its beginning, so that a tag that was invalidated since then reaches it. Which
/// reads of one key are overtaken by a write or by an invalidation of the key is for the caller to know.
#[must_use = "what is invalidated after it was begun is what it looks at"]
pub struct Reading<K: Key, V: Value> {
    inner: Arc<Inner<K, V>>,
    epoch: u64,
}

impl<K: Key, V: Value> Cache<K, V> {
    /// A read from the source begins.
    pub fn reading(&self) -> Reading<K, V> {
        // Counted before the epoch is read: a tag that is invalidated after that is remembered.
        self.inner.loading.fetch_add(1, Ordering::SeqCst);
        Reading { epoch: self.inner.epoch.load(Ordering::SeqCst), inner: Arc::clone(&self.inner) }
    }
}

impl<K: Key, V: Value> Reading<K, V> {
    /// Stores what was read.
    pub fn insert_with(self, key: K, value: V, options: &EntryOptions) {
        let inner = &*self.inner;
        let slot = inner.slot(&key, Some(value), options, self.epoch, Duration::ZERO);
        let mut flights = lock(inner.table(&key));
        flights.overtake(&key);
        let leavings = inner.put(key, slot);
        drop(flights);
        drop(leavings);
    }
}

impl<K: Key, V: Value> Drop for Reading<K, V> {
    fn drop(&mut self) {
        self.inner.loading.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<K: Key, V: Value> std::fmt::Debug for Reading<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
