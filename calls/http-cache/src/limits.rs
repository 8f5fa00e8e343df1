//! The limits of this crate: nothing that it keeps grows without a bound.

use std::time::Duration;

/// Bytes that a cache may be asked to hold.
pub const CAPACITY_BYTES_MAX: u64 = 1 << 40;
/// Bytes of the largest answer that a cache may be asked to keep.
pub const OBJECT_BYTES_MAX: u64 = 256 << 20;
/// So many of the largest answers a cache must have room for.
pub const OBJECTS_AT_LEAST: u64 = 8;
/// The share of a cache, one of so many parts, that may stand in answers that are still being read.
pub const BUFFERED_PART: u64 = 4;
/// Answers that are fetched at the same time; what comes beyond is passed by.
pub const FILLS_MAX: usize = 16_384;
/// Bytes of the address under which an answer is kept; what has a longer one is passed by.
pub const KEY_BYTES_MAX: usize = 8_192;
/// Bytes of the request's headers by which the variants of an answer are told apart.
pub const VARIANT_BYTES_MAX: usize = 4_096;
/// Headers by which the variants of one address are told apart, all its answers together.
pub const VARY_NAMES_MAX: usize = 16;
/// Bytes of the headers of an answer that is kept.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Bytes of one tag; an answer with a longer one is not kept, for it could not be purged.
pub const TAG_BYTES_MAX: usize = 256;
/// Names in one list of a configuration.
pub const NAMES_MAX: usize = 64;
/// How often one request waits for the fetch of another before it fetches by itself.
pub const WAITS_MAX: u8 = 3;
/// How long it is known that the answers of an address are not kept, so that its requests do not wait for each other.
pub const UNCACHEABLE_FOR: Duration = Duration::from_secs(120);
/// How long after a failure an address is left alone where there is an old answer, and its requests do not wait for each
/// other where there is none.
pub const FAILED_FOR: Duration = Duration::from_secs(1);
/// The longest time in a header; what is longer counts as this (RFC 9111, 1.2.2).
pub const SECONDS_MAX: u64 = 1 << 31;
/// The longest time in a configuration.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);
/// What an estimate by `Last-Modified` gives at the most.
pub const HEURISTIC_MAX: Duration = Duration::from_secs(86_400);
/// The longest that a request may be asked to wait for another.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// Bytes that an entry costs besides its key, headers and body.
pub const OVERHEAD_BYTES: usize = 512;
/// Bytes that a header costs besides its name and value.
pub const HEADER_OVERHEAD_BYTES: usize = 64;
