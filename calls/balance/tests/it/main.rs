//! The balancer as its users see it, on time that is moved by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail")]

mod allocations;
mod ejection;
mod fairness;
mod keys;
mod probes;
mod queues;
mod reload;
mod speed;
mod support;
mod threads;
