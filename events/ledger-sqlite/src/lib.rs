//! The embedded ledger: SQLite with one writer and group commit.
//!
//! Many callers' units of work, each in a savepoint of its own, share one transaction and so one `fdatasync`;
//! every answer waits for the commit of its group. Modules bear the names of the contract's, so that one can hop
//! between contract and engine.
#![doc = include_str!("../README.md")]

mod checkpoints;
mod counters;
mod engine;
mod error;
mod events;
mod group;
mod inbox;
pub mod limits;
mod lock;
mod migration;
mod open;
mod options;
mod outbox;
mod readers;
mod row;
mod timers;
mod transaction;
mod wal;
mod writer;

pub use options::{Durability, Options};
