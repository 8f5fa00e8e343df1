//! What a user of the crate sees.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail")]

mod behind;
mod crash;
mod life;
mod redis;
mod second;
mod single_flight;
mod support;
mod through;
