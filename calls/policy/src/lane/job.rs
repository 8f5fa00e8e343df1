//! One piece of work on a lane: how it is asked to stop, and what it may come to.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mamparo_context::{Clock, Fault, Moment};

use crate::{Refusal, ToFault};

/// What work on a lane is handed.
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) cancelled: Arc<AtomicBool>,
    pub(super) deadline: Moment,
    pub(super) clock: Clock,
}

impl Job {
    /// Whether nobody waits for the result any more: the caller has gone, or the deadline has passed. Long work asks
    /// now and then, and returns early.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.clock.moment() >= self.deadline
    }

    /// What is left until the deadline; `None` without one.
    pub fn remaining(&self) -> Option<Duration> {
        (self.deadline != Moment::NEVER).then(|| self.deadline.since(self.clock.moment()))
    }
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// The work was not begun.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The deadline passed while it was done; it was asked to stop, and may have taken effect.
    #[error("{label}: the deadline passed while it was done")]
    Abandoned {
        /// What the work is called.
        label: &'static str,
    },
    /// It panicked.
    #[error("{label}: panicked: {message}")]
    Panicked {
        /// What the work is called.
        label: &'static str,
        /// What it said.
        message: String,
    },
}

impl ToFault for LaneError {
    fn fault(&self) -> Fault {
        match self {
            Self::Refused(refusal) => refusal.fault(),
            Self::Abandoned { .. } | Self::Panicked { .. } => Fault::internal().indeterminate(),
        }
    }
}

/// What a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
