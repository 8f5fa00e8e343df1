//! The circuit breaker: stops asking a dependency that does not work, and finds out when it works again.
#![doc = include_str!("../../../docs/policies/breaker.md")]

mod config;
mod core;
mod shared;
#[cfg(test)]
mod tests;
mod window;

pub use config::{BreakerConfig, HalfOpenConfig, OpenConfig, SlowCallConfig, WindowConfig};
pub use core::{BreakerPass, BreakerState};
pub use shared::Breaker;
