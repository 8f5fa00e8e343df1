//! What is carried: a payload with an id, a topic, an optional key and headers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mamparo_context::{Carrier, Clock, Context, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::PublishError;
use crate::limits::{HEADER_BYTES_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// The id under which a message takes effect once, however often it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub Uuid);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Headers in the order in which they were set; names are lower case.
pub type Headers = Vec<(String, String)>;

/// A message on its way. Cheap to clone but for its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Given by the publisher, or at the latest by the outbox or the broker that accepts it.
    pub id: Option<MessageId>,
    /// The topic or queue it is meant for.
    pub topic: Arc<str>,
    /// Messages of one key keep their order.
    pub key: Option<Arc<str>>,
    /// Names are lower case.
    pub headers: Headers,
    /// What is said; opaque to every broker.
    pub payload: Bytes,
    /// Not delivered before this moment, by a queue that can delay.
    pub not_before: Option<Timestamp>,
}

impl Message {
    /// A message of these bytes.
    pub fn new(topic: &str, payload: impl Into<Bytes>) -> Self {
        Self {
            id: None,
            topic: topic.into(),
            key: None,
            headers: Headers::new(),
            payload: payload.into(),
            not_before: None,
        }
    }

    /// A message whose payload is `value` as JSON.
    ///
    /// # Errors
    /// `value` cannot be written as JSON, such as a map whose keys are not text.
    pub fn json(topic: &str, value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::new(topic, serde_json::to_vec(value)?).header("content-type", "application/json"))
    }

    /// The same message under an id of the publisher's own.
    #[must_use]
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(MessageId(id));
        self
    }

    /// The same message with a key: messages of one key keep their order.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same message with one more header; `name` is made lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// The same message, not to be delivered before `at`.
    #[must_use]
    pub fn not_before(mut self, at: Timestamp) -> Self {
        self.not_before = Some(at);
        self
    }

    /// The same message carrying `cx` (trace, deadline, criticality, key, principal) in its headers.
    #[must_use]
    pub fn in_context(mut self, cx: &Context, clock: &Clock) -> Self {
        mamparo_context::message::write(cx, clock, &mut self.headers);
        self
    }

    /// The context that travels with it.
    pub fn context(&self, clock: &Clock) -> Context {
        mamparo_context::message::read(clock, &self.headers)
    }

    /// The first value of the header `name` (lower case).
    pub fn get_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Its payload read as JSON.
    ///
    /// # Errors
    /// The payload is not JSON, or not of this shape.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.payload)
    }

    /// Bytes it takes on the wire and on disk, near enough for back pressure.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        48 + self.topic.len() + self.key.as_deref().map_or(0, str::len) + headers + self.payload.len()
    }

    /// Whether it keeps the limits of [`crate::limits`].
    ///
    /// # Errors
    /// Names the first limit it breaks.
    pub fn check(&self) -> Result<(), PublishError> {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let parts = [
            ("topic", self.topic.len(), NAME_BYTES_MAX),
            ("key", self.key.as_deref().map_or(0, str::len), KEY_BYTES_MAX),
            ("headers", headers, HEADER_BYTES_MAX),
            ("payload", self.payload.len(), PAYLOAD_BYTES_MAX),
        ];
        if self.topic.is_empty() {
            return Err(PublishError::NoTopic);
        }
        match parts.into_iter().find(|(_, bytes, max)| bytes > max) {
            Some((part, bytes, max)) => Err(PublishError::TooLarge { part, bytes, max }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_by_their_part() {
        assert_eq!(Message::new("orders", "x").check(), Ok(()));
        assert_eq!(Message::new("", "x").check(), Err(PublishError::NoTopic));
        let part = |message: Message| match message.check() {
            Err(PublishError::TooLarge { part, .. }) => part,
            other => panic!("{other:?}"),
        };
        assert_eq!(part(Message::new(&"t".repeat(201), "x")), "topic");
        assert_eq!(part(Message::new("t", "x").key(&"k".repeat(513))), "key");
        assert_eq!(part(Message::new("t", "x").header("H", &"v".repeat(16 * 1024))), "headers");
        assert_eq!(part(Message::new("t", vec![0; 1024 * 1024 + 1])), "payload");
    }

    #[test]
    fn the_context_travels_in_the_headers() {
        let (clock, _) = Clock::manual();
        let cx = Context::root();
        let message = Message::json("orders", &42).unwrap().in_context(&cx, &clock);
        assert_eq!(message.context(&clock).trace(), cx.trace());
        assert_eq!(message.parse::<u32>().unwrap(), 42);
        assert_eq!(message.get_header("content-type"), Some("application/json"));
    }
}
