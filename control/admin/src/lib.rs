//! The admin face of a process, as a rule of one that owns a ledger: what a person may see and do there, over a Unix
//! socket that only the owner of the data folder can open. It is HTTP/1.1 with JSON, so that `curl --unix-socket` serves, too.
//!
//! A [`Face`] is put together of what the process has (its ledger, and where it has them its queue, log, sagas and
//! relay); [`serve`] answers on the socket; [`find`] and [`Client`] are what the commands use. A process without a
//! ledger serves what it has through [`Answers`].

mod answer;
mod client;
mod error;
mod face;
pub mod limits;
mod orchestrated;
mod saga;
mod server;
mod target;

pub use answer::Answer;
pub use client::{CallError, Client, Found, find};
pub use error::AdminError;
pub use face::Face;
pub use orchestrated::Orchestrated;
pub use saga::{SagaAdmin, SagaFilter};
pub use server::{Answers, ServeError, Server, is_served, serve};
pub use target::{Target, encode};
