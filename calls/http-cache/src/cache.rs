//! The cache: what all its requests share, and how what is kept for one of them is found.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{HeaderMap, HeaderName};
use mamparo_cache::Cache;
use mamparo_context::{Clock, Moment};

use crate::config::{HttpCacheConfig, InvalidConfig, Rules};
use crate::core::address::address;
use crate::core::freshness::Times;
use crate::core::request::RequestHead;
use crate::core::status::Done;
use crate::core::vary;
use crate::counts::{Counters, Counts, Description};
use crate::entry::{Entry, Place, PlaceRef, Varies, weigh};
use crate::flights::Tables;
use crate::limits::BUFFERED_PART;

/// An answer that is at hand, with all that it is sent with.
pub type Answer = Response<Bytes>;

/// What an entry weighs about, so that room is made at once for the number to be expected.
const MEAN_BYTES: u64 = 8 << 10;

/// A shared cache of answers. Clones share everything; all threads may use it.
#[derive(Clone, Debug)]
pub struct HttpCache {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    name: Box<str>,
    pub(crate) rules: Rules,
    wait: Duration,
    capacity_bytes: u64,
    pub(crate) store: Cache<Place, Entry>,
    pub(crate) flights: Tables,
    pub(crate) counters: Counters,
    /// The last number that was given to a generation of variants, or to a fetch of one request alone.
    numbers: AtomicU64,
    /// Fetches under way, those that were overtaken included.
    pub(crate) fills: AtomicUsize,
    /// Bytes of answers that are being read.
    pub(crate) buffered: AtomicU64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpCache").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is kept for a request.
pub(crate) struct Found {
    pub(crate) variant: Option<Vec<u8>>,
    pub(crate) entry: Option<Entry>,
    /// Whether something is kept of its address, be it for others.
    pub(crate) is_known: bool,
}

impl HttpCache {
    /// A cache that is called `name` in metrics.
    ///
    /// # Errors
    /// The first value that it cannot work with.
    pub fn new(name: &str, config: &HttpCacheConfig) -> Result<Self, InvalidConfig> {
        let rules = config.rules()?;
        // Nothing in it ends by itself: what an entry is good for is decided here, at the moment that a caller says.
        let (still, _) = Clock::manual();
        let largest = config.object_bytes_max + crate::limits::HEADER_BYTES_MAX as u64;
        let store = Cache::builder("http-cache")
            .capacity(config.capacity_bytes)
            .weigher(weigh)
            .weights(MEAN_BYTES, largest)
            .clock(still)
            .build()
            .map_err(|error| InvalidConfig { field: error.field, problem: error.problem })?;
        let inner = Inner {
            name: name.into(),
            rules,
            wait: config.wait,
            capacity_bytes: config.capacity_bytes,
            store,
            flights: Tables::new(),
            counters: Counters::default(),
            numbers: AtomicU64::new(0),
            fills: AtomicUsize::new(0),
            buffered: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How long a request waits for another that fetches the same, at the most; after that it
    /// [has waited too long](crate::Waited::too_long).
    pub fn wait(&self) -> Duration {
        self.inner.wait
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        self.inner.counters.read()
    }

    /// How it stands.
    pub fn describe(&self) -> Description {
        let inner = &*self.inner;
        Description {
            name: inner.name.to_string(),
            entries: inner.store.len(),
            bytes: inner.store.weight(),
            capacity_bytes: inner.capacity_bytes,
            buffered_bytes: inner.buffered.load(Ordering::Relaxed),
            fills: inner.fills.load(Ordering::Relaxed),
            evicted: inner.store.metrics().evicted,
            counts: self.counts(),
        }
    }
}

impl Inner {
    pub(crate) fn address(&self, head: &RequestHead<'_>) -> Option<String> {
        address(head.scheme, head.authority, head.path, head.query, &self.rules.query)
    }

    /// What is kept for a request; `None` if it says more than is looked at.
    pub(crate) fn find(&self, address: &str, request: &HeaderMap, now: Moment) -> Option<Found> {
        let first = self.store.get_at(&PlaceRef { address, variant: None }, now);
        let (generation, names) = match &first {
            Some(Entry::Varies(varies)) => (varies.generation, &varies.names),
            _ => (0, &self.rules.key_headers),
        };
        if names.is_empty() {
            return Some(Found { variant: None, is_known: first.is_some(), entry: first });
        }
        let variant = vary::variant(generation, names, request)?;
        let entry = self.store.get_at(&PlaceRef { address, variant: Some(&variant) }, now);
        Some(Found { variant: Some(variant), entry, is_known: first.is_some() })
    }

    /// Where an answer belongs that varies by `names`. What is kept of the address is told apart by all headers by which
    /// any of its answers varies, so that one that says less is not found by who says something else. `None` if these are
    /// too many. The table of the address is locked.
    pub(crate) fn place(
        &self,
        address: &Arc<str>,
        request: &HeaderMap,
        names: &[HeaderName],
    ) -> Option<Place> {
        let first = self.store.look(&PlaceRef { address, variant: None }).and_then(|known| known.value);
        let known = if let Some(Entry::Varies(varies)) = first { Some(varies) } else { None };
        let all = vary::union(known.as_ref().map_or(&self.rules.key_headers, |known| &known.names), names)?;
        if all.is_empty() {
            return Some(Place { address: Arc::clone(address), variant: None });
        }
        let generation = match known.filter(|known| known.names == all) {
            Some(known) => known.generation,
            None => {
                let generation = self.number();
                let varies = Entry::Varies(Arc::new(Varies { names: all.clone(), generation }));
                self.store.insert(Place { address: Arc::clone(address), variant: None }, varies);
                generation
            }
        };
        let variant = vary::variant(generation, &all, request)?;
        Some(Place { address: Arc::clone(address), variant: Some(variant.into()) })
    }

    /// A number that nothing else has; never 0.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Bytes that may stand in answers that are being read.
    pub(crate) fn buffered_max(&self) -> u64 {
        self.capacity_bytes / BUFFERED_PART
    }

    /// Says in `headers` what was done, if that is wanted.
    pub(crate) fn say(&self, done: Done, headers: &mut HeaderMap, times: Option<(&Times, Moment)>) {
        if self.rules.says_status {
            done.write(headers, times);
        }
    }
}
