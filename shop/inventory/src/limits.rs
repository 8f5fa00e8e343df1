//! Every bound of the stock.

use std::time::Duration;

/// Largest quantity of one delivery.
pub const DELIVERY_MAX: i64 = 1_000_000;
/// Largest quantity on hand.
pub const ON_HAND_MAX: i64 = 1_000_000_000_000;
/// Most lines of one reservation.
pub const LINES_MAX: usize = 100;
/// How long a message is leased, and extended while it is held: what a process that was killed had in its hands
/// waits for as long, which is far less than an order may take.
pub const LEASE: Duration = Duration::from_secs(3);
/// How often old idempotency keys are looked for.
pub const FORGET_EVERY: Duration = Duration::from_secs(60);
