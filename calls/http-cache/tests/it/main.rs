//! What a proxy sees of the cache.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail")]

mod keeping;
mod purging;
mod rig;
mod serving;
mod stale;
mod validating;
