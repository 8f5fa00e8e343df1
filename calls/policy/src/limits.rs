//! The limits of this crate: nothing that a policy keeps grows without a bound.

use std::time::Duration;

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
