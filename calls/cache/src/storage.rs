//! Where the entries are: `quick_cache` holds them, and decides which have to go (its policy resists scans). All
//! that it does not know, time and epochs, stands in the slots.

use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use equivalent::Equivalent;
use mamparo_context::Moment;
use quick_cache::sync::Cache as Shards;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::core::entry::Times;
use crate::limits::{CAPACITY_AT_ONCE, SHARDS_MAX};
use crate::metrics::Counters;
use crate::options::InvalidOptions;
use crate::tags::Tagged;

/// One entry. `None` is the knowledge that there is nothing. It is copied for each reader, and how many of them fit
/// into the processor's caches decides how fast a hit is: so the times are packed.
#[derive(Clone, Debug)]
pub(crate) struct Slot<V> {
    pub(crate) value: Option<V>,
    fresh_until: Moment,
    /// What had been invalidated when the value was read from its source.
    pub(crate) epoch: u64,
    /// What only some entries have.
    pub(crate) extras: Option<Arc<Extras>>,
    pub(crate) weight: u32,
    /// How long before its end it is no longer calm, rounded up.
    calm_millis: u32,
    /// Until when it is quiet, rounded down.
    quiet_ticks: u32,
    cost_micros: u32,
}

/// A tick is 2^24 ns, some 17 ms: so many of them are more than two years.
const TICK_BITS: u32 = 24;

impl<V> Slot<V> {
    pub(crate) fn new(
        value: Option<V>,
        times: Times,
        epoch: u64,
        weight: u32,
        extras: Option<Arc<Extras>>,
    ) -> Self {
        let before = times.fresh_until.since(times.calm_until);
        let calm_millis =
            if times.calm_until == Moment::NEVER { 0 } else { before.as_nanos().div_ceil(1_000_000) };
        Self {
            value,
            fresh_until: times.fresh_until,
            epoch,
            extras,
            weight,
            calm_millis: u32::try_from(calm_millis).unwrap_or(u32::MAX),
            quiet_ticks: u32::try_from(times.quiet_until.as_nanos() >> TICK_BITS).unwrap_or(u32::MAX),
            cost_micros: u32::try_from(times.cost.as_micros()).unwrap_or(u32::MAX),
        }
    }

    /// Whether it never ends.
    #[inline]
    pub(crate) fn is_endless(&self) -> bool {
        self.fresh_until == Moment::NEVER
    }

    /// Until when it is fresh, and nothing else needs to be looked at.
    #[inline]
    pub(crate) fn calm_until(&self) -> Moment {
        let before = u64::from(self.calm_millis) * 1_000_000;
        Moment::from_nanos(self.fresh_until.as_nanos().saturating_sub(before))
    }

    pub(crate) fn times(&self) -> Times {
        Times {
            calm_until: self.calm_until(),
            fresh_until: self.fresh_until,
            quiet_until: Moment::from_nanos(u64::from(self.quiet_ticks) << TICK_BITS),
            cost: Duration::from_micros(u64::from(self.cost_micros)),
        }
    }

    pub(crate) fn with_times(self, times: Times) -> Self {
        Self::new(self.value, times, self.epoch, self.weight, self.extras)
    }
}

/// What only some entries have.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    pub(crate) tags: Tagged,
    /// When it was last read, where that matters.
    pub(crate) read_at: AtomicU64,
}

impl Extras {
    /// Notes that it is read at `now`, if that says more than what stands there.
    pub(crate) fn touch(&self, now: Moment, grain: u64) {
        if now.as_nanos().saturating_sub(self.read_at.load(Ordering::Relaxed)) > grain {
            self.read_at.fetch_max(now.as_nanos(), Ordering::Relaxed);
        }
    }
}

#[derive(Clone)]
struct ByWeight;

impl<K, V> Weighter<K, Slot<V>> for ByWeight {
    fn weight(&self, _: &K, slot: &Slot<V>) -> u64 {
        u64::from(slot.weight)
    }
}

/// Counts what has to go, and lets it be dropped when the locks are no longer held.
struct Evictions<K, V> {
    counters: Arc<Counters>,
    of: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Evictions<K, V> {
    fn clone(&self) -> Self {
        Self { counters: Arc::clone(&self.counters), of: PhantomData }
    }
}

impl<K, V> Lifecycle<K, Slot<V>> for Evictions<K, V> {
    type RequestState = [Option<(K, Slot<V>)>; 2];

    fn on_evict(&self, state: &mut Self::RequestState, key: K, slot: Slot<V>) {
        self.counters.evicted(1);
        if let Some(free) = state.iter_mut().find(|place| place.is_none()) {
            *free = Some((key, slot));
        }
    }
}

/// What a change pushed out; to be dropped when no lock is held any more.
pub(crate) type Leavings<K, V> = [Option<(K, Slot<V>)>; 2];

pub(crate) struct Storage<K, V> {
    shards: Shards<K, Slot<V>, ByWeight, DefaultHashBuilder, Evictions<K, V>>,
    hasher: DefaultHashBuilder,
}

impl<K: Eq + Hash, V: Clone> Storage<K, V> {
    /// For so much weight, in entries that weigh about `mean`, and none more than `heaviest`.
    pub(crate) fn new(
        capacity: u64,
        mean: u64,
        heaviest: u64,
        counters: Arc<Counters>,
    ) -> Result<Self, InvalidOptions> {
        let at_once = (capacity / mean.max(1)).clamp(1, CAPACITY_AT_ONCE);
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(usize::try_from(at_once).unwrap_or(usize::MAX));
        options.weight_capacity(capacity);
        if heaviest > 1 {
            // A shard has room for four of the heaviest; the number is rounded up to a power of two.
            let shards = (capacity / heaviest.saturating_mul(4)).clamp(1, SHARDS_MAX);
            options.shards(1 << shards.ilog2());
        }
        let options = options.build();
        let options =
            options.map_err(|error| InvalidOptions { field: "capacity", problem: error.to_string() })?;
        let hasher = DefaultHashBuilder::default();
        let evictions = Evictions { counters, of: PhantomData };
        Ok(Self { shards: Shards::with_options(options, ByWeight, hasher.clone(), evictions), hasher })
    }

    pub(crate) fn hasher(&self) -> &DefaultHashBuilder {
        &self.hasher
    }

    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    #[inline]
    pub(crate) fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<Slot<V>> {
        self.shards.get(key)
    }

    /// As [`get`](Self::get), without counting as a use.
    pub(crate) fn peek<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<Slot<V>> {
        self.shards.peek(key)
    }

    pub(crate) fn insert(&self, key: K, slot: Slot<V>) -> Leavings<K, V> {
        let mut leavings = Leavings::default();
        self.shards.insert_with_lifecycle(key, slot, &mut leavings);
        leavings
    }

    /// Puts `slot` where another is, if there still is one, without counting as a use.
    pub(crate) fn replace(&self, key: K, slot: Slot<V>) -> Leavings<K, V> {
        let mut leavings = Leavings::default();
        // What is no longer there needs no successor.
        let _ = self.shards.replace_with_lifecycle(key, slot, true, &mut leavings);
        leavings
    }

    pub(crate) fn remove<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<(K, Slot<V>)> {
        self.shards.remove(key)
    }

    /// Removes what was judged, unless it has been replaced since.
    pub(crate) fn remove_judged<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, judged: &Slot<V>) -> bool {
        let is_same = |slot: &Slot<V>| slot.times() == judged.times() && slot.epoch == judged.epoch;
        self.shards.remove_if(key, is_same).is_some()
    }

    pub(crate) fn clear(&self) -> usize {
        let mut count = 0;
        self.shards.drain().for_each(|_| count += 1);
        count
    }

    pub(crate) fn retain(&self, keeps: impl Fn(&K, &Slot<V>) -> bool) {
        self.shards.retain(keeps);
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.shards.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_packed_so_that_nothing_is_refreshed_too_late_or_quiet_too_long() {
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000 + 1);
        let times = Times {
            calm_until: at(5_000),
            fresh_until: at(9_000),
            quiet_until: at(7_000),
            cost: Duration::from_micros(77),
        };
        let slot = Slot::new(Some(1), times, 3, 1, None);
        assert_eq!((slot.times().fresh_until, slot.times().cost), (times.fresh_until, times.cost));
        assert!(slot.calm_until() <= times.calm_until);
        assert!(times.calm_until.since(slot.calm_until()) <= Duration::from_millis(1));
        assert!(slot.times().quiet_until <= times.quiet_until);
        assert!(times.quiet_until.since(slot.times().quiet_until) < Duration::from_millis(17));
        let endless = Times { calm_until: Moment::NEVER, fresh_until: Moment::NEVER, ..times };
        assert_eq!(Slot::new(Some(1), endless, 3, 1, None).calm_until(), Moment::NEVER);
        assert_eq!(size_of::<Slot<u64>>(), 56);
    }
}
