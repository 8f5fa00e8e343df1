//! The best of what is known already: a cache that survives the failure of its source, and writes that survive the
//! failure of the process.
#![doc = include_str!("../README.md")]

pub mod limits;

mod cache;
pub mod core;
mod error;
mod flight;
mod metrics;
mod options;
mod storage;
mod sync;
mod tags;

pub use cache::{Builder, Cache, Key, Known, Loaded, Value};
pub use core::entry::Freshness;
pub use equivalent::Equivalent;
pub use error::{BoxError, LoadError};
pub use metrics::{CacheMetrics, Metrics};
pub use options::{Abandoned, CacheOptions, EntryOptions, InvalidOptions};
