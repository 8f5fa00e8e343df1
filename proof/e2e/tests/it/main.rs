//! The whole, from outside: processes that are killed, and what they must find when they come back.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod failpoints;
mod journey;
