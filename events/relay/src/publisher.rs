//! Where rows go: a broker, seen through the one operation that a relay needs.

use std::sync::Arc;

use mamparo_broker::{BoxFuture, Capability, Log, Message, Missing, PublishError, Queue};

/// Where a relay sends to.
pub trait Publisher: Send + Sync + 'static {
    /// Accepts all messages or none, in order; durable once answered. A relay sends messages of one topic only.
    ///
    /// May be dropped at any await: the messages were then accepted or not, and are sent again.
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), PublishError>>;
}

/// Sends into queues.
pub struct QueuePublisher(Arc<dyn Queue>);

impl QueuePublisher {
    /// Sends into the queues of `queue`.
    ///
    /// # Errors
    /// The broker does not keep what it accepts on disk.
    pub fn new(queue: Arc<dyn Queue>) -> Result<Self, Missing> {
        queue.capabilities().require("a relay into queues", &[Capability::Lease, Capability::Durable])?;
        Ok(Self(queue))
    }
}

impl Publisher for QueuePublisher {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async { self.0.publish(messages).await.map(drop) })
    }
}

/// Sends into logs.
pub struct LogPublisher(Arc<dyn Log>);

impl LogPublisher {
    /// Sends into the topics of `log`.
    ///
    /// # Errors
    /// The broker does not keep what it accepts on disk.
    pub fn new(log: Arc<dyn Log>) -> Result<Self, Missing> {
        log.capabilities().require("a relay into logs", &[Capability::Replay, Capability::Durable])?;
        Ok(Self(log))
    }
}

impl Publisher for LogPublisher {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async { self.0.append(messages).await.map(drop) })
    }
}
