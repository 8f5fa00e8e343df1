//! Events become a read model: the Q of CQRS.
//!
//! A [`Runner`] reads the events of a ledger in order and hands them to a [`Projection`], several in one
//! transaction, which moves the checkpoint too: the read model is at every moment exactly what the events up to its
//! checkpoint say, whatever crashes. A query that must see a certain write waits for its position
//! ([`Handle::wait_for`]). An event that the projection cannot apply is tried again, and then its stream is parked:
//! the others go on, and [`Status`] shows it.
//!
//! ```no_run
//! # async fn example(ledger: mamparo_ledger::Ledger, shutdown: impl Future<Output = ()> + Send)
//! #     -> Result<(), Box<dyn std::error::Error>> {
//! use mamparo_ledger::{Recorded, Result, Tx, params};
//! use mamparo_projection::{Options, Projection, Runner};
//!
//! struct OrdersByDay;
//!
//! impl Projection for OrdersByDay {
//!     fn name(&self) -> &str { "orders-by-day" }
//!
//!     async fn apply(&self, tx: &mut Tx<'_>, event: &Recorded) -> Result<()> {
//!         if &*event.kind == "OrderPlaced" {
//!             let day = event.at.to_string()[..10].to_owned();
//!             tx.sql("UPDATE orders_by_day SET orders = orders + 1 WHERE day = ?1", params![day]).await?;
//!         }
//!         Ok(())
//!     }
//!
//!     async fn clear(&self, tx: &mut Tx<'_>) -> Result<()> {
//!         tx.sql("DELETE FROM orders_by_day", params![]).await.map(drop)
//!     }
//! }
//!
//! let runner = Runner::open(ledger, OrdersByDay, Options::default()).await?;
//! let handle = runner.handle();
//! runner.run(shutdown).await;
//! # Ok(()) }
//! ```

mod handle;
mod keeper;
pub mod limits;
mod options;
mod parked;
mod projection;
mod runner;
mod schema;
mod status;

pub use handle::{Handle, NotYet};
pub use options::Options;
pub use parked::Parked;
pub use projection::Projection;
pub use runner::{Runner, Step};
pub use status::Status;
