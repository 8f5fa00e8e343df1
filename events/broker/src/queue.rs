//! The contract of a work queue: every message is leased to one consumer, which acknowledges it or gives it back.

use std::time::Duration;

use mamparo_context::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BoxFuture, Capabilities, Message, MessageId, PublishError, QueueError};

/// Proof that a message is leased; void once the lease has run out, so that a late consumer cannot acknowledge
/// what somebody else is working on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Receipt {
    /// Which queue.
    pub queue: String,
    /// Which message, by the broker's own number.
    pub sequence: u64,
    /// Which lease of it.
    pub lease: u64,
}

/// A message handed out under a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// To acknowledge it with.
    pub receipt: Receipt,
    /// What was published; its id is always set.
    pub message: Message,
    /// Which delivery of the message this is, counted from 1. A lease that was released does not count.
    pub attempt: u32,
    /// When the lease runs out.
    pub leased_until: Timestamp,
    /// Why the attempt before this one failed, if it did.
    pub last_error: Option<String>,
}

/// How to lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Most messages at once.
    pub max: usize,
    /// How long they are leased: the visibility timeout.
    pub visibility: Duration,
    /// How long to wait for the first message; zero answers at once.
    pub wait: Duration,
}

/// A message that could not be handled, kept for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The broker's own number of it.
    pub sequence: u64,
    /// The queue it came from.
    pub queue: String,
    /// Its id.
    pub id: MessageId,
    /// Its key.
    pub key: Option<String>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its payload, as text where it is text.
    pub payload: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it failed: the error and its causes.
    pub error: String,
    /// When it was given up.
    pub dead_since: Timestamp,
}

/// How a queue stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// Messages that could be leased now.
    pub ready: u64,
    /// Messages that wait for their moment.
    pub delayed: u64,
    /// Messages under a live lease.
    pub leased: u64,
    /// Dead letters.
    pub dead: u64,
}

/// A work queue. Every answer comes after the change is as durable as [`Capabilities::durable`] says.
///
/// Acknowledgements of void receipts are not errors: the methods return how many receipts were live. All methods
/// may be dropped at any await: the change then happened or did not.
pub trait Queue: Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Accepts all messages or none, each into the queue named by its topic. A message without an id is given
    /// one. Returns their ids.
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<MessageId>, PublishError>>;

    /// Leases up to `lease.max` messages, in order; an empty answer means that none came in time.
    fn receive<'a>(
        &'a self,
        queue: &'a str,
        lease: Lease,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, QueueError>>;

    /// The messages are done and are forgotten.
    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>>;

    /// The message failed; it is delivered again after `delay`, or becomes a dead letter when the attempts of
    /// its queue are used up.
    fn nack<'a>(
        &'a self,
        receipt: &'a Receipt,
        delay: Duration,
        error: &'a str,
    ) -> BoxFuture<'a, Result<usize, QueueError>>;

    /// The message can never be handled; it becomes a dead letter at once.
    fn reject<'a>(&'a self, receipt: &'a Receipt, error: &'a str)
    -> BoxFuture<'a, Result<usize, QueueError>>;

    /// More time: the leases run out `visibility` from now.
    fn extend<'a>(
        &'a self,
        receipts: &'a [Receipt],
        visibility: Duration,
    ) -> BoxFuture<'a, Result<usize, QueueError>>;

    /// Gives the messages back at once, without counting as an attempt: what a consumer does when it stops.
    fn release<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>>;

    /// Dead letters of one queue, or of all, by number after `after`.
    fn dead_letters<'a>(
        &'a self,
        queue: Option<&'a str>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>>;

    /// Puts a dead letter back into its queue as a fresh message under the same id.
    fn redrive(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>>;

    /// Forgets a dead letter for good.
    fn discard(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>>;

    /// How every queue stands.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueInfo>, QueueError>>;
}
