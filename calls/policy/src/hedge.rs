//! Hedge: a call that takes longer than most is made a second time, and the first answer counts.
#![doc = include_str!("../../../docs/policies/hedge.md")]

mod config;
mod core;
mod latency;
#[cfg(test)]
mod tests;

pub use config::HedgeConfig;
pub(crate) use core::{Due, Start};
pub use core::{Hedge, Race};
