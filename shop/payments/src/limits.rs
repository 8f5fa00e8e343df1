//! Every bound of the payments.

use std::time::Duration;

/// Most money that a wallet holds and that a deposit brings, in minor units.
pub const MONEY_MAX: i64 = 1_000_000_000_000_000;
/// Longest name of a customer, in bytes.
pub const CUSTOMER_BYTES_MAX: usize = 64;
/// Movements that a wallet is shown with when nothing is said.
pub const MOVEMENTS: u32 = 100;
/// Most movements that a wallet is shown with.
pub const MOVEMENTS_MAX: u32 = 1_000;
/// How long a query waits until the read model has what was written before it.
pub const READ_YOUR_WRITE_WITHIN: Duration = Duration::from_secs(2);

/// Charges and refunds that are under way at the same time.
pub const CARDS_AT_ONCE_MAX: usize = 256;
/// How long one answer of the provider is waited for.
pub const PROVIDER_WITHIN: Duration = Duration::from_secs(3);
/// How long the provider is asked before somebody else gets the turn: less than an order waits for its payment.
pub const CARD_WITHIN: Duration = Duration::from_secs(8);
/// After which time the provider that refuses wants to be asked again.
pub const PROVIDER_BACK_WITHIN: Duration = Duration::from_secs(1);
/// First pause before the provider is asked again; it doubles.
pub const ASK_AGAIN_MIN: Duration = Duration::from_millis(100);
/// Longest pause before the provider is asked again.
pub const ASK_AGAIN_MAX: Duration = Duration::from_secs(1);
/// Events after which the state of a wallet is kept as a snapshot.
pub const SNAPSHOT_EVERY: u64 = 32;
/// How long a message is leased, and extended while it is held: what a process that was killed had in its hands
/// waits for as long, which is far less than an order may take.
pub const LEASE: Duration = Duration::from_secs(3);
/// How often old idempotency keys are looked for.
pub const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The limit of every card, in minor units: a higher charge is declined.
pub const CARD_LIMIT: i64 = 100_000_000_000;
/// How long the provider holds a request that it never answers.
pub const UNANSWERED_FOR: Duration = Duration::from_secs(60);
/// Charges in one page of a list.
pub const CHARGES_PAGE: u32 = 1_000;

/// Whether `name` can be a customer's: 1 to [`CUSTOMER_BYTES_MAX`] letters, digits, `-`, `_` and `.` of ASCII.
pub(crate) fn is_customer(name: &str) -> bool {
    (1..=CUSTOMER_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
