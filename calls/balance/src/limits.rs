//! The limits of this crate: nothing that a balancer keeps grows without a bound.

use std::time::Duration;

/// Most endpoints of one balancer.
pub const ENDPOINTS_MAX: usize = 1_024;

/// Highest weight of an endpoint.
pub const WEIGHT_MAX: u32 = 1_000_000;

/// Places in the table of consistent hashing: a prime, far above a hundred for each endpoint that services have. It is
/// the same however many endpoints there are, because another size would move every key.
pub const MAGLEV_PLACES: usize = 65_537;

/// Places that are looked at for a key before any endpoint takes it.
pub const MAGLEV_PROBES: u64 = 16;

/// Most turns in one round of weighted round robin; weights that need more are rounded.
pub const ROTATION_TURNS_MAX: usize = 16_384;

/// Draws for a repeat that must not go where it was already; after them the endpoints are looked through in order.
pub const REDRAWS: u64 = 4;

/// Steps in which an endpoint in its slow start takes more load.
pub const SLOW_START_STEPS: u32 = 32;

/// The share of its weight that an endpoint has at the beginning of its slow start.
pub const SLOW_START_LEAST: f64 = 0.1;

/// Longest time span in a configuration of a balancer.
pub const SPAN_MAX: Duration = Duration::from_secs(3_600);

/// Longest path, and longest name of a service, that a health check may ask for, in bytes.
pub const CHECK_TEXT_BYTES_MAX: usize = 1_024;

/// Most probes in a row that may be asked for before the health of an endpoint changes.
pub const CHECK_THRESHOLD_MAX: u32 = 100;

const _: () = assert!(MAGLEV_PLACES > 50 * ENDPOINTS_MAX && ROTATION_TURNS_MAX >= 16 * ENDPOINTS_MAX);
const _: () = assert!(ENDPOINTS_MAX <= u16::MAX as usize);
