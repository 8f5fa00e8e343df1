//! The read model of wallets: balances and movements, made of the events of their streams.

use mamparo_aggregate::{Aggregate, Upcasters, decode};
use mamparo_ledger::{Error, Ledger, ReadError, Recorded, Result, Row, Tx, params};
use mamparo_projection::Projection;
use serde_json::{Value, json};

use crate::limits::MOVEMENTS_MAX;
use crate::wallet::{Captured, Deposited, Held, Refunded, Released, WalletEvent, Wallets};

/// The projection.
pub(crate) struct WalletView;

impl Projection for WalletView {
    fn name(&self) -> &str {
        "wallets"
    }

    async fn apply(&self, tx: &mut Tx<'_>, event: &Recorded) -> Result<()> {
        if event.stream.category() != Wallets::CATEGORY {
            return Ok(());
        }
        let Some((_, customer)) = event.stream.as_str().split_once('-') else { return Ok(()) };
        // What changes of the balance and of what is held, and the movement that a person sees.
        let (balance, held, seen) = match decode(event, &Upcasters::none()).map_err(Error::app)? {
            WalletEvent::Opened(_) => (0, 0, None),
            WalletEvent::Deposited(Deposited { amount }) => (amount, 0, Some(("deposit", None))),
            WalletEvent::Held(Held { amount, .. }) => (0, amount, None),
            WalletEvent::Released(Released { amount, .. }) => (0, -amount, None),
            WalletEvent::Captured(Captured { order, amount, .. }) => {
                (-amount, -amount, Some(("payment", Some(order))))
            }
            WalletEvent::Refunded(Refunded { order, amount, .. }) => {
                (amount, 0, Some(("refund", Some(order))))
            }
        };
        let sql = "INSERT INTO wallet (customer, balance, held) VALUES (?1, ?2, ?3) ON CONFLICT (customer)
                   DO UPDATE SET balance = balance + excluded.balance, held = held + excluded.held";
        tx.sql(sql, params![customer, balance, held]).await?;
        if let Some((kind, order)) = seen {
            let sql = "INSERT INTO movement (position, customer, kind, amount, order_id, at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            tx.sql(sql, params![event.position, customer, kind, balance, order, event.at]).await?;
        }
        Ok(())
    }

    async fn clear(&self, tx: &mut Tx<'_>) -> Result<()> {
        tx.sql("DELETE FROM wallet", params![]).await?;
        tx.sql("DELETE FROM movement", params![]).await?;
        Ok(())
    }
}

/// The wallet of a customer with its movements after number `after`, at most `limit` of them.
pub(crate) async fn wallet(
    ledger: &Ledger,
    customer: &str,
    after: u64,
    limit: u32,
) -> Result<Option<Value>, ReadError> {
    let found =
        ledger.query("SELECT balance, held FROM wallet WHERE customer = ?1", params![customer]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let sql = "SELECT position, kind, amount, order_id, at FROM movement
               WHERE customer = ?1 AND position > ?2 ORDER BY position LIMIT ?3";
    let limit = limit.clamp(1, MOVEMENTS_MAX);
    let rows = ledger.query(sql, params![customer, after, limit]).await?;
    let unreadable = |error: Error| ReadError::Unavailable(error.to_string());
    let movements: Vec<Value> = rows.iter().map(movement).collect::<Result<_>>().map_err(unreadable)?;
    let next =
        (movements.len() == limit as usize).then(|| movements.last().map(|last| last["n"].clone())).flatten();
    let (balance, held) = (row.get::<i64>(0).map_err(unreadable)?, row.get::<i64>(1).map_err(unreadable)?);
    Ok(Some(json!({
        "customer": customer,
        "balance": money(balance),
        "held": money(held),
        "movements": movements,
        "next": next,
    })))
}

fn movement(row: &Row) -> Result<Value> {
    let (n, kind, amount): (u64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (order, at): (Option<String>, mamparo_context::Timestamp) = (row.get(3)?, row.get(4)?);
    let mut movement = json!({"n": n, "at": at.to_string(), "kind": kind, "amount": money(amount)});
    if let Some(order) = order {
        movement["order"] = order.into();
    }
    Ok(movement)
}

/// Money as the shop writes it: minor units and a currency.
pub(crate) fn money(amount: i64) -> Value {
    json!({"amount": amount, "currency": "ARS"})
}
