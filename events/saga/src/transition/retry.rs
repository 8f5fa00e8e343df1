//! An attempt came to nothing: whether another follows, and what happens when none does.

use super::Turn;
use crate::state::{ParkCause, StepStatus, Stop, StopCause};
use crate::timer::Timer;

impl Turn<'_> {
    /// An attempt failed, or (`doubtful`) nobody knows what became of it.
    pub(super) fn attempt_failed(&mut self, doubtful: bool, reason: &str) {
        let compensating = self.is_compensating();
        if !compensating {
            let step = self.step_mut();
            step.in_doubt |= doubtful;
            step.status = if step.in_doubt { StepStatus::Unknown } else { StepStatus::Retrying };
        }
        if self.must_learn_outcome() {
            return self.pause();
        }
        if !compensating && let Some(stop) = self.state.stop.take() {
            return self.stop_forward(stop); // It waited for this: the pivot did not happen.
        }
        let made = self.attempts_of_budget();
        if self.task().is_some_and(|task| task.retry.allows_another(made)) {
            return self.pause();
        }
        self.give_up(StopCause::AttemptsUsedUp, reason);
    }

    /// While nobody knows whether the pivot happened there is no way but to ask again.
    fn must_learn_outcome(&self) -> bool {
        self.is_at_pivot() && self.step().in_doubt
    }

    fn attempts_of_budget(&self) -> u32 {
        self.step().attempt.saturating_sub(self.step().resumed_at)
    }

    fn pause(&mut self) {
        let Some(task) = self.task() else { return };
        let (command, attempt) = (self.state.command(), self.step().attempt);
        let pause = task.retry.pause(&command, attempt, self.attempts_of_budget());
        self.set_timer(Timer::Retry { command, attempt }, pause);
    }

    /// What the saga is doing is given up: it parks where it can go neither on nor back, else it turns back.
    pub(super) fn give_up(&mut self, cause: StopCause, reason: &str) {
        if self.is_compensating() {
            return self.park(ParkCause::CompensationGaveUp, reason);
        }
        if self.is_behind_pivot() {
            self.settle_status();
            return self.park(ParkCause::StepGaveUp, reason);
        }
        let step = self.step().name.clone();
        self.stop_forward(Stop { cause, step, reason: reason.to_owned() });
    }

    /// No more attempts: the step may have happened if one is without a final answer, else it has not.
    pub(super) fn settle_status(&mut self) {
        let step = self.step_mut();
        step.in_doubt |= step.status == StepStatus::InFlight;
        step.status = if step.in_doubt { StepStatus::Unknown } else { StepStatus::Failed };
    }
}
