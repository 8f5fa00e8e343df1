//! The read model of orders: one row for each, made of the events of its stream.

use mamparo_aggregate::{Aggregate, Upcasters, decode};
use mamparo_context::Timestamp;
use mamparo_ledger::{Error, Ledger, Param, ReadError, Recorded, Result, Row, Tx, params};
use mamparo_projection::Projection;
use serde_json::{Value, json};

use crate::order::{OrderEvent, Orders};

/// The words for where an order stands.
pub(crate) const STATUSES: [&str; 3] = ["PENDING", "CONFIRMED", "CANCELLED"];

/// The projection.
pub(crate) struct OrderView;

/// The id of the order whose event this is.
pub(crate) fn order_of(event: &Recorded) -> Option<&str> {
    let (category, id) = event.stream.as_str().split_once('-')?;
    (category == Orders::CATEGORY).then_some(id)
}

impl Projection for OrderView {
    fn name(&self) -> &str {
        "orders"
    }

    async fn apply(&self, tx: &mut Tx<'_>, event: &Recorded) -> Result<()> {
        let Some(id) = order_of(event) else { return Ok(()) };
        match decode(event, &Upcasters::none()).map_err(Error::app)? {
            OrderEvent::Placed(placed) => {
                let lines = serde_json::to_string(&placed.lines).map_err(Error::app)?;
                let sql = "INSERT INTO order_view (id, customer, status, lines, total, currency, placed_at)
                           VALUES (?1, ?2, 'PENDING', ?3, ?4, ?5, ?6)";
                let (customer, total, currency) = (placed.customer, placed.total, placed.currency);
                tx.sql(sql, params![id, customer, lines, total, currency, event.at]).await?;
            }
            OrderEvent::Confirmed(_) => end(tx, id, "CONFIRMED", None, event.at).await?,
            OrderEvent::Cancelled(cancelled) => {
                end(tx, id, "CANCELLED", Some(&cancelled.reason), event.at).await?;
            }
        }
        Ok(())
    }

    async fn clear(&self, tx: &mut Tx<'_>) -> Result<()> {
        tx.sql("DELETE FROM order_view", params![]).await.map(drop)
    }
}

async fn end(tx: &mut Tx<'_>, id: &str, status: &str, reason: Option<&str>, at: Timestamp) -> Result<()> {
    let sql = "UPDATE order_view SET status = ?1, reason = ?2, ended_at = ?3 WHERE id = ?4";
    tx.sql(sql, params![status, reason, at, id]).await.map(drop)
}

const COLUMNS: &str = "id, customer, status, reason, lines, total, currency, placed_at, ended_at";

/// One order, and whether it is final.
pub(crate) async fn one(ledger: &Ledger, id: &str) -> Result<Option<(Value, bool)>, ReadError> {
    let sql = format!("SELECT {COLUMNS} FROM order_view WHERE id = ?1");
    let rows = ledger.query(&sql, params![id]).await?;
    let order = rows.first().map(shown).transpose().map_err(unreadable)?;
    Ok(order.map(|order| {
        let is_final = order["status"] != "PENDING";
        (order, is_final)
    }))
}

/// Orders by id behind `after`, at most `limit`, all or those of one status or customer.
pub(crate) async fn list(
    ledger: &Ledger,
    status: Option<&str>,
    customer: Option<&str>,
    after: &str,
    limit: u32,
) -> Result<Vec<Value>, ReadError> {
    let mut sql = format!("SELECT {COLUMNS} FROM order_view WHERE id > ?1");
    let mut values = vec![Param::Text(after)];
    for (column, wanted) in [("status", status), ("customer", customer)] {
        if let Some(wanted) = wanted {
            values.push(Param::Text(wanted));
            sql.push_str(&format!(" AND {column} = ?{}", values.len()));
        }
    }
    values.push(Param::Integer(limit.into()));
    sql.push_str(&format!(" ORDER BY id LIMIT ?{}", values.len()));
    let rows = ledger.query(&sql, &values).await?;
    rows.iter().map(|row| shown(row).map_err(unreadable)).collect()
}

fn shown(row: &Row) -> Result<Value> {
    let (id, customer, status): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (reason, lines): (Option<String>, String) = (row.get(3)?, row.get(4)?);
    let (total, currency): (i64, String) = (row.get(5)?, row.get(6)?);
    let (placed, ended): (Timestamp, Option<Timestamp>) = (row.get(7)?, row.get(8)?);
    let lines: Vec<crate::order::Line> = serde_json::from_str(&lines).map_err(Error::app)?;
    let money = |amount: i64| json!({"amount": amount, "currency": currency});
    let lines: Vec<Value> = lines
        .into_iter()
        .map(|line| json!({"sku": line.sku, "quantity": line.quantity, "price": money(line.price)}))
        .collect();
    let mut history = vec![json!({"at": placed.to_string(), "event": "OrderPlaced"})];
    if let Some(ended) = ended {
        let event = if status == "CONFIRMED" { "OrderConfirmed" } else { "OrderCancelled" };
        let mut end = json!({"at": ended.to_string(), "event": event});
        if let Some(reason) = &reason {
            end["reason"] = reason.as_str().into();
        }
        history.push(end);
    }
    let mut order = json!({
        "id": id,
        "customer": customer,
        "status": status,
        "lines": lines,
        "total": money(total),
        "history": history,
    });
    if let Some(reason) = reason {
        order["reason"] = reason.into();
    }
    Ok(order)
}

fn unreadable(error: Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}
