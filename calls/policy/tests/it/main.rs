//! The policies as tower layers, and what they allocate.
#![cfg(not(feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod allocations;
mod configs;
mod layer;
mod serve;
