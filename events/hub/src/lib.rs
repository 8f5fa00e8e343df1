//! The embedded Log and Queue, over one ledger: every change is a ledger transaction, so that it shares the
//! group commit, the crash safety and the file of everything else in it. Decides what becomes of a message and of
//! a record; what an acknowledgement means is decided by the contracts in `mamparo-broker`.

#[cfg(feature = "client")]
mod client;
mod error;
mod hub;
mod keeper;
pub mod limits;
mod log;
mod message;
mod options;
mod plan;
mod queue;
mod schema;
#[cfg(feature = "server")]
mod server;
mod topics;
#[cfg(feature = "wire")]
#[cfg_attr(
    not(all(feature = "client", feature = "server")),
    allow(dead_code, reason = "one side needs half of the protocol")
)]
mod wire;

#[cfg(feature = "client")]
pub use client::{Client, ConnectError};
pub use error::OpenError;
pub use hub::Hub;
pub use options::{Backoff, LogOptions, QueueOptions, TopicError, TopicKind, TopicOptions};
#[cfg(feature = "server")]
pub use server::{Listener, ServeError, serve};
