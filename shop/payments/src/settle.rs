//! What the provider said becomes part of the payment, the wallet and the answer, in one transaction.

use mamparo_aggregate::Repository;
use mamparo_ledger::{Result, Tx};
use mamparo_saga::Outcome;

use crate::commands::done;
use crate::payment::{Settlement, Standing, Told, settle};
use crate::store::{CARD, Payment};
use crate::wallet::{WalletCommand, Wallets};

/// Takes the provider's word for a payment.
pub(crate) async fn take(wallets: &Repository<Wallets>, tx: &mut Tx<'_>, id: &str, told: Told) -> Result<()> {
    let Some(mut payment) = Payment::load(tx, id).await? else {
        tx.clear_timer(CARD, id).await?;
        return Ok(());
    };
    let (id, order) = (payment.id.clone(), payment.wanted.order.clone());
    let release = WalletCommand::Release { payment: id.clone() };
    let (command, standing, outcome) = match settle(&payment.standing, told) {
        // The provider is to be asked something else: its timer stands.
        Settlement::Nothing => return Ok(()),
        Settlement::Capture => {
            (WalletCommand::Capture { payment: id.clone(), order }, Standing::Captured, done())
        }
        Settlement::Refuse(reason) => (release, Standing::Refused(reason.clone()), Outcome::Refused(reason)),
        Settlement::Fail(reason) => (release, Standing::Failed, Outcome::Failed(reason)),
        Settlement::Release => (release, Standing::Voided, done()),
        Settlement::Refund => {
            let amount = payment.wanted.amount;
            (WalletCommand::Refund { payment: id.clone(), order, amount }, Standing::Voided, done())
        }
    };
    wallets.execute(tx, &payment.wanted.customer, &command).await?;
    tracing::debug!(payment = %id, ?standing, trace = %tx.context().trace().trace_id(), "payment settled");
    payment.standing = standing;
    payment.store(tx).await?;
    tx.clear_timer(CARD, &id).await?;
    payment.answer(tx, &outcome).await
}
