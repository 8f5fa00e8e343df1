//! Everything here is bounded, and these are the bounds.

use std::time::Duration;

/// Name of the socket in the data folder of its process.
pub const SOCKET_NAME: &str = "admin.sock";
/// Connections at the same time; one more is closed.
pub const CONNECTIONS_MAX: usize = 32;
/// Largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest answer that the client reads, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a client may take to send its headers.
pub const HEADER_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take.
pub const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Entries of a list where the caller does not say how many.
pub const PAGE_DEFAULT: usize = 100;
/// Most entries of a list.
pub const PAGE_MAX: usize = 1_000;
/// Longest path of a Unix socket that every system takes, in bytes.
pub const SOCKET_PATH_BYTES_MAX: usize = 100;

const _: () = assert!(PAGE_DEFAULT <= PAGE_MAX && PAGE_MAX <= mamparo_ledger::limits::PAGE_MAX);
