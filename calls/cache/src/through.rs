//! A cache that knows its source: who reads through it never sees the source, who writes through it is answered when
//! the source has it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use equivalent::Equivalent;
use mamparo_context::{Context, Deadline};
use mamparo_policy::time::timeout_at;

use crate::cache::{Cache, Key, Value};
use crate::core::dirty::Change;
use crate::error::LoadError;
use crate::store::{Loader, Store};
use crate::sync::{Mutex, lock};

/// Reads through the cache. Clones share everything.
pub struct ReadThrough<K, V, L> {
    cache: Cache<K, V>,
    loader: Arc<L>,
}

impl<K, V, L> Clone for ReadThrough<K, V, L> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), loader: Arc::clone(&self.loader) }
    }
}

impl<K, V, L> std::fmt::Debug for ReadThrough<K, V, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadThrough").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl<K: Key, V: Value, L: Loader<K, V>> ReadThrough<K, V, L> {
    /// Reads what `cache` lacks with `loader`.
    pub fn new(cache: Cache<K, V>, loader: L) -> Self {
        Self { cache, loader: Arc::new(loader) }
    }

    /// The value of `key`, or that there is none. As [`Cache::get_or_load`], also in being cancel safe.
    ///
    /// # Errors
    /// Those of [`Cache::get_or_load`].
    pub async fn get<Q>(&self, cx: &Context, key: &Q) -> Result<Option<V>, LoadError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let (loader, own) = (Arc::clone(&self.loader), key.to_owned());
        self.cache.get_or_load(cx, key, move |cx| async move { loader.load(&cx, &own).await }).await
    }

    /// The cache, to be invalidated.
    pub fn cache(&self) -> &Cache<K, V> {
        &self.cache
    }
}

/// Why a write through the cache was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store did not take it, with the error that it gave. What is known of the key was invalidated.
    #[error("store failed: {0}")]
    Failed(#[source] crate::error::BoxError),
    /// The deadline passed first: nobody knows whether the store took it.
    #[error("the deadline passed while the store was being written")]
    Indeterminate,
}

/// Writes through the cache: the store first, then the cache. Clones share everything.
///
/// Two writes of a key at the same time are in the order in which the store takes them, which nobody else knows: the
/// cache then holds neither, and the next reader asks the store. So does it after a write that failed or was dropped.
pub struct WriteThrough<K, V, S> {
    cache: Cache<K, V>,
    store: Arc<S>,
    under_way: Arc<UnderWay<K>>,
}

impl<K, V, S> Clone for WriteThrough<K, V, S> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            store: Arc::clone(&self.store),
            under_way: Arc::clone(&self.under_way),
        }
    }
}

impl<K, V, S> std::fmt::Debug for WriteThrough<K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteThrough").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// The writes of each key that are under way, and whether one of them met another.
type UnderWay<K> = Mutex<HashMap<K, Writes>>;

#[derive(Default)]
struct Writes {
    count: usize,
    have_met: bool,
}

/// A write under way. However it ends, the cache holds nothing that the store may not have.
struct Write<'a, K: Key, V: Value> {
    key: &'a K,
    cache: &'a Cache<K, V>,
    under_way: &'a UnderWay<K>,
    written: Option<Option<V>>,
}

impl<'a, K: Key, V: Value> Write<'a, K, V> {
    fn begin(key: &'a K, cache: &'a Cache<K, V>, under_way: &'a UnderWay<K>) -> Self {
        let mut all = lock(under_way);
        let writes = all.entry(key.clone()).or_default();
        writes.count += 1;
        writes.have_met |= writes.count > 1;
        drop(all);
        Self { key, cache, under_way, written: None }
    }
}

impl<K: Key, V: Value> Drop for Write<'_, K, V> {
    fn drop(&mut self) {
        let mut all = lock(self.under_way);
        let mut have_met = false;
        if let Some(writes) = all.get_mut(self.key) {
            writes.count -= 1;
            have_met = writes.have_met;
            if writes.count == 0 {
                all.remove(self.key);
            }
        }
        // Under the lock: who begins to write now does not meet this one, and must come after it in the cache.
        match self.written.take() {
            Some(Some(value)) if !have_met => self.cache.insert(self.key.clone(), value),
            Some(None) if !have_met => self.cache.insert_absent(self.key.clone()),
            _ => self.cache.invalidate(self.key),
        }
    }
}

impl<K: Key, V: Value, S: Store<K, V>> WriteThrough<K, V, S> {
    /// Writes to `store` and keeps what was written in `cache`.
    pub fn new(cache: Cache<K, V>, store: S) -> Self {
        Self { cache, store: Arc::new(store), under_way: Arc::new(Mutex::new(HashMap::new())) }
    }

    /// Writes `value`. Dropped, nobody knows whether the store took it, and the cache holds nothing of the key.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn put(&self, cx: &Context, key: K, value: V) -> Result<(), WriteError> {
        self.write(cx, key, Some(value)).await
    }

    /// Removes the value of `key`. As [`put`](Self::put).
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn remove(&self, cx: &Context, key: K) -> Result<(), WriteError> {
        self.write(cx, key, None).await
    }

    async fn write(&self, cx: &Context, key: K, value: Option<V>) -> Result<(), WriteError> {
        let clock = self.cache.clock();
        let version = u64::try_from(clock.wall().as_micros()).unwrap_or(0);
        let change = [Change { key, value, version }];
        let mut write = Write::begin(&change[0].key, &self.cache, &self.under_way);
        let done = self.store.write(cx, &change);
        let done = match cx.deadline().map(Deadline::moment) {
            None => done.await,
            Some(until) => timeout_at(clock, until, done).await.map_err(|_| WriteError::Indeterminate)?,
        };
        done.map_err(|error| WriteError::Failed(error.into()))?;
        write.written = Some(change[0].value.clone());
        Ok(())
    }

    /// The cache, to be read.
    pub fn cache(&self) -> &Cache<K, V> {
        &self.cache
    }
}

impl<K: Key, V: Value, S: Store<K, V> + Loader<K, V>> WriteThrough<K, V, S> {
    /// The value of `key`, or that there is none. As [`Cache::get_or_load`].
    ///
    /// # Errors
    /// Those of [`Cache::get_or_load`].
    pub async fn get(&self, cx: &Context, key: &K) -> Result<Option<V>, LoadError> {
        let (store, own) = (Arc::clone(&self.store), key.clone());
        self.cache.get_or_load(cx, key, move |cx| async move { store.load(&cx, &own).await }).await
    }
}
