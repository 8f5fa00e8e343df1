//! Who is turned away when not all can be served: by class and cohort, lowest first, never whoever is exempt.
#![doc = include_str!("../../../docs/policies/load-shedding.md")]

pub mod core;

mod config;
mod guard;
mod shedder;
mod signal;

pub use self::config::{GuardConfig, ShedConfig};
pub use self::core::codel::Codel;
pub use self::core::line::{Exit, Line, LineConfig, Place, Placed};
pub use self::guard::{Figures, Files, Guard, GuardError};
pub use self::shedder::{NoTicket, ShedPass, ShedState, Shedder};
pub use self::signal::{LimitReached, QueueDelay, Signal};
