//! Forgets inbox rows that no broker will repeat any more, a few at a time so that no writer waits long.

use std::time::Duration;

use mamparo_context::Context;
use mamparo_ledger::{Ledger, Result, Tx};

use crate::limits::{PRUNE_ROUNDS_MAX, PRUNE_ROWS};

/// Forgets the inbox rows that are older than `window`; answers with how many. Stops early after
/// [`PRUNE_ROUNDS_MAX`] transactions.
///
/// Cancel safe: what was forgotten stays so.
///
/// # Errors
/// The ledger cannot be written to.
pub async fn prune(ledger: &Ledger, window: Duration) -> Result<u64> {
    let before = ledger.clock().wall() - window;
    let mut forgotten = 0;
    for _ in 0..PRUNE_ROUNDS_MAX {
        let work = async move |tx: &mut Tx<'_>| tx.inbox_prune(before, PRUNE_ROWS).await;
        let now = ledger.transact(&Context::root(), work).await?;
        forgotten += now;
        if now < PRUNE_ROWS as u64 {
            break;
        }
    }
    Ok(forgotten)
}
