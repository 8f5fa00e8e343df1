//! What a proxy sees of the cache.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail")]

mod histories;
mod keeping;
mod purging;
mod rig;
mod serving;
mod single_flight;
mod stale;
mod threads;
mod validating;
