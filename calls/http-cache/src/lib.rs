//! A shared HTTP cache for a proxy (RFC 9111): answers from memory what it may, says what to forward otherwise, and keeps
//! what comes back while it streams to the client. It does no I/O, has no clock and needs no runtime.
#![doc = include_str!("../README.md")]

pub mod core;
pub mod limits;

mod begin;
mod bypass;
mod cache;
mod config;
mod counts;
mod entry;
mod fill;
mod flights;
pub mod metrics;
mod purge;
mod waiter;
mod when;

pub use begin::Begin;
pub use bypass::Bypass;
pub use cache::{Answer, HttpCache};
pub use config::{HttpCacheConfig, InvalidConfig};
pub use core::request::{Reason, RequestHead};
pub use counts::{Counts, Description};
pub use fill::{Fill, Verdict};
pub use purge::{InvalidPurge, Purge};
pub use waiter::{Waited, Waiter};
pub use when::When;
