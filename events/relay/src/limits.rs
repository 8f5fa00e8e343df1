//! The limits of a relay.

use std::time::Duration;

/// Most rows held in memory, those under way included.
pub const WINDOW_ROWS_MAX: usize = 8_192;
/// Bytes of messages held in memory, from which on no further rows are read.
pub const WINDOW_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most rows read at once.
pub const PAGE_ROWS_MAX: usize = 2_000;
/// Bytes of one batch, from which on no further message is added.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows that a topic keeps in memory while its broker is away; the others are read again once it is back.
pub const BLOCKED_TOPIC_ROWS: usize = 64;
/// Topics remembered while nothing of them waits.
pub const TOPICS_MAX: usize = 1_000;
/// Most sent rows forgotten in one transaction: a few milliseconds of the writer.
pub const FORGET_MAX: usize = 1_000;
/// Sent rows not yet forgotten, from which on no further rows are sent.
pub const SENT_MAX: usize = 65_536;
/// Parked rows looked at in one sweep.
pub const SWEEP_MAX: usize = 256;
/// Parked rows known by their id, so that a person's decision about them is noticed without a restart.
pub const PARKED_MAX: usize = 10_000;
/// Longest reason kept with a parked row, in bytes.
pub const WHY_BYTES_MAX: usize = 2_000;
/// First pause after the ledger failed; it doubles up to [`LEDGER_PAUSE_MAX`].
pub const LEDGER_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause after the ledger failed.
pub const LEDGER_PAUSE_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(BLOCKED_TOPIC_ROWS < WINDOW_ROWS_MAX && PAGE_ROWS_MAX <= WINDOW_ROWS_MAX);
