//! What stands in the store: an answer, that the answers of an address vary, or that they are not kept.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{Response, StatusCode};
use mamparo_cache::Equivalent;
use mamparo_context::Moment;

use crate::core::freshness::Times;
use crate::core::request::Asked;
use crate::core::serve::{Kept, serve};
use crate::limits::{HEADER_OVERHEAD_BYTES, OVERHEAD_BYTES};

/// Under what something is kept: an address, and what the request said in the headers that its answers vary by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: Arc<str>,
    pub(crate) variant: Option<Arc<[u8]>>,
}

/// The same, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceRef<'a> {
    pub(crate) address: &'a str,
    pub(crate) variant: Option<&'a [u8]>,
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        PlaceRef { address: &self.address, variant: self.variant.as_deref() }.hash(state);
    }
}

impl Hash for PlaceRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
        self.variant.hash(state);
    }
}

impl Equivalent<Place> for PlaceRef<'_> {
    fn equivalent(&self, place: &Place) -> bool {
        *self.address == *place.address && self.variant == place.variant.as_deref()
    }
}

/// What is known of a place.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// An answer.
    Answer(Arc<Stored>),
    /// The answers of this address are told apart by what requests say.
    Varies(Arc<Varies>),
    /// What comes is not kept, until then at the least: requests do not wait for each other.
    Uncacheable(Moment),
}

/// The headers by which the answers of an address are told apart.
#[derive(Debug)]
pub(crate) struct Varies {
    pub(crate) names: Vec<HeaderName>,
    /// Part of the variants: when the address is purged, a new generation begins, and nothing of the old one is found.
    pub(crate) generation: u64,
}

/// An answer that is kept.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) times: Times,
    pub(crate) tags: Vec<Arc<str>>,
    /// Until when nothing is fetched, for a fetch has failed.
    quiet_until: AtomicU64,
}

impl Stored {
    pub(crate) fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
        times: Times,
        tags: Vec<Arc<str>>,
    ) -> Self {
        Self { status, headers, body, times, tags, quiet_until: AtomicU64::new(0) }
    }

    pub(crate) fn quiet_until(&self) -> Moment {
        Moment::from_nanos(self.quiet_until.load(Ordering::Relaxed))
    }

    pub(crate) fn be_quiet_until(&self, until: Moment) {
        self.quiet_until.fetch_max(until.as_nanos(), Ordering::Relaxed);
    }

    /// What a request gets of it.
    pub(crate) fn serve(&self, asked: &Asked, request: &HeaderMap, now: Moment) -> Response<Bytes> {
        let kept = Kept { status: self.status, headers: &self.headers, body: &self.body, times: &self.times };
        serve(kept, asked, request, now)
    }
}

/// Bytes that headers cost.
pub(crate) fn weight_of_headers(headers: &HeaderMap) -> usize {
    let weigh = |(name, value): (&HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES
    };
    headers.iter().map(weigh).sum()
}

/// Bytes that an entry costs.
pub(crate) fn weigh(place: &Place, entry: &Entry) -> u32 {
    let own = match entry {
        Entry::Answer(stored) => {
            let tags: usize = stored.tags.iter().map(|tag| tag.len() + 16).sum();
            stored.body.len() + weight_of_headers(&stored.headers) + tags
        }
        Entry::Varies(varies) => varies.names.iter().map(|name| name.as_str().len() + 32).sum(),
        Entry::Uncacheable(_) => 0,
    };
    let variant = place.variant.as_ref().map_or(0, |variant| variant.len());
    u32::try_from(own + place.address.len() + variant + OVERHEAD_BYTES).unwrap_or(u32::MAX)
}
