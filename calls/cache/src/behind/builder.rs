//! Opens: what an earlier process has left in the journal is dirty again, before anything else is taken.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mamparo_context::{Random, duration};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{Acknowledge, Shared, WriteBehind, journaling, writing};
use crate::cache::{Cache, Key, Value};
use crate::codec::{Codec, Json};
use crate::core::dirty::{Dirty, Pace};
use crate::error::BoxError;
use crate::journal::{Journal, JournalError};
use crate::limits::{DIRTY_MAX, DURATION_MAX, REPLAY_PAGE, WRITES_WAITING};
use crate::options::{InvalidOptions, schema_of_duration};
use crate::store::Store;
use crate::sync::{Mutex, lock};

/// How writes are kept and carried to the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct WriteBehindOptions {
    /// What the answer to a write waits for.
    pub acknowledge: Acknowledge,
    /// How long a value may wait for further writes to its key before the store gets it.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub linger: Duration,
    /// Most keys in one write to the store.
    pub batch: usize,
    /// Most keys that may be dirty; beyond, writes are refused.
    pub dirty_keys: usize,
    /// How long a write to the store may take.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub write_timeout: Duration,
    /// Pause after the first failure of the store; it doubles with each further one.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub pause: Duration,
    /// Longest pause.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub pause_max: Duration,
}

impl Default for WriteBehindOptions {
    fn default() -> Self {
        Self {
            acknowledge: Acknowledge::Journal,
            linger: Duration::from_millis(100),
            batch: 128,
            dirty_keys: 65_536,
            write_timeout: Duration::from_secs(10),
            pause: Duration::from_millis(100),
            pause_max: Duration::from_secs(30),
        }
    }
}

impl WriteBehindOptions {
    /// Whether they can be worked with.
    ///
    /// # Errors
    /// The first value that cannot.
    pub fn validate(&self) -> Result<(), InvalidOptions> {
        let check = InvalidOptions::unless;
        check((1..=65_536).contains(&self.batch), "batch", "must be 1 to 65536")?;
        check((1..=DIRTY_MAX).contains(&self.dirty_keys), "dirty-keys", "must be 1 to 2^24")?;
        check(self.linger <= DURATION_MAX, "linger", "must be a year at the most")?;
        check(!self.write_timeout.is_zero(), "write-timeout", "must be longer than 0")?;
        check(self.write_timeout <= DURATION_MAX, "write-timeout", "must be a year at the most")?;
        check(!self.pause.is_zero(), "pause", "must be longer than 0")?;
        check(self.pause <= self.pause_max, "pause-max", "must not be shorter than pause")?;
        check(self.pause_max <= DURATION_MAX, "pause-max", "must be a year at the most")
    }

    fn pace(&self) -> Pace {
        let Self { linger, batch, dirty_keys, pause, pause_max, .. } = *self;
        Pace { linger, batch, keys: dirty_keys, pause, pause_max }
    }
}

/// It cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A value that cannot be worked with.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// Acknowledgements are to wait for a journal, and there is none.
    #[error("acknowledge: journal needs a journal; without one there are memory and store")]
    NoJournal,
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record of the journal is not a write of such keys and values. Nothing is written, so that nothing is lost:
    /// another version of the program may understand it.
    #[error("record {id} of the journal cannot be read: {source}")]
    Record {
        /// Which record.
        id: u64,
        /// What is wrong with it.
        source: BoxError,
    },
}

/// Opens a [`WriteBehind`].
#[must_use]
pub struct WriteBehindBuilder<K: Key, V: Value, S> {
    cache: Cache<K, V>,
    store: S,
    journal: Option<Arc<dyn Journal>>,
    options: WriteBehindOptions,
    random: Random,
}

impl<K: Key, V: Value, S> std::fmt::Debug for WriteBehindBuilder<K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteBehindBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<K: Key, V: Value, S: Store<K, V>> WriteBehindBuilder<K, V, S> {
    pub(super) fn new(cache: Cache<K, V>, store: S) -> Self {
        let options = WriteBehindOptions::default();
        Self { cache, store, journal: None, options, random: Random::system() }
    }

    /// Where dirty entries survive the process.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// How writes are kept and carried to the store.
    pub fn options(mut self, options: WriteBehindOptions) -> Self {
        self.options = options;
        self
    }

    /// Where the lengths of pauses are drawn from.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Opens it, with what an earlier process has left in the journal. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(self) -> Result<WriteBehind<K, V, S>, OpenError>
    where
        (K, Option<V>): Serialize + DeserializeOwned,
    {
        self.open_with(Json).await
    }

    /// As [`open`](Self::open), with another form of the records.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_with(
        self,
        codec: impl Codec<(K, Option<V>)>,
    ) -> Result<WriteBehind<K, V, S>, OpenError> {
        let Self { cache, store, journal, options, random } = self;
        options.validate()?;
        if journal.is_none() && options.acknowledge == Acknowledge::Journal {
            return Err(OpenError::NoJournal);
        }
        let shared = Arc::new(Shared {
            clock: cache.clock().clone(),
            cache,
            store: Arc::new(store),
            journal,
            codec: Box::new(codec),
            dirty: Mutex::new(Dirty::new(options.pace())),
            options,
            random,
            waiters: Mutex::default(),
            work: Notify::new(),
            left: watch::Sender::new(0),
            is_closing: AtomicBool::new(false),
            counts: Default::default(),
        });
        shared.replay().await?;
        let (taken, inbox) = mpsc::channel(WRITES_WAITING);
        let (ending, ended) = oneshot::channel();
        let own = Arc::clone(&shared);
        tokio::spawn(async move {
            journaling::run(own, inbox).await;
            // Nobody can write any more: whoever carries the writes is told.
            drop(ending);
        });
        tokio::spawn(writing::run(Arc::clone(&shared), ended));
        Ok(WriteBehind { shared, taken })
    }
}

impl<K: Key, V: Value, S: Store<K, V>> Shared<K, V, S> {
    /// What the journal holds is dirty again; of each key the newest value.
    async fn replay(&self) -> Result<(), OpenError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut after = None;
        loop {
            let page = journal.replay(after, REPLAY_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let mut superseded = Vec::new();
            for record in &page {
                let decoded = self.codec.decode(&record.payload);
                let (key, value) = decoded.map_err(|source| OpenError::Record { id: record.id, source })?;
                let mut dirty = lock(&self.dirty);
                dirty.restore(&key, value.clone(), record.id, self.now());
                superseded.extend(dirty.answered(&key, value, record.id, true));
            }
            self.forget(superseded).await;
        }
        let left = lock(&self.dirty).len();
        self.left.send_replace(left);
        if left > 0 {
            tracing::info!(
                cache = self.cache.name(),
                keys = left,
                "writes that an earlier process left behind"
            );
        }
        Ok(())
    }
}
