//! The limits of a projection.

/// Most events applied in one transaction.
pub const BATCH_MAX: usize = 1_000;
/// Most streams parked at the same time; the next one that fails holds up the whole projection.
pub const PARKED_MAX: u64 = 1_000;
/// Longest error kept with a parked stream, in bytes.
pub const ERROR_BYTES_MAX: usize = 2_000;
/// Events of a parked stream that one transaction applies when it goes on.
pub const RESUME_BATCH: usize = 200;
