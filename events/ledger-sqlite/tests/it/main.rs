//! The embedded ledger against the contract, and against what only an embedded ledger can meet.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod contract;
mod disk;
mod opening;
mod synced;
mod writing;
