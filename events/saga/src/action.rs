//! What a saga wants done: a closed enum, performed by the runner in the transaction that stores the state.

use mamparo_context::Timestamp;
use serde_json::Value;

use crate::id::CommandId;
use crate::state::{ParkCause, Stop};
use crate::timer::Timer;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Publish the command to the topic `to`.
    Send(Command),
    /// Call the target `to` with the command, and hand the outcome back as a reply.
    Call(Command),
    /// Fire `timer` at `due`.
    SetTimer {
        /// The timer.
        timer: Timer,
        /// When.
        due: Timestamp,
    },
    /// Forget the timer. It may have fired already.
    ClearTimer(
        /// The timer.
        Timer,
    ),
    /// The saga is done; nothing follows.
    Complete {
        /// What it came to.
        output: Value,
    },
    /// Everything that may have happened is undone; nothing follows.
    Cancel(
        /// Why the saga turned back.
        Stop,
    ),
    /// A person is needed; nothing follows until they resume or skip.
    Park {
        /// The step that is stuck.
        step: String,
        /// What kind of trouble it is.
        cause: ParkCause,
        /// The words of whoever caused it.
        reason: String,
    },
}

/// A command to a step's callee, who takes `id` as the idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The same for every attempt.
    pub id: CommandId,
    /// Counted from 1; it never starts over, so `id` and `attempt` together name one message.
    pub attempt: u32,
    /// The step.
    pub step: String,
    /// The topic or target.
    pub to: String,
    /// For a compensation, the command to undo. It may not have arrived yet, or never arrive: the callee remembers
    /// that it is undone and refuses it from then on.
    pub undoes: Option<CommandId>,
    /// What the definition made of the saga's data.
    pub payload: Value,
    /// When the saga stops waiting for the answer to this attempt.
    pub answer_by: Timestamp,
}

impl Command {
    /// The id of the message that carries this attempt, such as `order-7/payment/do#1`: what an inbox may
    /// deduplicate by. (By `id` alone it must not: a second attempt wants a second answer.)
    pub fn message_id(&self) -> String {
        format!("{}#{}", self.id, self.attempt)
    }
}
