//! The one place where the calls and the events meet: a cache writes behind into the journal that a ledger keeps.
#![doc = include_str!("../README.md")]

pub mod limits;

mod error;
mod journal;
mod key;
mod schema;

pub use error::OpenError;
pub use journal::LedgerJournal;
