//! The suites that every backend must pass.

pub mod broker;
pub mod ledger;
pub mod programs;
pub mod write_behind;
