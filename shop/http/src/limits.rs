//! Every bound of the shop's HTTP.

use std::time::Duration;

/// Largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Most bytes that are read of a body that is too large, before the connection is closed on it.
pub const THROWN_AWAY_MAX: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
pub const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How long the headers of a request may take to arrive.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Memory in which the headers of a request must fit, in bytes.
pub const HEADERS_BYTES_MAX: usize = 64 * 1024;
/// Connections that a service keeps open; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4_096;
/// How long a stopping service waits for the requests it has.
pub const DRAIN: Duration = Duration::from_secs(5);

/// How long an answer is remembered under its idempotency key.
pub const KEYS_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Most keys that are forgotten in one transaction.
pub const KEYS_FORGOTTEN_MAX: u32 = 1_000;

/// Idle connections that a client keeps.
pub const IDLE_MAX: usize = 128;
/// Largest answer that a client reads, in bytes.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a client tries to connect.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(1);
