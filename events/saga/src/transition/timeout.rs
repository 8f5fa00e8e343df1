//! A timer came due. One that is not on the saga's list was cleared, or has fired before: nothing happens.

use super::Turn;
use crate::state::{Stop, StopCause, What};
use crate::timer::Timer;

impl Turn<'_> {
    pub(crate) fn timer_fired(&mut self, timer: &Timer) {
        if !self.take_timer(timer) {
            return;
        }
        match timer {
            Timer::Retry { .. } => self.send(),
            Timer::Answer { attempt, .. } => {
                self.tell(What::NoAnswerInTime, *attempt, "");
                self.attempt_failed(true, "no answer in time");
            }
            Timer::StepDeadline { .. } => {
                self.give_up(StopCause::StepDeadline, "the deadline of the step has passed");
            }
            Timer::SagaDeadline => {
                let step = self.step().name.clone();
                let reason = "the deadline of the saga has passed".to_owned();
                self.stop_forward(Stop { cause: StopCause::SagaDeadline, step, reason });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::transition::testing::{Row, check, step, with_pivot};
    use crate::{Retry, Saga};

    const START: Row = ("start", "+saga-deadline, send a/do#1, +answer a/do#1", "running I---");

    #[test]
    fn an_attempt_without_answer_may_have_happened_and_is_undone_when_given_up() {
        check(
            with_pivot(),
            &[
                START,
                ("fire answer a/do#1", "+retry a/do#1", "running U---"),
                ("fire answer a/do#1", "", "running U---"),
                ("fire retry a/do#1", "send a/do#2, +answer a/do#2", "running I---"),
                ("fire retry a/do#1", "", "running I---"),
                (
                    "fire answer a/do#2",
                    "-saga-deadline, send a/undo#1, +answer a/undo#1",
                    "compensating C---",
                ),
                ("a/undo#1 ok", "-answer a/undo#1, cancel AttemptsUsedUp at a", "cancelled c---"),
            ],
        );
    }

    #[test]
    fn the_deadline_of_the_saga_turns_it_back_whatever_the_step_is_doing() {
        let undo =
            ("fire saga-deadline", "-answer a/do#1, send a/undo#1, +answer a/undo#1", "compensating C---");
        check(with_pivot(), &[START, undo]);
        check(
            with_pivot(),
            &[
                START,
                ("a/do#1 failed", "-answer a/do#1, +retry a/do#1", "running R---"),
                ("fire saga-deadline", "-retry a/do#1, cancel SagaDeadline at a", "cancelled F---"),
            ],
        );
    }

    #[test]
    fn the_deadline_of_a_step_ends_its_attempts() {
        let a = step("a").retry(Retry::until_deadline()).deadline(Duration::from_secs(5)).compensate("t");
        check(
            Saga::define("s", 1).step(a),
            &[
                ("start", "+step-deadline a/do#1, send a/do#1, +answer a/do#1", "running I"),
                ("a/do#1 failed", "-answer a/do#1, +retry a/do#1", "running R"),
                ("fire retry a/do#1", "send a/do#2, +answer a/do#2", "running I"),
                (
                    "fire step-deadline a/do#1",
                    "-answer a/do#2, send a/undo#1, +answer a/undo#1",
                    "compensating C",
                ),
                ("a/undo#1 ok", "-answer a/undo#1, cancel StepDeadline at a", "cancelled c"),
            ],
        );
    }

    #[test]
    fn behind_the_pivot_the_deadline_of_a_step_parks_and_counts_anew_when_resumed() {
        let saga =
            Saga::define("s", 1).step(step("p").pivot()).step(step("z").deadline(Duration::from_secs(5)));
        check(
            saga,
            &[
                ("start", "send p/do#1, +answer p/do#1", "running I-"),
                (
                    "p/do#1 ok",
                    "-answer p/do#1, +step-deadline z/do#1, send z/do#1, +answer z/do#1",
                    "running SI",
                ),
                ("fire step-deadline z/do#1", "-answer z/do#1, park z", "parked StepGaveUp SU"),
                ("resume", "+step-deadline z/do#2, send z/do#2, +answer z/do#2", "running SI"),
                ("fire step-deadline z/do#1", "", "running SI"),
                ("z/do#2 ok", "-step-deadline z/do#2, -answer z/do#2, complete", "completed SS"),
            ],
        );
    }

    #[test]
    fn the_pivot_is_asked_again_until_its_outcome_is_known_however_few_its_attempts() {
        let mut play = check(
            Saga::define("s", 1).step(step("p").pivot()),
            &[
                ("start", "send p/do#1, +answer p/do#1", "running I"),
                ("fire answer p/do#1", "+retry p/do#1", "running U"),
            ],
        );
        for attempt in 2..9 {
            play.feed(&format!("fire retry p/do#{}", attempt - 1));
            play.feed(&format!("p/do#{attempt} failed"));
        }
        play.rows(&[("p/do#3 no", "-retry p/do#8, cancel Refused at p", "cancelled N")]);
    }
}
