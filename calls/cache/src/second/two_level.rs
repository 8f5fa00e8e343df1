//! A cache before a second level that nodes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mamparo_context::{Context, Random, duration};
use mamparo_policy::breaker::{Breaker, BreakerConfig, BreakerState};
use mamparo_policy::time::timeout_at;
use mamparo_policy::{Admission, Outcome};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Scope, Tier, TierError, listening};
use crate::cache::{Cache, Key, Loaded, Value};
use crate::codec::{Codec, Json};
use crate::core::recovery::Recovery;
use crate::error::{BoxError, LoadError};
use crate::limits::{DURATION_MAX, RECOVERY_MAX};
use crate::options::{InvalidOptions, schema_of_duration};
use crate::sync::{Mutex, lock};

/// How a cache works before a second level. The first level has its own options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TwoLevelOptions {
    /// How long an entry of the second level is fresh. What the first level says of stale entries holds here, too.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub time_to_live: Duration,
    /// How long the second level may take to answer.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub timeout: Duration,
    /// How long one node may load a key before another one may, too.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub lease: Duration,
    /// How often a node asks whether it has missed a note: twice this is the longest time for which a lost note can
    /// go unnoticed.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub heartbeat: Duration,
    /// When the second level is left alone.
    pub breaker: BreakerConfig,
}

impl Default for TwoLevelOptions {
    fn default() -> Self {
        Self {
            time_to_live: Duration::from_secs(600),
            timeout: Duration::from_millis(250),
            lease: Duration::from_secs(5),
            heartbeat: Duration::from_secs(1),
            breaker: BreakerConfig { consecutive_failures: Some(5), ..BreakerConfig::default() },
        }
    }
}

impl TwoLevelOptions {
    /// Whether they can be worked with; the breaker's own are checked when it is built.
    ///
    /// # Errors
    /// The first value that cannot.
    pub fn validate(&self) -> Result<(), InvalidOptions> {
        for (field, value) in [
            ("time-to-live", self.time_to_live),
            ("timeout", self.timeout),
            ("lease", self.lease),
            ("heartbeat", self.heartbeat),
        ] {
            let is_fit = !value.is_zero() && value <= DURATION_MAX;
            InvalidOptions::unless(is_fit, field, "must be longer than 0, and a year at the most")?;
        }
        Ok(())
    }
}

/// A second level cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TwoLevelError {
    /// A value that cannot be worked with.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// A value that the breaker cannot work with.
    #[error(transparent)]
    Breaker(#[from] mamparo_policy::InvalidConfig),
}

/// How far an invalidation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The second level has it, and tells all nodes.
    Everywhere,
    /// This node has it. The second level cannot be reached, and gets it as soon as it can.
    Later,
}

/// What a cache has done with its second level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoLevelStatus {
    /// Loads that were answered by the second level.
    pub hits: u64,
    /// Loads that were not.
    pub misses: u64,
    /// Loads that waited for another node.
    pub waited: u64,
    /// Entries that were put into the second level.
    pub filled: u64,
    /// Entries that were not, for the key was invalidated meanwhile, or the lease had ended.
    pub overtaken: u64,
    /// Requests that the second level did not answer, and those that were not sent for that reason.
    pub failures: u64,
    /// Notes of other nodes.
    pub notes: u64,
    /// How often notes were lost, or may have been.
    pub gaps: u64,
    /// Invalidations that the second level has yet to get.
    pub queued: usize,
    /// Whether notes are heard.
    pub listens: bool,
    /// Whether the second level is left alone.
    pub breaker: BreakerState,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) waited: AtomicU64,
    pub(super) filled: AtomicU64,
    pub(super) overtaken: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) notes: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) listens: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(super) struct Inner<K, V> {
    pub(super) cache: Cache<K, V>,
    pub(super) tier: Arc<dyn Tier>,
    pub(super) keys: Box<dyn Codec<K>>,
    pub(super) values: Box<dyn Codec<V>>,
    pub(super) options: TwoLevelOptions,
    pub(super) random: Random,
    breaker: Arc<Breaker>,
    pub(super) recovery: Mutex<Recovery<Bytes>>,
    /// Tells one's own notes from those of others.
    pub(super) origin: u64,
    pub(super) counts: Counts,
}

/// A cache before a second level. Clones share everything; it stops listening when the last is dropped.
pub struct TwoLevel<K, V> {
    pub(super) inner: Arc<Inner<K, V>>,
    _listens: Arc<oneshot::Sender<()>>,
}

impl<K, V> Clone for TwoLevel<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), _listens: Arc::clone(&self._listens) }
    }
}

impl<K, V> std::fmt::Debug for TwoLevel<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TwoLevel").field("cache", &self.inner.cache).finish_non_exhaustive()
    }
}

/// Builds a [`TwoLevel`].
#[must_use]
pub struct TwoLevelBuilder<K, V> {
    cache: Cache<K, V>,
    tier: Arc<dyn Tier>,
    options: TwoLevelOptions,
    random: Random,
}

impl<K, V> std::fmt::Debug for TwoLevelBuilder<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TwoLevelBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<K: Key, V: Value> TwoLevelBuilder<K, V> {
    /// How it works.
    pub fn options(mut self, options: TwoLevelOptions) -> Self {
        self.options = options;
        self
    }

    /// Where pauses and names of nodes are drawn from.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// The cache, which listens from now on. Needs a tokio runtime. The second level need not be there yet.
    ///
    /// # Errors
    /// See [`TwoLevelError`].
    pub fn build(self) -> Result<TwoLevel<K, V>, TwoLevelError>
    where
        K: Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        self.build_with(Json, Json)
    }

    /// As [`build`](Self::build), with other forms of keys and values.
    ///
    /// # Errors
    /// See [`TwoLevelError`].
    pub fn build_with(
        self,
        keys: impl Codec<K>,
        values: impl Codec<V>,
    ) -> Result<TwoLevel<K, V>, TwoLevelError> {
        let Self { cache, tier, options, random } = self;
        options.validate()?;
        let breaker = Breaker::new(options.breaker.clone(), cache.clock().clone())?;
        let inner = Arc::new(Inner {
            cache,
            tier,
            keys: Box::new(keys),
            values: Box::new(values),
            options,
            origin: random.next_u64(),
            random,
            breaker: Arc::new(breaker),
            recovery: Mutex::new(Recovery::new(RECOVERY_MAX)),
            counts: Counts::default(),
        });
        let (listens, over) = oneshot::channel();
        tokio::spawn(listening::run(Arc::clone(&inner), over));
        Ok(TwoLevel { inner, _listens: Arc::new(listens) })
    }
}

impl<K: Key, V: Value> TwoLevel<K, V> {
    /// `cache` before `tier`.
    pub fn builder(cache: Cache<K, V>, tier: Arc<dyn Tier>) -> TwoLevelBuilder<K, V> {
        TwoLevelBuilder { cache, tier, options: TwoLevelOptions::default(), random: Random::system() }
    }

    /// The value of `key`, or that there is none: from the first level, the second, or by `load`. Of all callers on
    /// all nodes who miss the key at the same time one has its `load` run, as long as the second level can be
    /// reached; otherwise one on each node. In all else as [`Cache::get_or_load`].
    ///
    /// # Errors
    /// Those of [`Cache::get_or_load`].
    pub async fn get_or_load<F, Fut, T, E>(
        &self,
        cx: &Context,
        key: &K,
        load: F,
    ) -> Result<Option<V>, LoadError>
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let (inner, own) = (Arc::clone(&self.inner), key.clone());
        let through = move |cx: Context| async move { inner.load(cx, own, load).await };
        self.inner.cache.get_or_load(cx, key, through).await
    }

    /// What is known of `key` is no longer true, on any node. Safe to be dropped: the second level gets it later then.
    pub async fn invalidate(&self, cx: &Context, key: &K) -> Reach {
        self.inner.cache.invalidate(key);
        let Ok(bytes) = self.inner.keys.encode(key) else { return Reach::Everywhere };
        let reach = self.inner.say(cx, Scope::Key(bytes.into())).await;
        // Whoever has read the second level before it was told is overtaken, too.
        self.inner.cache.invalidate(key);
        reach
    }

    /// What bears `tag` is no longer true, on any node; otherwise as [`invalidate`](Self::invalidate).
    pub async fn invalidate_tag(&self, cx: &Context, tag: &str) -> Reach {
        self.inner.cache.invalidate_tag(tag);
        let reach = self.inner.say(cx, Scope::Tag(tag.into())).await;
        self.inner.cache.invalidate_tag(tag);
        reach
    }

    /// Nothing is true any more, on any node; otherwise as [`invalidate`](Self::invalidate).
    pub async fn clear(&self, cx: &Context) -> Reach {
        self.inner.cache.clear();
        let reach = self.inner.say(cx, Scope::All).await;
        self.inner.cache.clear();
        reach
    }

    /// The first level.
    pub fn cache(&self) -> &Cache<K, V> {
        &self.inner.cache
    }

    /// What it has done with its second level.
    pub fn status(&self) -> TwoLevelStatus {
        let counts = &self.inner.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TwoLevelStatus {
            hits: read(&counts.hits),
            misses: read(&counts.misses),
            waited: read(&counts.waited),
            filled: read(&counts.filled),
            overtaken: read(&counts.overtaken),
            failures: read(&counts.failures),
            notes: read(&counts.notes),
            gaps: read(&counts.gaps),
            queued: lock(&self.inner.recovery).len(),
            listens: read(&counts.listens) > 0,
            breaker: self.inner.breaker.state(),
        }
    }
}

impl<K: Key, V: Value> Inner<K, V> {
    /// Asks the second level, unless it is left alone; `None` if it does not answer in time.
    pub(super) async fn ask<T>(
        &self,
        cx: &Context,
        request: impl Future<Output = Result<T, TierError>>,
    ) -> Option<T> {
        let clock = self.cache.clock();
        let Ok(permit) = self.breaker.try_enter(cx, clock.moment()) else {
            count(&self.counts.failures);
            return None;
        };
        let until = clock.moment() + self.options.timeout;
        let answer = match timeout_at(clock, until, request).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(cache = self.cache.name(), %error, "second level failed");
                None
            }
            Err(_) => None,
        };
        let outcome = match &answer {
            Some(_) => Outcome::Success,
            None => Outcome::Failure(mamparo_context::Fault::upstream()),
        };
        permit.record(&outcome, clock.moment());
        if answer.is_none() {
            count(&self.counts.failures);
        }
        answer
    }

    /// Tells the second level, at once or later. Until it is told, what it says of that is not believed.
    async fn say(&self, cx: &Context, scope: Scope<Bytes>) -> Reach {
        let number = lock(&self.recovery).add(scope.clone());
        let said = self.ask(cx, self.tier.invalidate(&scope, self.origin)).await;
        if said.is_some() {
            lock(&self.recovery).said(&scope, number);
            return Reach::Everywhere;
        }
        // What has just failed is said again at the next heartbeat.
        Reach::Later
    }
}
