//! The bulkhead: so many calls of one dependency at the same time, and a short line before it.
#![doc = include_str!("../../../docs/policies/bulkhead.md")]

mod config;
mod core;
mod shared;
#[cfg(test)]
mod tests;

pub use config::BulkheadConfig;
pub use shared::{Bulkhead, BulkheadPass, BulkheadTicket};
