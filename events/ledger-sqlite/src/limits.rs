//! The limits of the embedded ledger.

use std::time::Duration;

/// Most units of work in one group.
pub const GROUP_UNITS_MAX: usize = 512;
/// Longest time that units of work are added to a group, so that the first of them does not wait for ever.
pub const GROUP_TIME_MAX: Duration = Duration::from_millis(5);
/// Prepared statements that each connection keeps.
pub const STATEMENTS_MAX: usize = 256;
/// Streams whose id and version the writer remembers.
pub const STREAMS_REMEMBERED_MAX: usize = 65_536;
/// Bytes that are written to the log before they are copied into the database in the background.
pub const WAL_BYTES_PER_COPY: u64 = 4 * 1024 * 1024;
/// Size of the write-ahead log from which on it is started anew when no reader is in the way, in bytes.
pub const WAL_BYTES_SOFT: u64 = 16 * 1024 * 1024;
/// Size of the write-ahead log from which on the writer waits for the readers that are in the way, in bytes.
pub const WAL_BYTES_HARD: u64 = 64 * 1024 * 1024;
/// Longest time that committed pages stay only in the write-ahead log.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Reads that may wait for a reader; the next one is refused.
pub const WAITING_READS_MAX: usize = 4_096;
/// Longest time a read may take: no snapshot lives longer.
pub const READ_TIME_MAX: Duration = Duration::from_secs(1);
/// How much of the file readers map instead of copying it. The file never shrinks while it is open.
pub const READ_MAP_BYTES: u64 = 64 * 1024 * 1024;
/// Memory that the writer keeps pages in, in KiB.
pub const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Memory that each other connection keeps pages in, in KiB.
pub const READER_CACHE_KIB: i64 = 2 * 1024;
/// A file that was not closed is checked on opening up to this size; a larger one takes too long.
pub const CHECK_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a foreign tool's lock on the database is waited for.
pub const FOREIGN_LOCK_WAIT: Duration = Duration::from_secs(5);

const _: () = assert!(WAL_BYTES_PER_COPY < WAL_BYTES_SOFT && WAL_BYTES_SOFT < WAL_BYTES_HARD);
