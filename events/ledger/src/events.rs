//! Events and the streams they belong to.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mamparo_context::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::{EVENT_BYTES_MAX, KIND_BYTES_MAX, STREAM_BYTES_MAX};
use crate::{Error, Headers, Result};

/// The name of a stream, by custom `category-id`, such as `order-0198f…`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// The stream of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The stream `category-id`.
    pub fn of(category: &str, id: impl fmt::Display) -> Self {
        Self(format!("{category}-{id}").into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `-`: the kind of thing whose history this is.
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or(&self.0, |(category, _)| category)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Arc<str>> for StreamName {
    fn from(name: Arc<str>) -> Self {
        Self(name)
    }
}

/// Where the appender expects the stream to be: the guard against writing over what one has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anywhere.
    Any,
    /// It does not exist.
    NoStream,
    /// It exists.
    Exists,
    /// At this version, which is the number of its events; `Version(0)` is `NoStream`.
    Version(u64),
}

impl Expected {
    /// Whether a stream at version `actual` (0 = it does not exist) is where it is expected.
    pub const fn admits(self, actual: u64) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => actual == 0,
            Self::Exists => actual > 0,
            Self::Version(version) => actual == version,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream => f.write_str("no stream"),
            Self::Exists => f.write_str("an existing stream"),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// An event that is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Given by the appender, or by the engine.
    pub id: Option<Uuid>,
    /// The type of the event, a name that outlives the code's: `OrderPlaced`.
    pub kind: Arc<str>,
    /// What happened; opaque to the ledger.
    pub data: Bytes,
    /// About the event: causation, actor, trace.
    pub metadata: Headers,
}

impl NewEvent {
    /// An event of these bytes.
    pub fn new(kind: &str, data: impl Into<Bytes>) -> Self {
        Self { id: None, kind: kind.into(), data: data.into(), metadata: Headers::new() }
    }

    /// An event whose data is `value` as JSON.
    ///
    /// # Errors
    /// `value` cannot be written as JSON.
    pub fn json(kind: &str, value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::new(kind, serde_json::to_vec(value)?))
    }

    /// The same event under an id of the appender's own.
    #[must_use]
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// The same event with one more line of metadata.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether it keeps the limits.
    ///
    /// # Errors
    /// Names the first limit it breaks.
    pub fn check(&self) -> Result<()> {
        let metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        check_size("the type of an event", self.kind.len(), KIND_BYTES_MAX)?;
        check_size("an event", self.data.len() + metadata, EVENT_BYTES_MAX)
    }
}

impl StreamName {
    /// Whether it keeps the limits.
    ///
    /// # Errors
    /// It is too long.
    pub fn check(&self) -> Result<()> {
        check_size("the name of a stream", self.0.len(), STREAM_BYTES_MAX)
    }
}

pub(crate) fn check_size(what: &'static str, size: usize, max: usize) -> Result<()> {
    if size > max { Err(Error::TooLarge { what, size, max }) } else { Ok(()) }
}

/// An event in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place among all events, counted from 1 without gaps.
    pub position: u64,
    /// Its stream.
    pub stream: StreamName,
    /// Its place in the stream, counted from 1 without gaps.
    pub version: u64,
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub kind: Arc<str>,
    /// What happened.
    pub data: Bytes,
    /// About the event, as stored: a JSON array of pairs, or empty. [`Recorded::metadata`] reads it.
    pub raw_metadata: Bytes,
    /// When it was appended.
    pub at: Timestamp,
}

impl Recorded {
    /// What was recorded about the event; empty when nothing was, or when it cannot be read.
    pub fn metadata(&self) -> Headers {
        serde_json::from_slice(&self.raw_metadata).unwrap_or_default()
    }

    /// Its data read as JSON.
    ///
    /// # Errors
    /// The data is not JSON, or not of this shape.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.data)
    }
}

/// Where an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The version of the stream after it.
    pub version: u64,
    /// The position of its last event; that of the ledger when nothing was appended.
    pub position: u64,
}
