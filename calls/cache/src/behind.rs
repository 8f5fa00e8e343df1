//! Writes behind the cache: who writes is answered when the value is in memory, in the journal or in the store, as he
//! asks; the store gets it a little later, and less often.
//!
//! Every value goes to the journal first, whatever level its writer asked for: the level only says what an answer
//! waits for. So the journal never holds a value that is older than what the store has.

mod builder;
mod journaling;
mod status;
mod writing;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mamparo_context::{Clock, Context, Deadline, Moment, Random};
use mamparo_policy::time::timeout_at;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot, watch};

pub use builder::{OpenError, WriteBehindBuilder, WriteBehindOptions};
pub use status::Status;

use crate::cache::{Cache, Key, Value};
use crate::codec::Codec;
use crate::core::dirty::{Dirty, Full};
use crate::error::{BoxError, LoadError};
use crate::journal::{Journal, Record};
use crate::store::{Loader, Store};
use crate::sync::{Mutex, lock};
use status::Counts;

/// What the answer to a write waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledge {
    /// The value is in this process: its end takes the value with it, unless the journal has it by then.
    Memory,
    /// The value is in the journal, on disk.
    #[default]
    Journal,
    /// The store has it.
    Store,
}

/// Why a write was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// As many keys are dirty as may be. Nothing was done.
    #[error("too much is dirty, try again after {retry_after:?}")]
    Full {
        /// When there may be room.
        retry_after: Duration,
    },
    /// It cannot be written down for the journal. Nothing was done.
    #[error("cannot be written down: {0}")]
    Encode(#[source] BoxError),
    /// The value was taken, and will be written unless the process ends; the deadline passed before the level that was
    /// asked for was reached.
    #[error("the deadline passed before the write was acknowledged")]
    Indeterminate,
    /// It is being closed. Nothing was done.
    #[error("closed")]
    Closed,
}

/// Not everything was written in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left} keys were not written, {lost} of them are not in the journal")]
pub struct CloseError {
    /// Keys that the store does not have.
    pub left: usize,
    /// Of them, those that the journal does not have, either.
    pub lost: usize,
}

/// What waits to be put into the journal.
struct Taken<K, V> {
    key: K,
    value: Option<V>,
    record: Record,
    /// Who waits, until which level is reached.
    answer: Option<(Acknowledge, oneshot::Sender<()>)>,
}

/// Who waits until the store has a version of a key or a newer one.
type StoreWaiters<K> = Mutex<HashMap<K, Vec<(u64, oneshot::Sender<()>)>>>;

struct Shared<K: Key, V: Value, S> {
    cache: Cache<K, V>,
    store: Arc<S>,
    journal: Option<Arc<dyn Journal>>,
    codec: Box<dyn Codec<(K, Option<V>)>>,
    options: WriteBehindOptions,
    clock: Clock,
    random: Random,
    dirty: Mutex<Dirty<K, V>>,
    waiters: StoreWaiters<K>,
    /// There may be something to write.
    work: Notify,
    /// How many keys are dirty, for those who wait for a change.
    left: watch::Sender<usize>,
    is_closing: AtomicBool,
    counts: Counts,
}

/// Writes behind the cache. Clones share everything. When the last is dropped without [`close`](Self::close), what is
/// dirty stays in the journal, and is written when that is opened again; what no journal holds is gone.
pub struct WriteBehind<K: Key, V: Value, S> {
    shared: Arc<Shared<K, V, S>>,
    taken: mpsc::Sender<Taken<K, V>>,
}

impl<K: Key, V: Value, S> Clone for WriteBehind<K, V, S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), taken: self.taken.clone() }
    }
}

impl<K: Key, V: Value, S> std::fmt::Debug for WriteBehind<K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteBehind").field("cache", &self.shared.cache).finish_non_exhaustive()
    }
}

impl<K: Key, V: Value, S: Store<K, V>> WriteBehind<K, V, S> {
    /// Writes to `store`, behind `cache`.
    pub fn builder(cache: Cache<K, V>, store: S) -> WriteBehindBuilder<K, V, S> {
        WriteBehindBuilder::new(cache, store)
    }

    /// Writes `value`; answered at the level that the options say.
    ///
    /// Dropped, it was taken and will be written, or it was not: nobody knows.
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn put(&self, cx: &Context, key: K, value: V) -> Result<(), PutError> {
        self.write(cx, key, Some(value), self.shared.options.acknowledge).await
    }

    /// Removes the value of `key`; otherwise as [`put`](Self::put).
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn remove(&self, cx: &Context, key: K) -> Result<(), PutError> {
        self.write(cx, key, None, self.shared.options.acknowledge).await
    }

    /// Writes `value`, or that there is none; answered at this `level`. Without a journal, or where it fails, the
    /// store is waited for instead of the journal, which is more.
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn write(
        &self,
        cx: &Context,
        key: K,
        value: Option<V>,
        level: Acknowledge,
    ) -> Result<(), PutError> {
        let Some(reached) = self.take(key, value, level)? else { return Ok(()) };
        let reached = match cx.deadline().map(Deadline::moment) {
            None => reached.await.ok(),
            Some(until) => timeout_at(self.cache().clock(), until, reached).await.ok().and_then(Result::ok),
        };
        reached.ok_or(PutError::Indeterminate)
    }

    /// Takes a value, and sends it on its way. Says when the level is reached, unless it is already.
    fn take(
        &self,
        key: K,
        value: Option<V>,
        level: Acknowledge,
    ) -> Result<Option<oneshot::Receiver<()>>, PutError> {
        let shared = &*self.shared;
        let full = |full: Full| {
            shared.counts.refused();
            PutError::Full { retry_after: full.retry_after }
        };
        let pair = (key, value);
        let payload = match &shared.journal {
            Some(_) => shared.codec.encode(&pair).map_err(PutError::Encode)?,
            None => Vec::new(),
        };
        let (key, value) = pair;
        let busy = Full { retry_after: shared.options.linger.max(Duration::from_millis(1)) };
        let place = self.taken.try_reserve().map_err(|_| full(busy))?;
        let (answer, reached) = oneshot::channel();
        let mut dirty = lock(&shared.dirty);
        if shared.is_closing.load(Ordering::Acquire) {
            return Err(PutError::Closed);
        }
        let floor = u64::try_from(shared.clock.wall().as_micros()).unwrap_or(0);
        let version = dirty.put(&key, value.clone(), floor, shared.clock.moment()).map_err(full)?;
        // Under the lock: the journal and the cache take the values of a key in the order of their versions.
        match &value {
            Some(value) => shared.cache.insert(key.clone(), value.clone()),
            None => shared.cache.insert_absent(key.clone()),
        }
        let waits = level > Acknowledge::Memory;
        let answer = waits.then_some((level, answer));
        place.send(Taken { key, value, record: Record { id: version, payload: payload.into() }, answer });
        shared.left.send_replace(dirty.len());
        drop(dirty);
        shared.counts.taken();
        Ok(waits.then_some(reached))
    }

    /// What was written last, from the cache or from what the store does not have yet; `None` if neither knows.
    pub fn known(&self, key: &K) -> Option<Option<V>> {
        let shared = &*self.shared;
        if let Some(value) = shared.cache.get(key) {
            return Some(Some(value));
        }
        lock(&shared.dirty).get(key).cloned()
    }

    /// How far the store is behind.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The cache before it.
    pub fn cache(&self) -> &Cache<K, V> {
        &self.shared.cache
    }

    /// Takes nothing more, and writes everything until the deadline of `cx`, without lingering. Safe to be dropped and
    /// called again.
    ///
    /// # Errors
    /// Not everything was written; what is in the journal is written when it is opened again.
    pub async fn close(&self, cx: &Context) -> Result<(), CloseError> {
        let shared = &*self.shared;
        shared.is_closing.store(true, Ordering::Release);
        let mut left = shared.left.subscribe();
        // Who is inside of `write` is through with it once the lock is ours.
        let count = lock(&shared.dirty).len();
        shared.left.send_replace(count);
        shared.work.notify_one();
        let empty = left.wait_for(|left| *left == 0);
        let ended = match cx.deadline().map(Deadline::moment) {
            None => empty.await.is_ok(),
            Some(until) => matches!(timeout_at(&shared.clock, until, empty).await, Ok(Ok(_))),
        };
        if ended {
            return Ok(());
        }
        let dirty = lock(&shared.dirty);
        Err(CloseError { left: dirty.len(), lost: dirty.not_on_disk() })
    }
}

impl<K: Key, V: Value, S: Store<K, V> + Loader<K, V>> WriteBehind<K, V, S> {
    /// The value of `key`, or that there is none: from the cache, from what the store does not have yet, or loaded.
    ///
    /// # Errors
    /// Those of [`Cache::get_or_load`].
    pub async fn get(&self, cx: &Context, key: &K) -> Result<Option<V>, LoadError> {
        let (shared, own) = (Arc::clone(&self.shared), key.clone());
        // A write that comes while the store is read overtakes the load, as every write does.
        let load = move |cx: Context| async move {
            let known = lock(&shared.dirty).get(&own).cloned();
            match known {
                Some(value) => Ok(value.into()),
                None => shared.store.load(&cx, &own).await,
            }
        };
        self.shared.cache.get_or_load(cx, key, load).await
    }
}

impl<K: Key, V: Value, S> Shared<K, V, S> {
    fn now(&self) -> Moment {
        self.clock.moment()
    }
}
