//! From a broker to a handler, whose effect comes once whatever the broker repeats.
//!
//! A handler runs in ONE transaction of the ledger, whose first act is the row of the inbox (from a queue) or whose
//! last is the checkpoint (from a log). What fails is judged by [`verdict`]: tried again after a pause that grows,
//! or made a dead letter with the whole chain of its causes; when it is the ledger that fails, the messages are
//! given back without counting as an attempt.
//!
//! ```no_run
//! # async fn example(ledger: mamparo_ledger::Ledger, queue: std::sync::Arc<dyn mamparo_broker::Queue>,
//! #     shutdown: impl Future<Output = ()> + Send) -> Result<(), Box<dyn std::error::Error>> {
//! use mamparo_consumer::{Consumer, Options};
//! use mamparo_ledger::params;
//!
//! let mut consumer = Consumer::new(ledger, queue, Options::default())?;
//! consumer.subscribe("orders.created", "inventory", async |tx, message| {
//!     let sku: String = message.parse().map_err(mamparo_ledger::Error::app)?;
//!     tx.sql("UPDATE stock SET reserved = reserved + 1 WHERE sku = ?1", params![sku]).await?;
//!     Ok(())
//! });
//! consumer.run(shutdown).await;
//! # Ok(()) }
//! ```

mod consumer;
pub mod core;
mod handler;
mod inbox;
pub mod limits;
mod log;
mod options;
mod reject;
mod status;
mod subscription;
mod trace;
pub mod verdict;

pub use consumer::{Consumer, Statuses};
pub use inbox::prune;
pub use log::{LogConsumer, LogOptions};
pub use options::{Expired, Options};
pub use reject::{Reject, chain};
pub use status::Status;
pub use verdict::Verdict;
