//! The limits of this crate: nothing that it keeps grows without a bound.

use std::time::Duration;

/// Loads of one cache that run at the same time, those included that nobody waits for any more.
pub const LOADS_MAX: usize = 16_384;
/// Callers that wait for one load.
pub const WAITERS_MAX: usize = 1 << 20;
/// Most that a cache may be asked to hold, in units of weight.
pub const CAPACITY_MAX: u64 = 1 << 40;
/// Entries that room is made for when a cache is built; more are made room for when they come.
pub const CAPACITY_AT_ONCE: u64 = 1 << 16;
/// Parts of a cache, each under a lock of its own, where it is known how heavy an entry may be.
pub const SHARDS_MAX: u64 = 64;
/// Tags that a cache knows at the same time; an entry whose tag finds no room is not kept.
pub const TAGS_MAX: usize = 1 << 16;
/// Tags of one entry.
pub const TAGS_PER_ENTRY: usize = 64;
/// Moments since when entries may no longer be true that are told apart; the oldest are counted as one.
pub const SUSPICIONS_MAX: usize = 16;
/// Longest time that can be asked for.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Length of the name of a cache.
pub const NAME_MAX: usize = 64;
/// Bytes of one record of a journal.
pub const RECORD_MAX: usize = 16 << 20;
/// Ids in one acknowledgement in a journal that is a file; more are several.
pub const ACKNOWLEDGED_AT_ONCE: usize = 65_536;
/// Bytes that a journal that is a file writes with one sync.
pub const GROUP_BYTES: usize = 4 << 20;
/// Requests that wait for the thread of a journal.
pub const JOURNAL_QUEUE: usize = 4_096;
/// A journal that is a file is not made smaller while it is smaller than this.
pub const COMPACT_BYTES: u64 = 4 << 20;
/// Writes that wait for the journal, and most that it is handed at once.
pub const WRITES_WAITING: usize = 16_384;
/// Records that are replayed at once.
pub const REPLAY_PAGE: usize = 1_024;
/// Keys that may be dirty, at the most that can be asked for.
pub const DIRTY_MAX: usize = 1 << 24;
/// Invalidations that wait for a second level; beyond, all of it is invalidated.
pub const RECOVERY_MAX: usize = 65_536;
