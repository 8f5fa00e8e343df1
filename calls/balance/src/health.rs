//! Active health: endpoints are probed, and those that do not answer as they should are left out.

mod config;
mod core;

pub use config::{Check, HealthConfig, HttpCheck, StatusRange};
pub use core::{Checks, Health, Transition};
