//! The limits that every engine keeps.

use std::time::Duration;

/// Longest name of a stream, in bytes.
pub const STREAM_BYTES_MAX: usize = 255;
/// Longest type name of an event, in bytes.
pub const KIND_BYTES_MAX: usize = 200;
/// Largest event, in bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Most events that one append takes.
pub const EVENTS_PER_APPEND_MAX: usize = 1_000;
/// Most rows that one query answers with; a longer answer is read in pages.
pub const ROWS_MAX: usize = 10_000;
/// Most rows in one page of events, outbox rows or timers.
pub const PAGE_MAX: usize = 10_000;
/// Largest payload of a timer, in bytes.
pub const TIMER_BYTES_MAX: usize = 64 * 1024;
/// Units of work that may wait for the writer; the next one is refused.
pub const WAITING_UNITS_MAX: usize = 8_192;
/// What a refused caller is told to wait.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_millis(100);

const _: () = assert!(EVENTS_PER_APPEND_MAX <= PAGE_MAX);
