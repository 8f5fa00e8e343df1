//! The built program from outside: what it prints, how it ends, and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cache;
mod commands;
mod gateway;
mod otlp;
mod policy;
mod refused;
mod reload;
mod services;
mod shop;
mod socket;
mod top;
mod up;
mod upgrade;
mod world;
