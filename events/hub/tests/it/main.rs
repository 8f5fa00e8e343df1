//! The hub against the contracts, and what it promises beyond them.

mod conformance;
mod fanout;
mod foreign;
mod invariants;
mod reopen;
mod served;
mod support;
