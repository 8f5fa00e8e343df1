//! The suites that every backend must pass.

pub mod ledger;
pub mod programs;
