//! Durable timers: set, moved and cleared in the transaction of the change that they belong to.

use bytes::Bytes;
use mamparo_context::Timestamp;

/// A timer; one for each owner and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Which part of the program it wakes.
    pub owner: String,
    /// Which timer of that part.
    pub key: String,
    /// When it fires; not before.
    pub due: Timestamp,
    /// What it says when it fires.
    pub payload: Bytes,
}
