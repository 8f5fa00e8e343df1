//! What is sold.

use axum::extract::State;
use mamparo_shop_http::{Path, Problem};
use serde_json::{Value, json};

use super::Face;
use crate::catalogue::Product;

pub(crate) async fn list(State(face): State<Face>) -> axum::Json<Value> {
    let products: Vec<Value> = face.catalogue.iter().map(Product::shown).collect();
    axum::Json(json!({"products": products}))
}

pub(crate) async fn look(
    State(face): State<Face>,
    Path(sku): Path<String>,
) -> Result<axum::Json<Value>, Problem> {
    let product = face.catalogue.get(&sku).map(Product::shown);
    product.map(axum::Json).ok_or_else(|| {
        Problem::not_found("unknown-sku", format!("there is no product {sku}")).with("sku", sku)
    })
}
