//! The timers a saga keeps. Each carries what it was set for, so that one that fires late finds nothing to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::CommandId;

/// What is to happen at a moment unless something else happens before. At most three are set at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// The saga must have passed its pivot, or be finished.
    SagaDeadline,
    /// The step must be done.
    StepDeadline {
        /// The command of the step.
        command: CommandId,
        /// The first attempt the deadline counts from.
        attempt: u32,
    },
    /// The answer to an attempt must be here.
    Answer {
        /// The command that was sent.
        command: CommandId,
        /// The attempt that was sent.
        attempt: u32,
    },
    /// The pause behind an attempt is over: the next one is due.
    Retry {
        /// The command to send again.
        command: CommandId,
        /// The attempt that failed.
        attempt: u32,
    },
}

impl fmt::Display for Timer {
    /// A text that is unique among the timers of a saga, such as `answer order-7/payment/do#1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timer::SagaDeadline => f.write_str("saga-deadline"),
            Timer::StepDeadline { command, attempt } => write!(f, "step-deadline {command}#{attempt}"),
            Timer::Answer { command, attempt } => write!(f, "answer {command}#{attempt}"),
            Timer::Retry { command, attempt } => write!(f, "retry {command}#{attempt}"),
        }
    }
}
