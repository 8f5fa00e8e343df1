//! Takes the commands of sagas: a payment, and its undoing. What can be answered at once is; the rest waits for the
//! provider, which is asked after this transaction and never within it.

use mamparo_aggregate::Repository;
use mamparo_consumer::Reject;
use mamparo_ledger::{Message, Result, Tx};
use mamparo_saga::{Outcome, Request};
use serde_json::json;

use crate::limits::is_customer;
use crate::payment::{Move, Standing, capture, undo};
use crate::store::{Payment, Wanted};
use crate::wallet::{WalletCommand, WalletRefusal, Wallets};

/// The queue on which commands come.
pub const COMMANDS: &str = "payments.commands";

/// Takes one command.
pub(crate) async fn handle(wallets: &Repository<Wallets>, tx: &mut Tx<'_>, message: &Message) -> Result<()> {
    let request =
        Request::read(message).map_err(|error| Reject::new("no command of a saga").caused_by(error))?;
    // A compensation speaks of the command that it undoes: that is the payment.
    let id = request.undoes.as_ref().unwrap_or(&request.command).as_str().to_owned();
    let mut payment = match Payment::load(tx, &id).await? {
        Some(payment) => payment,
        None => {
            let wanted: Wanted =
                message.parse().map_err(|error| Reject::new("no payment").caused_by(error))?;
            Payment::new(&id, wanted, &request, tx.context())
        }
    };
    let next = match request.undoes {
        Some(_) => undo(&payment.standing),
        None => capture(payment.standing.clone()),
    };
    tracing::debug!(saga = %request.command.saga(), command = %request.command, standing = ?payment.standing,
        ?next, trace = %tx.context().trace().trace_id(), "payments command taken");
    payment.answer_to(&request);
    let outcome = match next {
        Move::Await => None,
        Move::Done => Some(done()),
        Move::Refuse(reason) => Some(Outcome::Refused(reason)),
        Move::Bury => {
            payment.standing = Standing::Voided;
            Some(done())
        }
        Move::Void { captured } => {
            payment.standing = Standing::Voiding { captured };
            payment.ask(tx).await?;
            None
        }
        Move::Hold => hold(wallets, tx, &mut payment).await?,
    };
    payment.store(tx).await?;
    match outcome {
        Some(outcome) => payment.answer(tx, &outcome).await,
        None => Ok(()),
    }
}

pub(crate) fn done() -> Outcome {
    Outcome::Succeeded(json!({}))
}

/// Holds the money and has it charged, or refuses.
async fn hold(
    wallets: &Repository<Wallets>,
    tx: &mut Tx<'_>,
    payment: &mut Payment,
) -> Result<Option<Outcome>> {
    let customer = payment.wanted.customer.clone();
    let command = WalletCommand::Hold { payment: payment.id.clone(), amount: payment.wanted.amount };
    let held = match is_customer(&customer) {
        true => wallets.execute(tx, &customer, &command).await.map(drop),
        false => Err(mamparo_ledger::Error::app(WalletRefusal::Unknown)),
    };
    match held {
        Ok(()) => {
            payment.standing = Standing::Charging;
            payment.ask(tx).await?;
            Ok(None)
        }
        Err(error) => match error.app_as::<WalletRefusal>() {
            Some(refusal) => {
                payment.standing = Standing::Refused(refusal.to_string());
                Ok(Some(Outcome::Refused(refusal.to_string())))
            }
            None => Err(error),
        },
    }
}
