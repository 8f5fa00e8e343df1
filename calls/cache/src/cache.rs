//! The first level, in this process: what a reader gets at once, what is written, and what an invalidation reaches.

mod builder;
mod load;
mod reading;
mod suspicion;

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use equivalent::Equivalent;
use mamparo_context::{Clock, Moment, Random};
use quick_cache::DefaultHashBuilder;

pub use builder::Builder;
pub use load::Loaded;
pub use reading::Reading;
use suspicion::Suspicions;

use crate::core::entry::{Freshness, Rules};
use crate::core::flights::Flights;
use crate::error::LoadError;
use crate::flight::Flight;
use crate::metrics::{CacheMetrics, Counters, Metrics, Read};
use crate::options::{CacheOptions, EntryOptions};
use crate::storage::{Extras, Slot, Storage};
use crate::sync::{Mutex, lock};
use crate::tags::Tags;

/// What can be a key.
pub trait Key: Eq + Hash + Clone + Send + Sync + 'static {}
impl<K: Eq + Hash + Clone + Send + Sync + 'static> Key for K {}

/// What can be a value. It is cloned for each reader: what is large stands in an `Arc`.
pub trait Value: Clone + Send + Sync + 'static {}
impl<V: Clone + Send + Sync + 'static> Value for V {}

/// What waits for a load gets.
type Landed<V> = Result<Option<V>, LoadError>;
/// Says what an entry weighs.
type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u32 + Send + Sync>;
type Table<K, V> = Mutex<Flights<K, Arc<Flight<Landed<V>>>, DefaultHashBuilder>>;

/// A cache. Clones share everything.
///
/// Reads and writes never wait; only [`get_or_load`](Self::get_or_load) does, for a load.
pub struct Cache<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    name: Box<str>,
    options: CacheOptions,
    rules: Rules,
    clock: Clock,
    is_coarse: bool,
    random: Random,
    weigher: Option<Weigher<K, V>>,
    storage: Storage<K, V>,
    flights: Box<[Table<K, V>]>,
    /// Loads that run, also those that were overtaken.
    loading: AtomicUsize,
    tags: Tags,
    /// Counts what was invalidated by a tag or put under suspicion. An entry bears the number that stood when its
    /// value was read from the source.
    epoch: AtomicU64,
    suspicions: Suspicions,
    counters: Arc<Counters>,
}

/// What a cache knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<V> {
    /// The value; `None` is the knowledge that there is none.
    pub value: Option<V>,
    /// What it is good for.
    pub freshness: Freshness,
    /// How long the load of it took; zero if it was written.
    pub cost: Duration,
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl<K: Key, V: Value> Cache<K, V> {
    /// A cache that is called `name` in metrics.
    pub fn builder(name: &str) -> Builder<K, V> {
        Builder::new(name)
    }

    /// The value of `key`, if there is one that is fresh.
    #[inline]
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        let inner = &*self.inner;
        let Some(slot) = inner.storage.get(key) else {
            inner.counters.miss();
            return None;
        };
        // An entry that never ends is served without a look at the clock.
        if slot.is_endless() && inner.is_plain(&slot) {
            inner.counters.hit();
            return slot.value;
        }
        inner.get_slot(key, slot, inner.now())
    }

    /// As [`get`](Self::get), for a caller who has looked at the clock.
    #[inline]
    pub fn get_at<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, now: Moment) -> Option<V> {
        let inner = &*self.inner;
        let Some(slot) = inner.storage.get(key) else {
            inner.counters.miss();
            return None;
        };
        inner.get_slot(key, slot, now)
    }

    /// All that is known of `key`, without counting as a read.
    pub fn look<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<Known<V>> {
        let inner = &*self.inner;
        let slot = inner.storage.peek(key)?;
        let freshness = inner.judge(&slot, inner.now())?;
        Some(Known { cost: slot.times().cost, value: slot.value, freshness })
    }

    /// Writes `value`. A load that is under way for the key is overtaken: it is not stored.
    pub fn insert(&self, key: K, value: V) {
        self.insert_with(key, value, &EntryOptions::default());
    }

    /// As [`insert`](Self::insert), for an entry that differs from the others.
    pub fn insert_with(&self, key: K, value: V, options: &EntryOptions) {
        self.inner.write(key, Some(value), options);
    }

    /// Notes that there is nothing under `key`, for as long as the cache keeps absences.
    pub fn insert_absent(&self, key: K) {
        self.inner.write(key, None, &EntryOptions::default());
    }

    /// What is known of `key` is no longer true. A load that is under way for it goes to those who wait already, and
    /// is not stored; who reads from now on loads anew.
    pub fn invalidate(&self, key: &K) {
        let inner = &*self.inner;
        let mut flights = lock(inner.table(key));
        flights.overtake(key);
        let removed = inner.storage.remove(key);
        drop(flights);
        inner.counters.invalidated(u64::from(removed.is_some()));
    }

    /// What bears `tag`, or comes to bear it by a load that is under way, is no longer true. Takes the same time
    /// however many entries there are.
    pub fn invalidate_tag(&self, tag: &str) {
        let inner = &*self.inner;
        let epoch = inner.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        if !inner.tags.invalidate(tag, epoch, inner.oldest()) {
            // No room to remember the tag: better to know nothing than something that is wrong.
            self.clear();
        }
    }

    /// Nothing is known any more.
    pub fn clear(&self) {
        let inner = &*self.inner;
        for table in &inner.flights {
            lock(table).overtake_all();
        }
        let count = inner.storage.clear();
        inner.counters.invalidated(count as u64);
    }

    /// As [`invalidate`](Self::invalidate), for every key and value that `applies`: looks at every entry once, a part of
    /// them at a time, and says how many went. A load that is under way is overtaken by its key alone.
    pub fn invalidate_if(&self, key_applies: impl Fn(&K) -> bool, applies: impl Fn(&K, &V) -> bool) -> usize {
        let inner = &*self.inner;
        for table in &inner.flights {
            lock(table).overtake_if(&key_applies);
        }
        let gone = AtomicUsize::new(0);
        inner.storage.retain(|key, slot| {
            let goes = slot.value.as_ref().is_some_and(|value| applies(key, value));
            gone.fetch_add(usize::from(goes), Ordering::Relaxed);
            !goes
        });
        let gone = gone.into_inner();
        inner.counters.invalidated(gone as u64);
        gone
    }

    /// All that is known now may no longer be true, for messages may have been lost. It is stale from now on instead
    /// of gone, so that not everything is loaded at once: how long it is served still is what the options say.
    pub fn suspect_all(&self) {
        let inner = &*self.inner;
        let epoch = inner.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        inner.suspicions.add(epoch, inner.clock.moment());
    }

    /// Removes what has come to its end. Without it, such entries go when they are read, or when room is needed.
    pub fn sweep(&self) {
        let inner = &*self.inner;
        let (now, gone) = (inner.now(), AtomicU64::new(0));
        inner.storage.retain(|_, slot| {
            let keeps = inner.judge(slot, now).is_some_and(|freshness| freshness != Freshness::Expired);
            gone.fetch_add(u64::from(!keeps), Ordering::Relaxed);
            keeps
        });
        inner.counters.expired(gone.into_inner());
    }

    /// Entries, those included that have come to their end and were not looked at since.
    pub fn len(&self) -> usize {
        self.inner.storage.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the entries weigh.
    pub fn weight(&self) -> u64 {
        self.inner.storage.weight()
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What it was told.
    pub fn options(&self) -> &CacheOptions {
        &self.inner.options
    }

    /// The clock it goes by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// What it has done.
    pub fn metrics(&self) -> Metrics {
        self.inner.counters.read()
    }

    /// Shows its metrics among those of others.
    pub fn watch(&self, metrics: &mut CacheMetrics) {
        let cache = self.clone();
        metrics.watch_source(Box::new(move || Read {
            name: cache.name().to_owned(),
            metrics: cache.metrics(),
            entries: cache.len(),
            weight: cache.weight(),
        }));
    }
}

impl<K: Key, V: Value> Inner<K, V> {
    #[inline]
    fn now(&self) -> Moment {
        if self.is_coarse { self.clock.coarse_moment() } else { self.clock.moment() }
    }

    /// Whether the times of the entry are all there is to it.
    #[inline]
    fn is_plain(&self, slot: &Slot<V>) -> bool {
        slot.extras.is_none() && slot.epoch >= self.suspicions.latest()
    }

    #[inline]
    fn get_slot<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, slot: Slot<V>, now: Moment) -> Option<V> {
        if now < slot.calm_until() && self.is_plain(&slot) {
            self.counters.hit();
            return slot.value;
        }
        match self.judge_or_remove(key, &slot, now) {
            Some(freshness) if freshness.is_fresh() => {
                self.counters.hit();
                slot.value
            }
            _ => {
                self.counters.miss();
                None
            }
        }
    }

    /// What the entry is good for; `None` if a tag says that it is not true.
    fn judge(&self, slot: &Slot<V>, now: Moment) -> Option<Freshness> {
        if let Some(extras) = &slot.extras {
            if !extras.tags.holds(slot.epoch) {
                return None;
            }
            if let Some(idle) = self.options.time_to_idle {
                let read_at = Moment::from_nanos(extras.read_at.load(Ordering::Relaxed));
                if now >= read_at + idle {
                    return Some(Freshness::Expired);
                }
            }
        }
        let suspect_since = self.suspicions.since(slot.epoch);
        Some(self.rules.judge(&slot.times(), now, suspect_since, || self.random.unit()))
    }

    /// As [`judge`](Self::judge); what is of no use is removed, and `None`. What is left has been read.
    fn judge_or_remove<Q>(&self, key: &Q, slot: &Slot<V>, now: Moment) -> Option<Freshness>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        match self.judge(slot, now) {
            Some(Freshness::Expired) => {
                self.counters.expired(u64::from(self.storage.remove_judged(key, slot)));
                None
            }
            Some(freshness) => {
                if let (Some(extras), Some(idle)) = (&slot.extras, self.options.time_to_idle) {
                    // A hundredth of the time is close enough, and spares most of the writes.
                    extras.touch(now, (idle / 100).as_nanos() as u64);
                }
                Some(freshness)
            }
            None => {
                self.counters.untagged(u64::from(self.storage.remove_judged(key, slot)));
                None
            }
        }
    }

    fn table(&self, key: &K) -> &Table<K, V> {
        // The storage uses the middle bits for its shards; any others would do as well.
        let at = (self.storage.hash(key) >> 40) as usize % self.flights.len();
        &self.flights[at]
    }

    /// The epoch before which no load that runs can have begun.
    fn oldest(&self) -> u64 {
        if self.loading.load(Ordering::SeqCst) == 0 { u64::MAX } else { 0 }
    }

    fn write(&self, key: K, value: Option<V>, options: &EntryOptions) {
        let epoch = self.epoch.load(Ordering::Acquire);
        let slot = self.slot(&key, value, options, epoch, Duration::ZERO);
        let mut flights = lock(self.table(&key));
        flights.overtake(&key);
        let leavings = self.put(key, slot);
        drop(flights);
        drop(leavings);
    }

    /// Stores `slot`, or that nothing is known. The lock of the key's flights is held.
    #[must_use]
    fn put(&self, key: K, slot: Option<Slot<V>>) -> crate::storage::Leavings<K, V> {
        match slot {
            Some(slot) => self.storage.insert(key, slot),
            None => [self.storage.remove(&key), None],
        }
    }

    /// The entry for a value that was read when `epoch` stood, if it is to be kept.
    fn slot(
        &self,
        key: &K,
        value: Option<V>,
        options: &EntryOptions,
        epoch: u64,
        cost: Duration,
    ) -> Option<Slot<V>> {
        let now = self.now();
        let unit = if self.rules.jitter > 0.0 { self.random.unit() } else { 0.0 };
        let times = self.rules.times(now, value.is_none(), options.time_to_live, cost, unit)?;
        let Some(tags) = self.tags.tagged(&options.tags, self.oldest()) else {
            self.counters.rejected(1);
            return None;
        };
        let needs_extras = !tags.is_empty() || self.options.time_to_idle.is_some();
        let extras = needs_extras.then(|| Arc::new(Extras { tags, read_at: AtomicU64::new(now.as_nanos()) }));
        let weight = match (options.weight, &self.weigher, &value) {
            (Some(own), _, _) => own,
            (None, Some(weigh), Some(value)) => weigh(key, value),
            _ => 1,
        };
        Some(Slot::new(value, times, epoch, weight.max(1), extras))
    }
}
