//! The shop's wallets, event-sourced, and the cards behind them: a payment is held in the wallet, charged at the
//! provider, and only then captured, so that neither ever happens without the other. [`provider`] simulates the
//! provider, as a process of its own. This file only lists the modules, in reading order.

pub mod limits;
mod payment;
mod wallet;

mod asking;
mod card;
mod charger;
mod commands;
mod schema;
mod settle;
mod store;

mod api;
pub mod provider;
mod service;
mod view;

pub use api::ROUTES;
pub use asking::{no_policies, policies};
pub use commands::COMMANDS;
pub use service::{Options, RunError, Service, run};
