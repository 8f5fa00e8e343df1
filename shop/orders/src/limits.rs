//! Every bound of the orders.

use std::time::Duration;

/// Most lines of one order.
pub const LINES_MAX: usize = 100;
/// Largest quantity of one line.
pub const QUANTITY_MAX: i64 = 1_000_000;
/// Largest total of one order, in minor units.
pub const TOTAL_MAX: i64 = 1_000_000_000_000_000;
/// Largest price of one product, in minor units.
pub const PRICE_MAX: i64 = 1_000_000_000_000;
/// Longest sku, in bytes; a longer one is not looked for.
pub const SKU_BYTES_MAX: usize = 64;
/// Longest name of a customer, in bytes.
pub const CUSTOMER_BYTES_MAX: usize = 64;

/// How long an order may take until it turns back, when nothing is said.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// How long the answer to one command is waited for.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// First pause before a command is sent again; it doubles.
pub const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest pause before a command is sent again.
pub const RETRY_MAX: Duration = Duration::from_secs(2);

/// Longest time that a query waits for an order to be final; a longer wish is cut to it.
pub const WAIT_MAX: Duration = Duration::from_secs(10);
/// Queries that wait at the same time; the next one is refused.
pub const WAITING_MAX: usize = 10_000;
/// How long a query waits until the read model has what was written before it.
pub const READ_YOUR_WRITE_WITHIN: Duration = Duration::from_secs(2);
/// Orders in one page when nothing is said.
pub const PAGE: u32 = 50;
/// Most orders in one page.
pub const PAGE_MAX: u32 = 500;
/// Events that are read at once to tell those who wait.
pub const TELL_BATCH: usize = 256;
/// How long a message is leased, and extended while it is held: what a process that was killed had in its hands
/// waits for as long, which is far less than an order may take.
pub const LEASE: Duration = Duration::from_secs(3);
/// Products, and skus that are not sold, that are kept in memory.
pub const PRODUCTS_KEPT: u64 = 10_000;
/// How long a product that was read is known without another look.
pub const FRESH_FOR: Duration = Duration::from_secs(30);
/// Which share of that is taken away at random at the most, so that not all products are read at the same time.
pub const FRESH_JITTER: f64 = 0.1;
/// How long after that it is still shown at once, while it is read again.
pub const STALE_FOR: Duration = Duration::from_secs(60);
/// How long it is shown when it cannot be read.
pub const STALE_IF_ERROR_FOR: Duration = Duration::from_secs(3_600);
/// How long it is known that something is not sold.
pub const ABSENT_FOR: Duration = Duration::from_secs(5);
/// How often old idempotency keys are looked for.
pub const FORGET_EVERY: Duration = Duration::from_secs(60);
