//! The whole shop in one process: three services, the card provider and a hub, each on real files of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod keys;
mod outcomes;
mod prices;
mod provider;
mod routes;
mod world;
