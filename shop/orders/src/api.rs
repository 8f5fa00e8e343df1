//! The HTTP face of the orders: which path leads where.

mod orders;
mod products;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use mamparo_aggregate::Repository;
use mamparo_context::Ids;
use mamparo_ledger::Ledger;
use mamparo_projection::Handle;
use mamparo_saga::Sagas;
use mamparo_shop_http::{unknown_method, unknown_path};

use crate::catalogue::Catalogue;
use crate::order::Orders;
use crate::wait::Waiters;

/// The description of the whole shop's API.
const OPENAPI: &str = include_str!("../openapi.json");

/// The routes of this service, as `/openapi.json` describes them.
pub const ROUTES: &[(&str, &str)] = &[
    ("GET", "/orders"),
    ("POST", "/orders"),
    ("GET", "/orders/{id}"),
    ("GET", "/products"),
    ("GET", "/products/{sku}"),
    ("PUT", "/products/{sku}/price"),
    ("GET", "/openapi.json"),
];

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Face {
    pub(crate) ledger: Ledger,
    pub(crate) orders: Repository<Orders>,
    pub(crate) sagas: Sagas,
    pub(crate) catalogue: Catalogue,
    pub(crate) view: Handle,
    pub(crate) waiters: Waiters,
    pub(crate) ids: Ids,
}

/// The routes.
pub(crate) fn router(face: Face) -> Router {
    Router::new()
        .route("/orders", get(orders::list).post(orders::place))
        .route("/orders/{id}", get(orders::look))
        .route("/products", get(products::list))
        .route("/products/{sku}", get(products::look))
        .route("/products/{sku}/price", put(products::change_price))
        .route("/openapi.json", get(openapi))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(face)
}

async fn openapi() -> Response {
    ([("content-type", "application/json")], OPENAPI).into_response()
}
