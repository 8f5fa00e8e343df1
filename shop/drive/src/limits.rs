//! Every bound of a drive.

use std::time::Duration;

/// Most orders of one drive.
pub const ORDERS_MAX: u64 = 10_000_000;
/// Most orders under way at the same time.
pub const CONCURRENCY_MAX: usize = 4_096;
/// How long one call is waited for; longer than the shop lets a query wait.
pub const CALL_WITHIN: Duration = Duration::from_secs(15);
/// How long a call is repeated while the shop cannot be reached or is busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// First pause before a call is repeated; it doubles.
pub const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Longest pause before a call is repeated.
pub const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long an order may take to be final.
pub const FINAL_WITHIN: Duration = Duration::from_secs(120);
/// Customers with money, at most.
pub const CUSTOMERS_MAX: u64 = 50;
/// How often the whole is checked, for others may be moving it meanwhile.
pub const AUDITS_MAX: u32 = 5;
