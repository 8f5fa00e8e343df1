//! What can happen to a saga.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::CommandId;
use crate::timer::Timer;

/// Something that happened, as [`State::transition`](crate::State::transition) takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The saga begins.
    Start,
    /// A command was answered.
    Reply {
        /// The command that is answered.
        command: CommandId,
        /// The attempt that is answered.
        attempt: u32,
        /// The answer.
        outcome: Outcome,
    },
    /// A timer came due.
    TimerFired(
        /// The timer, as it was set.
        Timer,
    ),
    /// Somebody wants the saga undone. Taken into account until the pivot has succeeded.
    CancelRequested {
        /// Why.
        reason: String,
    },
    /// A person unparks the saga: what is stuck is tried again.
    Resume,
    /// A person did by hand what is stuck, and the saga goes on behind it.
    Skip {
        /// What was done.
        reason: String,
        /// Stands in for the answer of a forward step; a compensation has none.
        output: Value,
    },
}

/// The answer to a command. A callee that has once answered `Succeeded` or `Refused` answers the same command id
/// the same way ever after: that is what makes either word final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect.
    Succeeded(
        /// What later steps may need of it.
        Value,
    ),
    /// A business no: it did not take effect, it never will under this id, and asking again is no use.
    Refused(
        /// Why.
        String,
    ),
    /// This attempt, every copy of it included, has no effect and will have none; another may. A callee that is
    /// not sure of it says `Indeterminate`.
    Failed(
        /// Why.
        String,
    ),
    /// Nobody knows whether this attempt took effect, or will: a connection broke behind the request, a worker
    /// died in the middle of a call.
    Indeterminate(
        /// Why.
        String,
    ),
}
