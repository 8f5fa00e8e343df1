//! Bodies on their way, however they are cut into pieces.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod allocations;
mod compress;
mod gather;
mod grpc_web;
mod script;
