//! The words that every plane shares: what travels with a call or a message, what time it is, and what a
//! failure means. Decides nothing and performs no I/O; it is the only place that reads the clock of the machine
//! or draws from its randomness.
#![doc = include_str!("../README.md")]

mod clock;
mod coarse;
mod context;
mod criticality;
pub mod duration;
mod failpoint;
mod fault;
mod headers;
mod key;
mod moment;
mod random;
mod sleep;
mod trace;

pub use clock::{Clock, Deadline, ManualClock, Timestamp};
pub use context::{Attempt, Context, Principal};
pub use criticality::Criticality;
pub use failpoint::failpoint;
pub use fault::{Fault, Origin, Retry};
pub use headers::{Carrier, HeaderError, http, message};
pub use key::{IdempotencyKey, InvalidIdempotencyKey};
pub use moment::Moment;
pub use random::{Ids, Random};
pub use sleep::ManualSleep;
pub use trace::{InvalidTraceContext, SpanId, TraceContext, TraceId};
