//! The state of one saga, and the one function that changes it. Decides everything a saga does next; reads no
//! clock, draws no random number, performs nothing.

use mamparo_context::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::Action;
use crate::definition::Definition;
use crate::id::{CommandId, SagaId};
use crate::input::Input;
use crate::state::{Data, Entry, History, Pending, Status, StepState, StepStatus, Stop};
use crate::transition::Turn;

/// One saga, as it is stored.
///
/// Its methods are of four kinds:
///
/// - **Making**: [`State::new`]. Afterwards the state comes from where it is stored, through `serde`.
/// - **Input**: [`State::transition`] takes everything that happens: start, replies, timers, people. It is the only
///   method that changes anything.
/// - **Output**: the [`Action`]s which `transition` returns, in the order in which they are to be performed. There
///   is no other output; what is not in the list is not to be done.
/// - **Looking**: all others.
///
/// The order of calls is `new`, `transition` with [`Input::Start`], then `transition` with whatever happens, in any
/// order and as often as it happens: what is stale, repeated or too late returns no actions and changes nothing, the
/// [`revision`](State::revision) included. The state and its actions belong into *one* transaction: an action that is
/// lost is never returned again, and one that is performed twice is a message or call repeated under the same id.
///
/// What a callee owes a saga: it takes the command's id as its idempotency key; once it has answered `Succeeded` or
/// `Refused` it repeats that answer; it accepts a compensation with nothing to undo, and refuses from then on the
/// command which that compensation names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(crate) id: SagaId,
    pub(crate) definition: String,
    pub(crate) version: u32,
    pub(crate) revision: u64,
    pub(crate) status: Status,
    /// The step the saga is at, in either direction.
    pub(crate) current: usize,
    pub(crate) steps: Vec<StepState>,
    pub(crate) data: Data,
    pub(crate) stop: Option<Stop>,
    pub(crate) timers: Vec<Pending>,
    pub(crate) history: History,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// The definition given is not the one the saga began with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "saga {saga} began with `{expected}` version {expected_version}, its steps as they were then; given is `{given}` version {given_version}"
)]
pub struct WrongDefinition {
    /// The saga.
    pub saga: SagaId,
    /// The name of the definition it began with.
    pub expected: String,
    /// The version of the definition it began with.
    pub expected_version: u32,
    /// The name of the definition given.
    pub given: String,
    /// The version of the definition given.
    pub given_version: u32,
}

impl State {
    /// A saga that is about to start.
    pub fn new(definition: &Definition, id: SagaId, input: Value, now: Timestamp) -> Self {
        Self {
            id,
            definition: definition.name.clone(),
            version: definition.version,
            revision: 0,
            status: Status::New,
            current: 0,
            steps: definition.steps().map(|name| StepState::new(name.to_owned())).collect(),
            data: Data { input, outputs: Default::default() },
            stop: None,
            timers: Vec::new(),
            history: History::default(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Takes `input` into account and returns what is to be done about it, in that order.
    ///
    /// # Errors
    /// [`WrongDefinition`] when `definition` is not the one the saga began with; nothing has changed then.
    pub fn transition(
        &mut self,
        definition: &Definition,
        input: Input,
        now: Timestamp,
    ) -> Result<Vec<Action>, WrongDefinition> {
        if !self.began_with(definition) {
            return Err(WrongDefinition {
                saga: self.id.clone(),
                expected: self.definition.clone(),
                expected_version: self.version,
                given: definition.name.clone(),
                given_version: definition.version,
            });
        }
        let mut turn = Turn::new(definition, self, now);
        match input {
            Input::Start => turn.start(),
            Input::Reply { command, attempt, outcome } => turn.reply(&command, attempt, outcome),
            Input::TimerFired(timer) => turn.timer_fired(&timer),
            Input::CancelRequested { reason } => turn.cancel(reason),
            Input::Resume => turn.resume(),
            Input::Skip { reason, output } => turn.skip(reason, output),
        }
        Ok(turn.into_actions())
    }

    fn began_with(&self, definition: &Definition) -> bool {
        self.definition == definition.name
            && self.version == definition.version
            && self.current < self.steps.len()
            && self.steps.iter().map(StepState::name).eq(definition.steps())
    }

    /// The saga's id.
    pub fn id(&self) -> &SagaId {
        &self.id
    }

    /// The name of its definition.
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// The version of its definition.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Counts the transitions that had an effect: a state whose revision has not moved need not be stored.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Where it stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Its steps, in order.
    pub fn steps(&self) -> &[StepState] {
        &self.steps
    }

    /// The step it is at, in either direction.
    pub fn current_step(&self) -> &str {
        self.steps.get(self.current).map_or("", StepState::name)
    }

    /// Its input and its steps' outputs.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Why it turned back, or will as soon as it knows that its pivot did not happen.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// The timers that are set, at most three. None once it is finished or parked.
    pub fn timers(&self) -> &[Pending] {
        &self.timers
    }

    /// Its story, oldest first.
    pub fn history(&self) -> &[Entry] {
        &self.history.entries
    }

    /// How many entries were left out between the beginning and the end of the story.
    pub fn history_left_out(&self) -> u64 {
        self.history.left_out
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When it last changed.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// The command of the step it is at, in the direction it is going.
    pub(crate) fn command(&self) -> CommandId {
        let step = &self.steps[self.current];
        let compensation = step.status == StepStatus::Compensating;
        CommandId::new(&self.id, &step.name, compensation, step.round)
    }
}
