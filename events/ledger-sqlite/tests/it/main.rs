//! The embedded ledger against the contract, and against what only an embedded ledger can meet.

mod contract;
mod disk;
mod opening;
mod writing;
