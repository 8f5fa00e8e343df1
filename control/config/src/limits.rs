//! Everything here is bounded, and these are the bounds.

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most problems that one check reports.
pub const PROBLEMS_MAX: usize = 100;
/// Longest name of a service or an application, in bytes: it becomes a host name and a folder.
pub const NAME_BYTES_MAX: usize = 63;
/// Longest name of a topic, in bytes; no more than a broker takes.
pub const TOPIC_BYTES_MAX: usize = 200;
/// Most routes, services, topics or applications, each.
pub const ENTRIES_MAX: usize = 10_000;

const _: () = assert!(NAME_BYTES_MAX < TOPIC_BYTES_MAX);
