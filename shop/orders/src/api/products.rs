//! What is sold, and for how much from now on.

use std::time::Duration;

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use mamparo_cache::LoadError;
use mamparo_shop_http::{Command, Path, Problem, Stored, context};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Face;
use crate::catalogue::{Change, Product, unknown};
use crate::limits::PRICE_MAX;

pub(crate) async fn list(State(face): State<Face>, headers: HeaderMap) -> Result<axum::Json<Value>, Problem> {
    let products = face.catalogue.all(&context(&headers)?).await.map_err(unreadable)?;
    let shown: Vec<Value> = products.iter().map(Product::shown).collect();
    Ok(axum::Json(json!({"products": shown})))
}

pub(crate) async fn look(
    State(face): State<Face>,
    Path(sku): Path<String>,
    headers: HeaderMap,
) -> Result<axum::Json<Value>, Problem> {
    let product = face.catalogue.get(&context(&headers)?, &sku).await.map_err(unreadable)?;
    product.map(|product| axum::Json(product.shown())).ok_or_else(|| unknown(&sku))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPrice {
    amount: i64,
}

/// Changes a price. It is for whoever runs the shop: the gateway lets nobody through to it.
pub(crate) async fn change_price(
    State(face): State<Face>,
    Path(sku): Path<String>,
    command: Command,
) -> Result<Stored, Problem> {
    let (NewPrice { amount }, request) = command.parse()?;
    if !(1..=PRICE_MAX).contains(&amount) {
        let detail = format!("a price is from 1 to {PRICE_MAX} minor units");
        return Err(Problem::impossible("amount-out-of-range", detail).with("amount", amount));
    }
    let (cx, key) = (command.cx, command.key);
    let change = Change { sku, price: amount, key, request };
    // In a task of its own: that the caller goes away does not keep the cache from learning of the commit.
    let changing = tokio::spawn(async move { face.catalogue.change_price(change, &cx).await });
    changing.await.unwrap_or_else(|error| {
        tracing::error!(%error, "price not changed");
        let detail = "the service failed; it has been logged";
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail))
    })
}

/// What it means to a caller that nothing is known of a product and it cannot be read.
pub(super) fn unreadable(error: LoadError) -> Problem {
    let second = Duration::from_secs(1);
    match error {
        LoadError::DeadlinePassed => {
            let detail = "its deadline passed while the products were read";
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline-passed", detail)
        }
        LoadError::TooMany => Problem::unavailable("busy", "too many requests wait for products", second),
        error => {
            tracing::warn!(%error, "products not read");
            Problem::unavailable("unavailable", "the products cannot be read now", second)
        }
    }
}
