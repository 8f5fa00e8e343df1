//! The limits that every broker keeps, so that a message accepted by one is accepted by all.

/// Longest name of a topic, queue or consumer group, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 512;
/// Largest payload of a message, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Largest sum of header names and values of a message, in bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Most messages that one call publishes, receives or acknowledges.
pub const BATCH_MAX: usize = 1_000;

const _: () = assert!(HEADER_BYTES_MAX < PAYLOAD_BYTES_MAX);
