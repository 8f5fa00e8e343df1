//! Retry: asks again what may be asked again, after a pause, out of a budget that all calls of a target share.
#![doc = include_str!("../../../docs/policies/retry.md")]

mod budget;
mod config;
mod core;
mod layer;
#[cfg(test)]
mod tests;

pub use budget::{Budget, Withdrawal};
pub use config::{BackoffConfig, BudgetConfig, Jitter, Repeat, RetryConfig};
pub(crate) use core::may_repeat;
pub use core::{Again, End, GaveUp, Retry, Tries};
pub use layer::{RetryFuture, RetryLayer, RetryService};
