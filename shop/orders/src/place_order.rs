//! The saga of an order: its money, then its goods. No goods: the money goes back. Neither in time: whatever may have
//! happened is undone.

use std::time::Duration;

use mamparo_aggregate::Repository;
use mamparo_consumer::Reject;
use mamparo_ledger::{Message, Result, Tx};
use mamparo_saga::{
    Action, BadMessage, Compensation, Data, Definition, DefinitionError, Retry, Saga, Sagas, State, Step,
    Stop, StopCause,
};
use serde_json::{Value, json};

use crate::limits::{ANSWER_WITHIN, RETRY_MAX, RETRY_MIN};
use crate::order::{OrderCommand, Orders, Placed};

/// The name of the saga.
pub const SAGA: &str = "place-order";
/// The queue on which its commands are answered.
pub const REPLIES: &str = "orders.replies";

const PAYMENTS: &str = "payments.commands";
const INVENTORY: &str = "inventory.commands";

/// The definition.
///
/// # Errors
/// The deadline is zero.
pub(crate) fn definition(deadline: Duration) -> std::result::Result<Definition, DefinitionError> {
    let patient = Retry::until_deadline().backoff(RETRY_MIN, RETRY_MAX);
    let payment = Step::message("payment", PAYMENTS)
        .payload(capture)
        .retry(patient)
        .answer_within(ANSWER_WITHIN)
        .compensate(
            Compensation::message(PAYMENTS).payload(capture).retry(patient).answer_within(ANSWER_WITHIN),
        );
    let inventory = Step::message("inventory", INVENTORY)
        .payload(|data| json!({"order": data.input()["order"], "lines": data.input()["lines"]}))
        .retry(patient)
        .answer_within(ANSWER_WITHIN)
        .compensate(Compensation::message(INVENTORY).retry(patient).answer_within(ANSWER_WITHIN));
    Saga::define(SAGA, 1).deadline(deadline).step(payment).step(inventory).build()
}

/// What the saga of an order is started with.
pub(crate) fn input(order: &str, placed: &Placed) -> Value {
    let lines: Vec<Value> =
        placed.lines.iter().map(|line| json!({"sku": line.sku, "quantity": line.quantity})).collect();
    json!({
        "order": order,
        "customer": placed.customer,
        "amount": placed.total,
        "currency": placed.currency,
        "lines": lines,
    })
}

fn capture(data: &Data) -> Value {
    let input = data.input();
    json!({
        "order": input["order"],
        "customer": input["customer"],
        "amount": input["amount"],
        "currency": input["currency"],
    })
}

/// The end of the saga is the end of the order, in the same transaction.
pub(crate) async fn ended(
    orders: &Repository<Orders>,
    tx: &mut Tx<'_>,
    state: &State,
    end: &Action,
) -> Result<()> {
    let order = state.id().as_str();
    let command = match end {
        Action::Complete { .. } => OrderCommand::Confirm,
        Action::Cancel(stop) => OrderCommand::Cancel(reason(stop)),
        Action::Park { step, reason, .. } => {
            tracing::error!(saga = order, step, reason, "a person must look after this order");
            return Ok(());
        }
        _ => return Ok(()),
    };
    tracing::debug!(order, saga = order, trace = %tx.context().trace().trace_id(), ?command, "order ended");
    orders.execute(tx, order, &command).await?;
    Ok(())
}

/// Why the order was cancelled, in words for its customer.
fn reason(stop: &Stop) -> String {
    match stop.cause {
        StopCause::Refused | StopCause::CancelRequested => stop.reason.clone(),
        StopCause::AttemptsUsedUp | StopCause::StepDeadline | StopCause::SagaDeadline => {
            format!("{} did not answer in time", stop.step)
        }
    }
}

/// Takes an answer to a command of the saga.
pub(crate) async fn reply(sagas: &Sagas, tx: &mut Tx<'_>, message: &Message) -> Result<()> {
    match sagas.reply(tx, message).await {
        Ok(_) => Ok(()),
        Err(error) if error.app_as::<BadMessage>().is_some() => {
            Err(Reject::new(format!("no answer to a saga: {error}")).into())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use mamparo_context::Timestamp;
    use mamparo_saga::{Input, Outcome};

    use super::*;

    #[test]
    fn the_saga_makes_sense_and_speaks_to_both_services() {
        let definition = definition(Duration::from_secs(30)).unwrap();
        let placed = Placed { customer: "ana".into(), lines: vec![], total: 7, currency: "ARS".into() };
        let now = Timestamp::from_micros(0);
        let mut state = State::new(&definition, "o-1".parse().unwrap(), input("o-1", &placed), now);
        let sent = |actions: Vec<Action>| {
            actions.into_iter().find_map(|action| match action {
                Action::Send(command) => Some(command),
                _ => None,
            })
        };
        let payment = sent(state.transition(&definition, Input::Start, now).unwrap()).unwrap();
        assert_eq!(payment.to, PAYMENTS);
        assert_eq!(
            payment.payload,
            json!({"order": "o-1", "customer": "ana", "amount": 7, "currency": "ARS"})
        );
        let outcome = Outcome::Succeeded(json!({}));
        let reply = Input::Reply { command: payment.id, attempt: 1, outcome };
        let inventory = sent(state.transition(&definition, reply, now).unwrap()).unwrap();
        assert_eq!(
            (inventory.to.as_str(), &inventory.payload),
            (INVENTORY, &json!({"order": "o-1", "lines": []}))
        );
        let outcome = Outcome::Refused("no stock of mate".into());
        let reply = Input::Reply { command: inventory.id, attempt: 1, outcome };
        let refund = sent(state.transition(&definition, reply, now).unwrap()).unwrap();
        assert_eq!((refund.to.as_str(), refund.undoes.unwrap().as_str()), (PAYMENTS, "o-1/payment/do"));
    }

    #[test]
    fn a_zero_deadline_is_refused() {
        assert!(definition(Duration::ZERO).is_err());
    }
}
