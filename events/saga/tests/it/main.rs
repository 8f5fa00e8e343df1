//! One binary: the runner on a ledger, and properties of the core over random interleavings, against a model of the
//! callees.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod callee;
mod plan;
mod properties;
mod runner;
mod world;
