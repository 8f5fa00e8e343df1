//! What a route changes about requests and answers on their way.

pub mod limits;

mod config;
mod fields;
mod names;
mod variables;

mod body;

pub mod compress;
pub mod cors;
pub mod headers;

pub use body::BodyError;
pub use config::InvalidConfig;
pub use variables::{Variable, Variables};
