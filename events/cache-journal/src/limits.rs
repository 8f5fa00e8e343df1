//! The limits of a journal in a ledger: what one transaction of it takes, and what it keeps.

/// Longest name of a journal, in bytes.
pub const NAME_MAX: usize = 64;
/// Records that a journal keeps when nothing is said; an append beyond is refused.
pub const RECORDS_MAX: u64 = 1 << 20;
/// Bytes of one record.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Records in one append, which is one transaction: as many as a cache hands over at once.
pub const APPEND_RECORDS_MAX: usize = 16_384;
/// Bytes in one append.
pub const APPEND_BYTES_MAX: usize = 32 << 20;
/// Acknowledged records that one transaction removes; more are several transactions, so that nobody who shares the
/// ledger waits for long.
pub const ACKNOWLEDGED_AT_ONCE: usize = 1_024;
/// Records that are replayed at once.
pub const REPLAY_RECORDS_MAX: usize = 1_024;
/// Bytes from which on no further record is replayed at once.
pub const REPLAY_BYTES: usize = 8 << 20;

const _: () = assert!(APPEND_RECORDS_MAX >= mamparo_cache::limits::WRITES_WAITING);
const _: () = assert!(RECORD_BYTES_MAX <= APPEND_BYTES_MAX);
