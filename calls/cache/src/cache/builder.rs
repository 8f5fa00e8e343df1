//! A cache is built: from options, which a file can hold, and from what only code can say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use mamparo_context::{Clock, Random};

use super::{Cache, Inner, Key, Value, Weigher};
use crate::core::flights::Flights;
use crate::limits::NAME_MAX;
use crate::metrics::Counters;
use crate::options::{Abandoned, CacheOptions, InvalidOptions};
use crate::storage::Storage;
use crate::sync::Mutex;

/// Tables of flights, each with a lock of its own.
const TABLES: usize = 16;

/// Builds a [`Cache`].
#[must_use]
pub struct Builder<K, V> {
    name: String,
    options: CacheOptions,
    clock: Clock,
    random: Random,
    is_coarse: bool,
    weigher: Option<Weigher<K, V>>,
    /// On average, and at the most.
    weights: (u64, u64),
}

impl<K, V> std::fmt::Debug for Builder<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $value:expr),* $(,)?) => {
        $(
            #[doc = concat!("See [`CacheOptions::", stringify!($name), "`].")]
            pub fn $name(mut self, $name: $type) -> Self {
                self.options.$name = $value;
                self
            }
        )*
    };
}

impl<K: Key, V: Value> Builder<K, V> {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            options: CacheOptions::default(),
            clock: Clock::system(),
            random: Random::system(),
            is_coarse: false,
            weigher: None,
            weights: (1, 1),
        }
    }

    /// All options at once, as a file holds them.
    pub fn options(mut self, options: CacheOptions) -> Self {
        self.options = options;
        self
    }

    settings! {
        capacity: u64 => capacity,
        time_to_live: Duration => Some(time_to_live),
        jitter: f64 => jitter,
        time_to_idle: Duration => Some(time_to_idle),
        stale_while_revalidate: Duration => stale_while_revalidate,
        stale_if_error: Duration => stale_if_error,
        error_pause: Duration => error_pause,
        negative: Duration => Some(negative),
        early_refresh: f64 => early_refresh,
        soft_timeout: Duration => Some(soft_timeout),
        hard_timeout: Duration => hard_timeout,
        when_abandoned: Abandoned => when_abandoned,
    }

    /// What an entry weighs, at least 1; without it, every entry weighs 1. It is asked once for each entry. The
    /// capacity is divided among a few shards: what is heavier than one of them is not kept.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// How heavy entries are: `mean` about, and none more than `heaviest`. There are then fewer and larger shards, so that
    /// each has room for four of the heaviest, and room is made at once for the number of entries to be expected.
    pub fn weights(mut self, mean: u64, heaviest: u64) -> Self {
        self.weights = (mean, heaviest);
        self
    }

    /// Looks at the clock of the machine as it was at its last tick, a few milliseconds ago at the most: reads of
    /// entries with an end are faster, and entries end that much later.
    pub fn coarse_time(mut self) -> Self {
        self.is_coarse = true;
        self
    }

    /// The clock to go by.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where jitter and early refreshes are drawn from.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// A value that a cache cannot work with.
    pub fn build(self) -> Result<Cache<K, V>, InvalidOptions> {
        let Self { name, options, clock, random, is_coarse, weigher, weights: (mean, heaviest) } = self;
        let has_name = (1..=NAME_MAX).contains(&name.len());
        InvalidOptions::unless(has_name, "name", "must have 1 to 64 bytes")?;
        options.validate()?;
        let counters = Arc::<Counters>::default();
        let storage = Storage::new(options.capacity, mean, heaviest, Arc::clone(&counters))?;
        let table = || Mutex::new(Flights::new(storage.hasher().clone()));
        let flights = (0..TABLES).map(|_| table()).collect();
        let rules = options.rules();
        let inner = Inner {
            name: name.into(),
            options,
            rules,
            clock,
            is_coarse,
            random,
            weigher,
            storage,
            flights,
            loading: AtomicUsize::new(0),
            tags: Default::default(),
            epoch: AtomicU64::new(0),
            suspicions: Default::default(),
            counters,
        };
        Ok(Cache { inner: Arc::new(inner) })
    }
}
