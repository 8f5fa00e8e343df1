//! The limits of this crate: nothing that a transformation keeps or writes grows without a bound.

use std::time::Duration;

/// Rules of headers in one list of a route, such as those to set on requests.
pub const HEADER_RULES_MAX: usize = 64;

/// Length of the value of a header that is written by a rule, in bytes, variables included.
pub const HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;

/// Origins that one route names.
pub const ORIGINS_MAX: usize = 256;

/// Length of an origin that is looked at, in bytes; a longer one is not allowed. 253 for the longest host, and room
/// for scheme and port.
pub const ORIGIN_BYTES_MAX: usize = 300;

/// Methods or headers that one list of CORS names.
pub const CORS_NAMES_MAX: usize = 128;

/// Longest time for which a preflight answer may be kept. Browsers cut it further: two hours, or a day.
pub const CORS_MAX_AGE_MAX: Duration = Duration::from_secs(86_400);

/// Longest time for which a browser may be told to insist on TLS.
pub const HSTS_MAX_AGE_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Kinds of content that one route compresses.
pub const CONTENT_TYPES_MAX: usize = 128;

/// Smallest answers, in bytes, that a route may leave alone.
pub const COMPRESS_MIN_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes that are given to a coder at once; between two such pieces it is looked whether enough has come out.
pub const COMPRESS_STEP_BYTES: usize = 16 * 1024;

/// Bytes of compressed data from which on a frame is sent.
pub const COMPRESS_FRAME_BYTES: usize = 16 * 1024;

/// Bytes that one poll gives to a coder where next to nothing comes out; then others are let to work first.
pub const COMPRESS_POLL_BYTES: usize = 128 * 1024;

/// Bytes of an answer of known length that a coder may keep while nothing more comes; beyond them, and for every
/// answer of unknown length, it is flushed.
pub const COMPRESS_HELD_BYTES: usize = 32 * 1024;

/// Window of the coders of brotli and zstd, as a power of two in bytes: 256 KiB. It bounds what an answer occupies
/// while it is sent (RFC 9659 would allow 8 MiB).
pub const COMPRESS_WINDOW_BITS: u32 = 18;

/// Members of an `accept-encoding` that are looked at.
pub const ACCEPTED_CODINGS_MAX: usize = 32;

/// Trailers of a gRPC answer as one message, in bytes.
pub const GRPC_TRAILERS_BYTES_MAX: usize = 64 * 1024;

/// A body that is held to be rewritten or to be shown to a hook, in bytes, unless it is said otherwise.
pub const HELD_BODY_BYTES_DEFAULT: usize = 64 * 1024;

/// The largest body that may be held, in bytes.
pub const HELD_BODY_BYTES_MAX: usize = 1024 * 1024;

/// What a template may write, in bytes: a placeholder can stand in it more than once.
pub const TEMPLATE_OUTPUT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Values in a template, nested ones included.
pub const TEMPLATE_VALUES_MAX: usize = 1024;

/// Values within values in a template, and names in a path into a body.
pub const TEMPLATE_DEPTH_MAX: usize = 32;

/// Hops of a request that are looked at, from the nearest on.
pub const HOPS_MAX: usize = 32;

/// Networks that are trusted.
pub const NETWORKS_MAX: usize = 256;

/// Length of all lines of a header about hops, in bytes; longer ones are dropped.
pub const FORWARDED_BYTES_MAX: usize = 8 * 1024;

/// The answer of an external hook, in bytes.
pub const HOOK_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Headers that an external hook is shown, and those that it may change in one list.
pub const HOOK_HEADERS_MAX: usize = 64;

/// Longest time that an external hook may be given.
pub const HOOK_TIMEOUT_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(HELD_BODY_BYTES_DEFAULT <= HELD_BODY_BYTES_MAX);
const _: () = assert!(HELD_BODY_BYTES_MAX <= TEMPLATE_OUTPUT_BYTES_MAX);
const _: () = assert!(COMPRESS_WINDOW_BITS >= 10 && COMPRESS_WINDOW_BITS <= 23);
