//! From the outbox of a ledger to a broker. Decides which row is sent when ([`core`]) and performs it ([`Relay`]).
//!
//! The promises:
//! - At least once: a row is forgotten only after the broker accepted it, so a crash sends rows again, under the
//!   same message id.
//! - Rows of one topic and key are accepted by the broker in the order in which they were committed. Rows
//!   without a key are free.
//! - A row that the broker refuses holds up its own key, not its topic; a topic whose broker is away holds up
//!   itself, not the others.
//! - A row that is refused [`Options::park_after`] times for what it is (not because the broker is away) is
//!   parked for a person, and holds up its key no more: what comes after it is sent without it.

pub mod core;
pub mod limits;
mod options;
mod publisher;
mod relay;
mod router;
mod status;
mod trace;

pub use options::Options;
pub use publisher::{LogPublisher, Publisher, QueuePublisher};
pub use relay::{Relay, Step};
pub use router::Router;
pub use status::Status;
