//! The shop's orders: the catalogue and its prices, the orders as streams of events, the saga that carries each of
//! them through payment and stock, and the read model that answers. This file only lists the modules.

mod catalogue;
pub mod limits;
mod order;
mod wait;

mod place_order;
mod schema;
mod view;

mod api;
mod service;

pub use api::ROUTES;
pub use place_order::{REPLIES, SAGA};
pub use service::{Options, RunError, Service, run};
