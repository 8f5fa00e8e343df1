//! The policies as tower layers, and what they allocate.
#![cfg(not(feature = "shuttle"))]

mod allocations;
mod layer;
