//! The whole, from outside: processes that are killed, and what they must find when they come back.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod bad_input;
mod books;
mod crash;
mod failpoints;
mod gateway;
mod journey;
mod plan;
mod shop;
mod tracing;
