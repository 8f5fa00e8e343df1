//! A rate limit for each of many keys, in the memory of one number for each: a key whose bucket is full again is as
//! good as one that was never seen, and is forgotten.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;

use mamparo_context::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::core::{self, Price};
use super::{Quota, Standing};
use crate::keyed::shards::Shards;
use crate::keyed::table::Table;
use crate::limits::{KEYED_SWEEP, KEYED_SWEEP_FULL, RATE_KEYS_DEFAULT, RATE_KEYS_MAX, RATE_OWN_QUOTAS_MAX};
use crate::mode::SharedMode;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::{Counts, InvalidConfig, Mode, Policy, Reason, Refusal};

/// A rate limit for each of many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyedRateLimitConfig {
    /// What each key may take that has no quota of its own.
    pub quota: Quota,
    /// Most keys that are remembered at the same time.
    #[serde(default = "default_keys")]
    #[schemars(range(min = 1, max = RATE_KEYS_MAX))]
    pub keys: usize,
    /// Whether it acts.
    #[serde(default)]
    pub mode: Mode,
}

const fn default_keys() -> usize {
    RATE_KEYS_DEFAULT
}

impl KeyedRateLimitConfig {
    /// `quota` for each key.
    pub const fn new(quota: Quota) -> Self {
        Self { quota, keys: RATE_KEYS_DEFAULT, mode: Mode::Enforce }
    }

    /// Whether it can work.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        self.price().map(|_| ())
    }

    fn price(&self) -> Result<Price, InvalidConfig> {
        let bounded = self.keys >= 1 && self.keys <= RATE_KEYS_MAX;
        InvalidConfig::unless(bounded, Policy::RateLimit, "keys", "must be from 1 to 16777216")?;
        self.quota.price()
    }
}

/// Lets the calls of each key go at a rate. Nobody waits here: for a line for each key, keep a
/// [`RateLimit`](super::RateLimit) for each in a [`Keyed`](crate::Keyed).
///
/// When as many keys are remembered as may be, and none of those that are looked at has a full bucket, further keys
/// share one bucket (one in each part of the map) until some have: a flood of keys is slowed down, and the keys that
/// are known are not touched by it.
pub struct KeyedRateLimit<K> {
    shards: Shards<Shard<K>>,
    config: Mutex<KeyedRateLimitConfig>,
    mode: SharedMode,
    overflowed: AtomicU64,
    counts: Counts,
}

struct Shard<K> {
    buckets: Table<K, u64>,
    /// Quotas of keys that have their own.
    own: Table<K, (Price, Quota)>,
    price: Price,
    overflow: u64,
}

impl<K: Hash + Eq> Shard<K> {
    fn price<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q) -> Price
    where
        K: Borrow<Q>,
    {
        if self.own.len() == 0 {
            return self.price;
        }
        self.own.find(hash, key).map_or(self.price, |(price, _)| *price)
    }
}

impl<K: Hash + Eq> KeyedRateLimit<K> {
    /// A limit for no keys yet.
    ///
    /// # Errors
    /// What is wrong with `config`.
    pub fn new(config: KeyedRateLimitConfig) -> Result<Self, InvalidConfig> {
        let price = config.price()?;
        let shards = Shards::new(config.keys, |keys| Shard {
            buckets: Table::new(keys),
            own: Table::new(RATE_OWN_QUOTAS_MAX.min(keys)),
            price,
            overflow: 0,
        });
        Ok(Self {
            shards,
            config: Mutex::new(config),
            mode: SharedMode::new(config.mode),
            overflowed: AtomicU64::new(0),
            counts: Counts::default(),
        })
    }

    /// Takes `cost` tokens of `key` at `now`, under the mode, and counts.
    ///
    /// # Errors
    /// There are not enough: [`Reason::OverQuota`] with the time after which there are, or [`Reason::TooCostly`].
    pub fn acquire<Q>(&self, key: &Q, cost: u32, now: Moment) -> Result<(), Refusal>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mode = self.mode.get();
        if mode == Mode::Off {
            return Ok(());
        }
        match self.take(key, cost.into(), core::ticks(now)) {
            Ok(()) => {
                self.counts.admitted();
                Ok(())
            }
            Err(_) if mode == Mode::Shadow => {
                self.counts.shadow_refused();
                Ok(())
            }
            Err(refusal) => {
                self.counts.refused();
                Err(refusal)
            }
        }
    }

    fn take<Q>(&self, key: &Q, cost: u64, now: u64) -> Result<(), Refusal>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.shards.hash(key);
        let mut guard = self.shards.lock(hash);
        let shard = &mut *guard;
        let price = shard.price(hash, key);
        if let Some(tat) = shard.buckets.find(hash, key) {
            *tat = core::take(*tat, price, cost, now).map_err(|due| refusal(price, cost, due, now))?;
            return Ok(());
        }
        let tat = core::take(0, price, cost, now).map_err(|due| refusal(price, cost, due, now))?;
        // Every newcomer looks at a few others, so that what is full again is forgotten as fast as keys come.
        shard.buckets.sweep(KEYED_SWEEP, self.shards.hasher(), |tat| *tat <= now);
        if shard.buckets.is_full()
            && shard.buckets.sweep(KEYED_SWEEP_FULL, self.shards.hasher(), |tat| *tat <= now) == 0
        {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            let price = shard.price;
            shard.overflow =
                core::take(shard.overflow, price, cost, now).map_err(|due| refusal(price, cost, due, now))?;
            return Ok(());
        }
        shard.buckets.insert(hash, key.to_owned(), tat, self.shards.hasher());
        Ok(())
    }

    /// Puts back `cost` tokens of `key` that were taken for nothing.
    pub fn refund<Q>(&self, key: &Q, cost: u32)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.shards.hash(key);
        let mut shard = self.shards.lock(hash);
        let price = shard.price(hash, key);
        if let Some(tat) = shard.buckets.find(hash, key) {
            *tat = core::refund(*tat, price, cost.into());
        }
    }

    /// What is left for `key` at `now`.
    pub fn standing<Q>(&self, key: &Q, now: Moment) -> Standing
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.shards.hash(key);
        let quota = lock(&self.config).quota;
        let mut shard = self.shards.lock(hash);
        let (price, quota) = shard.own.find(hash, key).cloned().unwrap_or((shard.price, quota));
        let tat = shard.buckets.find(hash, key).map_or(0, |tat| *tat);
        Standing::new(&quota, tat, price, core::ticks(now))
    }

    /// Gives `key` a quota of its own, or with `None` the common one again. Its tokens stay.
    ///
    /// # Errors
    /// What is wrong with `quota`, or that as many keys as may have one of their own.
    pub fn set_quota<Q>(&self, key: &Q, quota: Option<Quota>, now: Moment) -> Result<(), InvalidConfig>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let new = match quota {
            Some(quota) => Some((quota.price()?, quota)),
            None => None,
        };
        let hash = self.shards.hash(key);
        let mut shard = self.shards.lock(hash);
        let old = shard.price(hash, key);
        shard.own.remove(hash, key);
        if new.is_some() && shard.own.is_full() {
            let problem = "as many keys as may have a quota of their own";
            return Err(InvalidConfig::new(Policy::RateLimit, "quota", problem));
        }
        let price = new.as_ref().map_or(shard.price, |(price, _)| *price);
        if let Some(own) = new {
            shard.own.insert(hash, key.to_owned(), own, self.shards.hasher());
        }
        if let Some(tat) = shard.buckets.find(hash, key) {
            *tat = core::convert(*tat, old, price, core::ticks(now));
        }
        Ok(())
    }

    /// Takes another configuration; the tokens of every key stay. It looks at all keys, a part of them at a time.
    /// With fewer keys than there are, those that are remembered stay until they can be forgotten; each part of the
    /// map remembers at least one.
    ///
    /// # Errors
    /// What is wrong with `config`; nothing has changed then.
    pub fn reconfigure(&self, config: KeyedRateLimitConfig, now: Moment) -> Result<(), InvalidConfig> {
        let (price, now) = (config.price()?, core::ticks(now));
        let mut held = lock(&self.config);
        let count = self.shards.count();
        for (number, mut guard) in self.shards.each().enumerate() {
            let shard = &mut *guard;
            let old = std::mem::replace(&mut shard.price, price);
            shard.buckets.resize((config.keys / count + usize::from(number < config.keys % count)).max(1));
            shard.overflow = core::convert(shard.overflow, old, price, now);
            let (own, hasher) = (&mut shard.own, self.shards.hasher());
            shard.buckets.for_each(|key, tat| {
                if own.len() == 0 || own.find(std::hash::BuildHasher::hash_one(hasher, key), key).is_none() {
                    *tat = core::convert(*tat, old, price, now);
                }
            });
        }
        self.mode.set(config.mode);
        *held = config;
        Ok(())
    }

    /// Forgets all keys whose bucket is full at `now`, which changes nothing for them: how many.
    pub fn forget_full(&self, now: Moment) -> usize {
        let now = core::ticks(now);
        let hasher = self.shards.hasher();
        let forget = |mut shard: crate::sync::MutexGuard<'_, Shard<K>>| {
            shard.buckets.sweep(usize::MAX, hasher, |tat| *tat <= now)
        };
        self.shards.each().map(forget).sum()
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.shards.each().map(|shard| shard.buckets.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the keys take, without what they point to.
    pub fn bytes(&self) -> usize {
        self.shards.each().map(|shard| shard.buckets.bytes() + shard.own.bytes()).sum()
    }

    /// How often a key found no place.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// What it has done.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

#[cold]
fn refusal(price: Price, cost: u64, due: u64, now: u64) -> Refusal {
    if !price.can_ever(cost) {
        return Refusal::new(Policy::RateLimit, Reason::TooCostly);
    }
    Refusal::new(Policy::RateLimit, Reason::OverQuota).retry_after(core::span(due.saturating_sub(now)))
}

impl<K> fmt::Debug for KeyedRateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimit").field("counts", &self.counts).finish_non_exhaustive()
    }
}
