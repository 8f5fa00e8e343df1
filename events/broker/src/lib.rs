//! The two ways in which a fact is carried: a [`Log`] that is replayed by offset, and a [`Queue`] whose messages
//! are leased one by one. Decides what an adapter must promise; carries nothing itself.
//!
//! The two are never blurred into one "publish and subscribe": what an acknowledgement covers, in which order
//! messages come and who owns the retries differ, and an adapter declares what it cannot do in its
//! [`Capabilities`], which are checked when a pipeline is built.

mod capabilities;
mod error;
pub mod limits;
mod log;
mod message;
mod queue;

pub use capabilities::{Capabilities, Capability, Missing, Order};
pub use error::{LogError, PublishError, QueueError};
pub use log::{Assignment, Group, Log, Record, Start, TopicInfo};
pub use message::{Headers, Message, MessageId};
pub use queue::{DeadLetter, Delivery, Lease, Queue, QueueInfo, Receipt};

/// What an asynchronous method of a contract returns.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
