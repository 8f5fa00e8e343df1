//! The contract of a ledger: ONE transaction over user tables, events, outbox, inbox, timers and checkpoints.
//!
//! Decides what a unit of work may do and what its answer means; performs nothing itself. An engine
//! (`mamparo-ledger-sqlite` and its kin) implements [`Engine`] and [`Driver`].
//!
//! The promises, the same for every engine:
//! - What [`Ledger::transact`] answered with `Ok` is committed and on disk.
//! - What it answered with an error had no effect, except [`Error::Indeterminate`], which says so.
//! - Positions of events are gap-free and in commit order: a reader never skips an event that commits late.

mod engine;
mod error;
pub mod events;
pub mod inbox;
mod ledger;
pub mod limits;
mod migration;
pub mod outbox;
mod row;
mod tail;
pub mod timers;
mod transaction;
mod unit;
mod work;

pub use engine::{Driver, Engine, Head, Stats};
pub use error::{Error, OpenError, ReadError, Result};
pub use events::{Appended, Expected, NewEvent, Recorded, StreamName};
pub use inbox::Receipt;
pub use ledger::Ledger;
pub use mamparo_broker::{Headers, Message, MessageId};
pub use migration::{Migration, Migrations};
pub use outbox::OutboxRow;
pub use row::{FromValue, Param, Row, Rows, ToParam, Value};
pub use tail::Tail;
pub use timers::Timer;
pub use transaction::Tx;
pub use unit::{RunFuture, Unit};
pub use work::Work;
