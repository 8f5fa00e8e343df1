//! The HTTP face of the stock: look at a product, take a delivery.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use mamparo_ledger::{Ledger, Result, Row, Tx, params};
use mamparo_shop_http::{Command, Path, Problem, Stored, remember, remembered, unknown_method, unknown_path};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::limits::{DELIVERY_MAX, ON_HAND_MAX};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    quantity: i64,
}

/// The routes of this service, as `/openapi.json` of the shop describes them.
pub const ROUTES: &[(&str, &str)] = &[("GET", "/stock/{sku}"), ("POST", "/stock/{sku}/deliveries")];

/// The routes.
pub(crate) fn router(ledger: Ledger) -> Router {
    Router::new()
        .route("/stock/{sku}", get(look))
        .route("/stock/{sku}/deliveries", post(deliver))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(ledger)
}

const SELECT: &str = "SELECT sku, on_hand, reserved FROM stock WHERE sku = ?1";

async fn look(State(ledger): State<Ledger>, Path(sku): Path<String>) -> Result<axum::Json<Value>, Problem> {
    let rows = ledger.query(SELECT, params![sku]).await?;
    let row = rows.first().ok_or_else(|| unknown(&sku))?;
    Ok(axum::Json(shelf(row)?))
}

async fn deliver(
    State(ledger): State<Ledger>,
    Path(sku): Path<String>,
    command: Command,
) -> Result<Stored, Problem> {
    let (delivery, request) = command.parse::<Delivery>()?;
    if !(1..=DELIVERY_MAX).contains(&delivery.quantity) {
        let detail = format!("a quantity is from 1 to {DELIVERY_MAX}");
        return Err(Problem::impossible("quantity-out-of-range", detail).with("quantity", delivery.quantity));
    }
    let (key, quantity) = (command.key, delivery.quantity);
    let work = async move |tx: &mut Tx<'_>| {
        if let Some(stored) = remembered(tx, &key, &request).await? {
            return Ok(stored);
        }
        let sql = "UPDATE stock SET on_hand = on_hand + ?1 WHERE sku = ?2 AND on_hand <= ?3";
        if tx.sql(sql, params![quantity, sku, ON_HAND_MAX - quantity]).await? == 0 {
            let known = tx.query_one(SELECT, params![sku]).await?.is_some();
            let full =
                Problem::impossible("stock-full", "there is no room for so much").with("sku", sku.as_str());
            return Err(if known { full } else { unknown(&sku) }.into());
        }
        let now = tx.clock().wall();
        let sql = "INSERT INTO delivery (sku, quantity, at) VALUES (?1, ?2, ?3)";
        tx.sql(sql, params![sku, quantity, now]).await?;
        let row = tx.query_one(SELECT, params![sku]).await?.ok_or_else(|| unknown(&sku))?;
        let answer =
            Stored { status: 201, location: Some(format!("/stock/{sku}")), body: shelf(&row)?.to_string() };
        remember(tx, &key, &request, &answer).await?;
        Ok(answer)
    };
    Ok(ledger.transact(&command.cx, work).await?)
}

fn shelf(row: &Row) -> Result<Value> {
    let (sku, on_hand, reserved): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(json!({"sku": sku, "on_hand": on_hand, "reserved": reserved}))
}

fn unknown(sku: &str) -> Problem {
    Problem::not_found("unknown-sku", format!("there is no product {sku}")).with("sku", sku)
}
