//! The best of what is known already: a cache that survives the failure of its source, and writes that survive the
//! failure of the process.
#![doc = include_str!("../README.md")]

pub mod limits;

mod behind;
mod cache;
mod codec;
pub mod core;
mod error;
pub mod flight;
#[doc = include_str!("../../../docs/caching.md")]
pub mod guide {}
pub mod journal;
mod metrics;
mod options;
pub mod second;
mod storage;
mod store;
mod sync;
mod tags;
mod through;

pub use behind::{
    Acknowledge, CloseError, OpenError, PutError, Status, WriteBehind, WriteBehindBuilder, WriteBehindOptions,
};
pub use cache::{Builder, Cache, Key, Known, Loaded, Reading, Value};
pub use codec::{Codec, Json};
pub use core::entry::Freshness;
pub use equivalent::Equivalent;
pub use error::{BoxError, LoadError};
pub use metrics::{CacheMetrics, Metrics};
pub use options::{Abandoned, CacheOptions, EntryOptions, InvalidOptions};
pub use store::{Change, Loader, Store};
pub use through::{ReadThrough, WriteError, WriteThrough};
