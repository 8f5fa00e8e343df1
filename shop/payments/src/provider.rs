//! A simulated card provider: a process of its own that remembers every key on disk, so that "nothing is charged
//! twice" can be checked where it matters. It is healthy unless it is told to be slow, to fail, to charge and never
//! answer, or to be down.

mod api;
mod behaviour;
mod charges;
mod service;

pub use behaviour::{Behaviour, InvalidBehaviour};
pub use service::{Options, Service, run};
