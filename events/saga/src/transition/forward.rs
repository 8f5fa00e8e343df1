//! Going forward: a step begins, its command goes out, the next one follows. Compensations are sent here too.

use serde_json::Value;

use super::Turn;
use crate::action::{Action, Command};
use crate::id::CommandId;
use crate::state::{Status, StepStatus, What};
use crate::step::{Kind, Task};
use crate::timer::Timer;

impl<'a> Turn<'a> {
    /// Begins the step the saga is at, or begins it again after a person resumed it.
    pub(super) fn begin_step(&mut self) {
        if let Some(deadline) = self.definition_of_step().deadline {
            let attempt = self.step().attempt.saturating_add(1);
            self.set_timer(Timer::StepDeadline { command: self.state.command(), attempt }, deadline);
        }
        self.send();
    }

    /// Sends the next attempt of what the saga is doing.
    pub(super) fn send(&mut self) {
        let compensation = self.is_compensating();
        let Some(task) = self.task() else { return };
        let step = self.step_mut();
        step.attempt = step.attempt.saturating_add(1);
        if !compensation {
            step.status = StepStatus::InFlight;
        }
        let (attempt, name) = (step.attempt, step.name.clone());
        let id = self.state.command();
        let undoes = compensation.then(|| CommandId::new(&self.state.id, &name, false, 0));
        let payload = (task.payload)(&self.state.data);
        let answer_by = self.now + task.answer_within;
        let command = |to: &String| Command {
            id: id.clone(),
            attempt,
            step: name,
            to: to.clone(),
            undoes,
            payload,
            answer_by,
        };
        self.actions.push(match &task.kind {
            Kind::Message { topic } => Action::Send(command(topic)),
            Kind::Call { target } => Action::Call(command(target)),
        });
        self.set_timer(Timer::Answer { command: id, attempt }, task.answer_within);
        self.tell(if compensation { What::CompensationSent } else { What::CommandSent }, attempt, "");
    }

    /// What the saga is doing: the step it is at, or that step's compensation.
    pub(super) fn task(&self) -> Option<&'a Task> {
        let step = self.definition_of_step();
        if self.is_compensating() {
            step.compensation.as_ref().map(|compensation| &compensation.task)
        } else {
            Some(&step.task)
        }
    }

    /// The step the saga is at is done: the next one begins, or the saga is complete.
    pub(super) fn step_done(&mut self, output: Value) {
        let step = self.step_mut();
        step.status = StepStatus::Succeeded;
        step.in_doubt = false;
        let name = step.name.clone();
        self.state.data.outputs.insert(name, output);
        self.state.status = Status::Running;
        if self.is_at_pivot() {
            self.clear_all_timers();
            if let Some(stop) = self.state.stop.take() {
                self.tell(What::TooLateToTurnBack, 0, &stop.reason);
            }
        }
        if self.state.current + 1 == self.state.steps.len() {
            return self.complete();
        }
        self.state.current += 1;
        self.begin_step();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::transition::testing::{Play, check, step, with_pivot};
    use crate::{Action, Input, Saga};

    #[test]
    fn steps_follow_each_other_and_the_deadline_ends_with_the_pivot() {
        check(
            with_pivot(),
            &[
                ("start", "+saga-deadline, send a/do#1, +answer a/do#1", "running I---"),
                ("a/do#1 ok", "-answer a/do#1, send b/do#1, +answer b/do#1", "running SI--"),
                ("b/do#1 ok", "-answer b/do#1, send p/do#1, +answer p/do#1", "running SSI-"),
                ("p/do#1 ok", "-answer p/do#1, -saga-deadline, send z/do#1, +answer z/do#1", "running SSSI"),
                ("z/do#1 ok", "-answer z/do#1, complete", "completed SSSS"),
            ],
        );
    }

    #[test]
    fn payloads_are_made_of_the_input_and_of_earlier_outputs() {
        let second =
            step("b").payload(|data| json!([data.input()["n"], data.output("a")["of"], data.output("b")]));
        let saga = Saga::define("s", 1).step(step("a")).step(second).output(|data| data.output("b").clone());
        let mut play = check(saga, &[("start", "send a/do#1, +answer a/do#1", "running I-")]);
        let actions = play.feed("a/do#1 ok");
        let Action::Send(command) = &actions[1] else { panic!("{actions:?}") };
        assert_eq!((&command.payload, command.to.as_str()), (&json!([1, "a", null]), "t"));
        assert_eq!(command.answer_by, play.now + Duration::from_secs(30));
        let actions = play.feed("b/do#1 ok");
        assert_eq!(actions.last(), Some(&Action::Complete { output: json!({"of": "b"}) }));
    }

    #[test]
    fn another_version_of_the_definition_is_refused_and_changes_nothing() {
        let mut play = Play::new(Saga::define("s", 1).step(step("a")));
        let before = play.state.clone();
        for other in [Saga::define("s", 2).step(step("a")), Saga::define("s", 1).step(step("b"))] {
            let other = other.build().unwrap();
            let error = play.state.transition(&other, Input::Start, play.now).unwrap_err();
            assert_eq!((error.expected_version, error.given_version), (1, other.version()));
            assert_eq!(play.state, before);
        }
    }
}
