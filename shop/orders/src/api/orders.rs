//! Orders are placed, looked at and listed.

use std::time::Duration;

use axum::extract::State;
use http::{HeaderMap, Uri};
use mamparo_context::Clock;
use mamparo_ledger::{Error, Tx};
use mamparo_saga::SagaId;
use mamparo_shop_http::{Command, Path, Problem, Stored, context, one_of, query, remember, remembered};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Face;
use super::products::unreadable;
use crate::catalogue::{CURRENCY, money};
use crate::limits::{PAGE, PAGE_MAX, READ_YOUR_WRITE_WITHIN, WAIT_MAX};
use crate::order::{Nonsense, OrderCommand, Wanted, priced};
use crate::place_order::{SAGA, input};
use crate::view::{self, STATUSES};

impl From<Nonsense> for Problem {
    fn from(nonsense: Nonsense) -> Self {
        let detail = nonsense.to_string();
        match nonsense {
            Nonsense::Customer => Problem::impossible("customer-malformed", detail),
            Nonsense::Lines(count) => Problem::impossible("lines-out-of-range", detail).with("lines", count),
            Nonsense::UnknownSku { sku } => Problem::impossible("unknown-sku", detail).with("sku", sku),
            Nonsense::Quantity { sku, quantity } => Problem::impossible("quantity-out-of-range", detail)
                .with("sku", sku)
                .with("quantity", quantity),
            Nonsense::Total => Problem::impossible("total-out-of-range", detail),
        }
    }
}

/// Places an order: the key with its answer, the event and the start of the saga are one transaction.
pub(crate) async fn place(State(face): State<Face>, command: Command) -> Result<Stored, Problem> {
    let (wanted, request) = command.parse::<Wanted>()?;
    let prices = face.catalogue.prices(&command.cx, &wanted.lines).await.map_err(unreadable)?;
    let placed = priced(wanted, &prices, CURRENCY)?;
    let id = face.ids.next().to_string();
    let saga: SagaId = id.parse().map_err(|error| Problem::from(Error::app(error)))?;
    let trace = command.cx.trace().trace_id();
    let body =
        json!({"id": id, "customer": placed.customer, "status": "PENDING", "total": money(placed.total)});
    let answer = Stored { status: 202, location: Some(format!("/orders/{id}")), body: body.to_string() };
    let (key, start) = (command.key, input(&id, &placed));
    let (orders, sagas, place) = (face.orders, face.sagas, OrderCommand::Place(placed));
    let work = async move |tx: &mut Tx<'_>| {
        if let Some(stored) = remembered(tx, &key, &request).await? {
            return Ok(stored);
        }
        orders.execute(tx, saga.as_str(), &place).await?;
        sagas.start(tx, SAGA, saga.clone(), start.clone()).await?;
        remember(tx, &key, &request, &answer).await?;
        Ok(answer.clone())
    };
    let stored = face.ledger.transact(&command.cx, work).await?;
    tracing::debug!(order = stored.location.as_deref(), %trace, "order accepted");
    Ok(stored)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    wait: Option<String>,
}

/// Shows an order, at once or as soon as it is final. It waits for everything that was written before it was asked,
/// so that a Location which was answered is always there.
pub(crate) async fn look(
    State(face): State<Face>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<axum::Json<Value>, Problem> {
    let wait = match query::<Look>(&uri)?.wait {
        Some(text) => Some(time(&text)?),
        None => None,
    };
    let left = context(&headers)?.remaining(&Clock::system()).unwrap_or(WAIT_MAX);
    // Joined before the order is looked at: what happens in between is not missed.
    let waiter = wait.map(|wait| (face.waiters.join(&id), wait.min(left)));
    let written = face.ledger.head().borrow().position;
    let (order, is_final) = read(&face, &id, written).await?;
    let Some((waiter, wait)) = waiter.filter(|_| !is_final) else { return Ok(axum::Json(order)) };
    let mut waiter = waiter.ok_or_else(|| {
        Problem::unavailable("busy", "too many requests wait for orders", Duration::from_secs(1))
    })?;
    match waiter.wait(wait).await {
        Some(position) => Ok(axum::Json(read(&face, &id, position).await?.0)),
        None => Ok(axum::Json(order)),
    }
}

async fn read(face: &Face, id: &str, position: u64) -> Result<(Value, bool), Problem> {
    let late = |_| {
        Problem::unavailable("not-yet", "the orders are being brought up to date", READ_YOUR_WRITE_WITHIN)
    };
    face.view.wait_for(position, READ_YOUR_WRITE_WITHIN).await.map_err(late)?;
    let unknown = || Problem::not_found("unknown-order", format!("there is no order {id}"));
    view::one(&face.ledger, id).await?.ok_or_else(unknown)
}

/// A time such as `5s` or `250ms`, cut to the longest wait.
fn time(text: &str) -> Result<Duration, Problem> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis(1)),
        None => (text.strip_suffix('s').unwrap_or(text), Duration::from_secs(1)),
    };
    let number: u32 = number.parse().map_err(|_| {
        let detail = "wait is a time such as 5s or 250ms";
        Problem::malformed("malformed-query", detail).with("parameter", "wait")
    })?;
    Ok(unit.saturating_mul(number).min(WAIT_MAX))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    status: Option<String>,
    customer: Option<String>,
    #[serde(default)]
    after: String,
    #[serde(default = "page")]
    limit: u32,
}

fn page() -> u32 {
    PAGE
}

/// Lists orders by id, which is by time; it too waits for what was written before it was asked.
pub(crate) async fn list(State(face): State<Face>, uri: Uri) -> Result<axum::Json<Value>, Problem> {
    let filter: Filter = query(&uri)?;
    let status = filter.status.map(|status| one_of("status", &status, &STATUSES)).transpose()?;
    let limit = filter.limit.clamp(1, PAGE_MAX);
    let written = face.ledger.head().borrow().position;
    face.view.wait_for(written, READ_YOUR_WRITE_WITHIN).await.map_err(|_| {
        Problem::unavailable("not-yet", "the orders are being brought up to date", READ_YOUR_WRITE_WITHIN)
    })?;
    let orders = view::list(&face.ledger, status, filter.customer.as_deref(), &filter.after, limit).await?;
    let next = orders.last().filter(|_| orders.len() == limit as usize).map(|last| last["id"].clone());
    Ok(axum::Json(json!({"orders": orders, "next": next})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_time_and_is_cut() {
        for (text, millis) in [("5s", 5_000), ("250ms", 250), ("0s", 0), ("3", 3_000), ("999999s", 10_000)] {
            assert_eq!(time(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "5m", "99999999999s"] {
            assert_eq!(time(text).unwrap_err().code(), "malformed-query", "{text}");
        }
    }
}
