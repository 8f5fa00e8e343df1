//! The two pure functions of which an aggregate consists.

use mamparo_ledger::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Events, Upcasters};

/// A thing whose history is a stream of events. Pure: no clock, no randomness, no I/O; what a decision needs
/// comes in its command.
pub trait Aggregate: 'static {
    /// What stands before the `-` in the names of its streams. Outlives the code's names.
    const CATEGORY: &'static str;
    /// Raised when the meaning or the shape of [`Self::State`] changes: older snapshots are then passed over.
    const STATE_VERSION: u32 = 1;

    /// What it is now; the default is what it is before its first event.
    type State: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What can be asked of it.
    type Command: Send + Sync + 'static;
    /// What can have happened to it.
    type Event: Events + Send + Sync + 'static;
    /// Why a command is refused.
    type Rejection: std::error::Error + Send + Sync + 'static;

    /// What happens when `command` is given in `state`; nothing at all is a good answer to a repeated command.
    ///
    /// # Errors
    /// The command is refused; nothing happens.
    fn decide(state: &Self::State, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// What it is after `event`. Total: a recorded event cannot be refused.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// How events of older kinds are read. None by default.
    fn upcasters() -> Upcasters {
        Upcasters::none()
    }

    /// Messages that are published in the transaction that appends `event`. None by default.
    fn messages(id: &str, event: &Self::Event) -> Vec<Message> {
        let _ = (id, event);
        Vec::new()
    }
}

/// The state after `events`.
pub fn fold<'e, A: Aggregate>(state: A::State, events: impl IntoIterator<Item = &'e A::Event>) -> A::State {
    events.into_iter().fold(state, |state, event| A::evolve(state, event))
}
