//! A ledger of real SQLite files as the journal of a cache.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail")]

mod crash;
mod journal;
