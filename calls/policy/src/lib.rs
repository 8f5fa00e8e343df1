//! Calls that survive failures. Each policy is decided in a pure core that takes the time as an argument, is used
//! as a library call, and is a tower layer; the proxy uses the same code.
#![doc = include_str!("../README.md")]

pub mod limits;

pub mod adaptive;
mod admission;
pub mod body;
pub mod breaker;
pub mod bulkhead;
mod config;
mod counts;
mod draw;
pub mod fallback;
pub mod fault_injection;
pub mod hedge;
pub mod http;
mod keyed;
#[cfg(feature = "lanes")]
pub mod lane;
pub mod layer;
pub mod metrics;
mod mode;
mod operation;
mod outcome;
pub mod rate_limit;
mod refusal;
pub mod replay;
pub mod retry;
pub mod shed;
pub mod stack;
mod sync;
pub mod throttle;
pub mod time;
pub mod timeout;

pub use admission::{Admission, Admit, Permit, Waiting};
pub use config::InvalidConfig;
pub use counts::{Counted, Counts};
pub use keyed::Keyed;
pub use mode::Mode;
pub use operation::{Carry, Oneshot, Operation, ServiceCall};
pub use outcome::{Classify, Health, Outcome, ToFault};
pub use refusal::{Policy, Reason, Refusal};
