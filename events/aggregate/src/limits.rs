//! The limits of aggregates.

/// Events read at once when an aggregate is loaded.
pub const PAGE: usize = 500;
/// Longest chain of upcasters from an old event to the newest.
pub const UPCASTS_MAX: usize = 32;
/// Largest snapshot, in bytes; a larger state is not snapshot.
pub const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024;
/// How often a command is decided anew at most because somebody else was faster.
pub const TRIES_MAX: u32 = 100;
