//! How a message is stored: what is the same in a queue, among dead letters and in a log.

use std::sync::Arc;

use bytes::Bytes;
use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Headers, Message, MessageId, PublishError};
use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Row};
use uuid::Uuid;

use crate::limits::PUBLISH_BYTES_MAX;

/// A message about to be stored, with what need not be worked out on the ledger's thread.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) message: Message,
    pub(crate) id: Uuid,
    /// The number of the topic it was published to.
    pub(crate) topic: i64,
    pub(crate) size: u64,
    pub(crate) headers: Option<String>,
}

impl Item {
    pub(crate) fn new(message: Message, id: Uuid, topic: i64) -> Self {
        let size = message.size() as u64;
        let headers = encode_headers(&message.headers);
        Self { message, id, topic, size, headers }
    }
}

/// Headers as a JSON array of pairs, so that a person can read them in the file; nothing for none.
fn encode_headers(headers: &Headers) -> Option<String> {
    if headers.is_empty() { None } else { serde_json::to_string(headers).ok() }
}

/// Headers as they were stored; none if they cannot be read.
pub(crate) fn decode_headers(stored: Option<&str>) -> Headers {
    stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The message in the columns uuid, key, headers, payload of `row` from column `first` on.
pub(crate) fn read(row: &Row, first: usize, topic: Arc<str>) -> Result<Message> {
    let headers: Option<String> = row.get(first + 2)?;
    Ok(Message {
        id: Some(MessageId(row.get(first)?)),
        topic,
        key: row.get(first + 1)?,
        headers: decode_headers(headers.as_deref()),
        payload: Bytes::from(row.get::<Vec<u8>>(first + 3)?),
        not_before: None,
    })
}

/// Whether the messages of one batch keep the limits, each and all together.
pub(crate) fn check_batch(messages: &[Message]) -> Result<(), PublishError> {
    if messages.len() > BATCH_MAX {
        return Err(PublishError::BatchTooLarge { count: messages.len(), max: BATCH_MAX });
    }
    messages.iter().try_for_each(Message::check)?;
    let bytes = messages.iter().map(Message::size).sum();
    if bytes > PUBLISH_BYTES_MAX {
        return Err(PublishError::TooLarge { part: "batch", bytes, max: PUBLISH_BYTES_MAX });
    }
    Ok(())
}

/// The earlier of two moments, where there is one.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
