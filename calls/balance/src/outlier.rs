//! Passive health: an endpoint whose answers are bad is left out for a while.

mod config;
pub(crate) mod core;
pub(crate) mod window;

pub use config::OutlierConfig;
pub use core::{Cause, Ejection};
