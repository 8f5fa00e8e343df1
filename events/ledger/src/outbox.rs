//! Messages that were published in a transaction and wait for the relay.

use mamparo_context::Timestamp;

use crate::Message;

/// A message that waits in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place in the outbox: rows of one key are sent in this order.
    pub id: u64,
    /// When it was published.
    pub at: Timestamp,
    /// What is to be sent; its id is always set.
    pub message: Message,
    /// Why it was parked for a person, if it was.
    pub parked: Option<String>,
}
