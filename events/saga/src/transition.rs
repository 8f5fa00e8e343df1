//! One turn of a saga: the state being changed and the actions gathered on the way. The folder holds one file for
//! each kind of transition; here is what they all use.

mod cancel;
mod compensate;
mod finish;
mod forward;
mod person;
mod reply;
mod retry;
mod start;
#[cfg(test)]
mod testing;
mod timeout;

use std::time::Duration;

use mamparo_context::Timestamp;

use crate::action::Action;
use crate::core::State;
use crate::definition::Definition;
use crate::limits::bounded;
use crate::state::{Entry, Pending, Status, StepState, StepStatus, What};
use crate::step::Step;
use crate::timer::Timer;

/// One turn: everything that follows from one input.
pub(crate) struct Turn<'a> {
    definition: &'a Definition,
    state: &'a mut State,
    now: Timestamp,
    actions: Vec<Action>,
    /// Whether anything happened.
    effective: bool,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(definition: &'a Definition, state: &'a mut State, now: Timestamp) -> Self {
        Self { definition, state, now, actions: Vec::new(), effective: false }
    }

    pub(crate) fn into_actions(self) -> Vec<Action> {
        if self.effective {
            self.state.revision += 1;
            self.state.updated_at = self.now;
        }
        self.actions
    }

    fn definition_of_step(&self) -> &'a Step {
        &self.definition.steps[self.state.current]
    }

    fn step(&self) -> &StepState {
        &self.state.steps[self.state.current]
    }

    fn step_mut(&mut self) -> &mut StepState {
        &mut self.state.steps[self.state.current]
    }

    fn is_compensating(&self) -> bool {
        self.step().status == StepStatus::Compensating
    }

    fn is_at_pivot(&self) -> bool {
        self.definition.pivot == Some(self.state.current)
    }

    /// Whether the pivot has succeeded, so that there is no way back.
    fn is_behind_pivot(&self) -> bool {
        self.definition.pivot.is_some_and(|pivot| self.state.current > pivot)
    }

    fn is_running(&self) -> bool {
        self.state.status == Status::Running
    }

    /// Tells the story, about the attempt `attempt` (zero: about none) of the step the saga is at.
    fn tell(&mut self, what: What, attempt: u32, note: &str) {
        self.effective = true;
        let step = self.step().name.clone();
        let note = bounded(note.to_owned());
        self.state.history.push(Entry { at: self.now, what, step, attempt, note });
    }

    fn set_timer(&mut self, timer: Timer, after: Duration) {
        let due = self.now + after;
        self.state.timers.push(Pending { timer: timer.clone(), due });
        self.actions.push(Action::SetTimer { timer, due });
    }

    /// Takes a timer that has fired off the list; false when it is not on it.
    fn take_timer(&mut self, timer: &Timer) -> bool {
        let before = self.state.timers.len();
        self.state.timers.retain(|pending| pending.timer != *timer);
        let taken = self.state.timers.len() < before;
        self.effective |= taken;
        taken
    }

    fn clear_timers(&mut self, which: impl Fn(&Timer) -> bool) {
        let (clear, keep): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.state.timers).into_iter().partition(|pending| which(&pending.timer));
        self.state.timers = keep;
        self.actions.extend(clear.into_iter().map(|pending| Action::ClearTimer(pending.timer)));
    }

    /// All but the deadline of the saga.
    fn clear_timers_of_step(&mut self) {
        self.clear_timers(|timer| *timer != Timer::SagaDeadline);
    }

    fn clear_all_timers(&mut self) {
        self.clear_timers(|_| true);
    }
}
