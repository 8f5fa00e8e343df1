//! The limits of a consumer.

use std::time::Duration;

/// Most handlers of one subscription at the same time.
pub const CONCURRENCY_MAX: usize = 1_024;
/// Most messages leased ahead of the handlers, for each subscription.
pub const PREFETCH_MAX: usize = 4_096;
/// Acknowledgements that wait for the broker, from which on nothing more is leased.
pub const ACKS_MAX: usize = 4_096;
/// Longest error kept with a dead letter, in bytes.
pub const ERROR_BYTES_MAX: usize = 4_000;
/// Deepest chain of causes written into an error.
pub const CAUSES_MAX: usize = 16;
/// Inbox rows forgotten in one transaction.
pub const PRUNE_ROWS: usize = 500;
/// Transactions of one round of pruning; what is left waits for the next round.
pub const PRUNE_ROUNDS_MAX: usize = 200;
/// Pause after the broker failed.
pub const BROKER_PAUSE: Duration = Duration::from_millis(250);
/// Pause after the ledger failed, unless it says otherwise.
pub const LEDGER_PAUSE: Duration = Duration::from_millis(100);
/// Records of a log that one transaction applies at most.
pub const RECORDS_PER_TRANSACTION: usize = 64;
/// Records of a log held in memory, for each subscription.
pub const RECORDS_MAX: usize = 4_096;
