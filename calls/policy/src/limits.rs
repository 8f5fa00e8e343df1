//! The limits of this crate: nothing that a policy keeps grows without a bound.

use std::time::Duration;

/// Longest period of a rate limit.
pub const PERIOD_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Longest time that the burst of a rate limit may take to refill: beyond it the numbers of a bucket would end.
pub const RATE_BURST_SPAN_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Longest time that a call may be made to wait by a rate limit.
pub const RATE_WAIT_MAX: Duration = Duration::from_secs(3_600);

/// How much of a late wake-up a rate limit makes up for: timers are no finer than this, and without it each of them
/// would cost a part of the rate. At most this much of the rate is let go at once.
pub const RATE_CATCH_UP_MAX: Duration = Duration::from_millis(2);

/// Most keys that a keyed rate limit may be told to remember.
pub const RATE_KEYS_MAX: usize = 1 << 24;

/// Keys that a keyed rate limit remembers unless it is told otherwise.
pub const RATE_KEYS_DEFAULT: usize = 65_536;

/// Most keys with a quota of their own, in each part of a keyed rate limit.
pub const RATE_OWN_QUOTAS_MAX: usize = 4_096;

/// Most parts of a keyed map, each with a lock of its own.
pub const KEYED_SHARDS_MAX: usize = 64;

/// Keys below which a keyed map is not divided further.
pub const KEYED_SHARD_MIN: usize = 64;

/// Places that are looked at for each new key, to forget what can be forgotten.
pub const KEYED_SWEEP: usize = 4;

/// Places that are looked at for a new key when all are taken.
pub const KEYED_SWEEP_FULL: usize = 64;

/// Places of a part of a keyed map from which on it gives memory back.
pub const KEYED_SHRINK_MIN: usize = 64;

/// Calls of one shared rate limit that may ask the store at the same time.
pub const SHARED_ASKS_MAX: usize = 1_024;

/// Most tokens that a node takes from the store at once.
pub const SHARED_BLOCK_MAX: u32 = 1_000_000;

/// Longest time that a node may keep tokens that it took.
pub const SHARED_LEASE_MAX: Duration = Duration::from_secs(60);

/// Longest time that a store may take to answer, and longest pause after it has not.
pub const SHARED_WAIT_MAX: Duration = Duration::from_secs(60);

/// Most nodes that may share a quota.
pub const SHARED_NODES_MAX: u32 = 100_000;

/// Longest name of a quota in the store, in bytes.
pub const SHARED_KEY_MAX: usize = 512;

/// Longest time that a dependency may ask to be left alone; what asks for more is cut to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Most calls in the window of a breaker.
pub const BREAKER_WINDOW_CALLS_MAX: u32 = 10_000;
/// Longest time in the window of a breaker.
pub const BREAKER_WINDOW_TIME_MAX: Duration = Duration::from_secs(3_600);
/// Most calls at the same time that a bulkhead lets through.
pub const BULKHEAD_CALLS_MAX: u32 = 1_000_000;
/// Most calls that wait in one line.
pub const LINE_MAX: u32 = 100_000;
/// Most attempts of one call.
pub const ATTEMPTS_MAX: u32 = 10;
/// Most attempts of a hedged call beside the first.
pub const HEDGES_MAX: u32 = 3;

/// Calls that may wait in one line of the adaptive limit or of a lane, at most.
pub const OVERLOAD_LINE_MAX: usize = 65_536;
/// Highest concurrency that an adaptive limit may learn.
pub const CONCURRENCY_MAX: u32 = 1_000_000;
/// Bytes that are read of a file in which the kernel shows a figure, at most.
pub const FIGURE_BYTES_MAX: u64 = 16 * 1024;
/// Kinds of work whose cost a lane keeps apart; what comes after is reckoned as one.
pub const LANE_LABELS_MAX: usize = 256;
/// Threads of a lane, at most.
pub const LANE_THREADS_MAX: usize = 1_024;
/// Names of watched handlers that are counted apart; what comes after is counted as one.
pub const WATCH_NAMES_MAX: usize = 1_024;
/// How long nothing more is said of a handler that held its thread.
pub const WATCH_SAY_EVERY: Duration = Duration::from_secs(60);

/// Most calls of a trace.
pub const TRACE_CALLS_MAX: usize = 1_000_000;
/// Largest file of a trace, in bytes.
pub const TRACE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Latest moment at which a call of a trace may begin, and the longest time that it may take.
pub const TRACE_TIME_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Most layers of a replay.
pub const REPLAY_LAYERS_MAX: usize = 5;
/// Most attempts that reach the dependency in a replay; one that needs more is given up.
pub const REPLAY_ATTEMPTS_MAX: u64 = 20_000_000;
/// Most rows of the table of a replay; what comes later is counted in the last.
pub const REPLAY_ROWS_MAX: usize = 10_000;
/// Most changes of one breaker that the report of a replay lists.
pub const REPLAY_CHANGES_MAX: usize = 10_000;
/// Most requests that a dependency in a replay may serve at the same time.
pub const REPLAY_CAPACITY_MAX: u32 = 100_000;
