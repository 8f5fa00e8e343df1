//! The shop's stock: how much of each product is on hand, and how much of it is promised to orders. The tables are
//! relational and changed in the transaction that takes the command. This file only lists the modules.

pub mod limits;
mod schema;
mod stock;

mod api;
mod commands;
mod service;

pub use api::ROUTES;
pub use commands::COMMANDS;
pub use service::{Options, RunError, Service, run};
