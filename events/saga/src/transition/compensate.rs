//! Going back: every step that may have happened is undone, the last one first.

use super::Turn;
use crate::limits::bounded;
use crate::state::{ParkCause, Status, StepStatus, Stop, What};

impl Turn<'_> {
    /// Turns back for the reason `stop`, or for the one that came up earlier and had to wait.
    pub(super) fn turn_back(&mut self, stop: Stop) {
        let stop = self.state.stop.take().unwrap_or(stop);
        self.clear_all_timers();
        self.state.status = Status::Compensating;
        self.tell(What::TurnedBack, 0, &stop.reason);
        self.state.stop = Some(Stop { reason: bounded(stop.reason), ..stop });
        self.compensate_next();
    }

    /// Undoes the step the saga is at, or else the nearest one before it; when none is left the saga is cancelled.
    fn compensate_next(&mut self) {
        loop {
            let definition = self.definition_of_step();
            if self.step().may_have_happened() && !definition.nothing_to_undo {
                if definition.compensation.is_none() {
                    return self
                        .park(ParkCause::NoCompensation, "the definition does not say how to undo the step");
                }
                let step = self.step_mut();
                (step.attempt, step.resumed_at, step.round) = (0, 0, 0);
                step.status = StepStatus::Compensating;
                return self.send();
            }
            if self.state.current == 0 {
                return self.cancelled();
            }
            self.state.current -= 1;
        }
    }

    /// The step the saga is at is undone.
    pub(super) fn compensation_done(&mut self) {
        self.step_mut().status = StepStatus::Compensated;
        self.state.status = Status::Compensating;
        self.compensate_next();
    }
}

#[cfg(test)]
mod tests {
    use crate::transition::testing::{check, step};
    use crate::{Compensation, Retry, Saga};

    fn three(second: crate::Step) -> Saga {
        Saga::define("s", 1).step(step("a").compensate("t")).step(second).step(step("c"))
    }

    #[test]
    fn a_step_with_nothing_to_undo_is_passed_over() {
        check(
            three(step("b").nothing_to_undo()),
            &[
                ("start", "send a/do#1, +answer a/do#1", "running I--"),
                ("a/do#1 ok", "-answer a/do#1, send b/do#1, +answer b/do#1", "running SI-"),
                ("b/do#1 ok", "-answer b/do#1, send c/do#1, +answer c/do#1", "running SSI"),
                ("c/do#1 no", "-answer c/do#1, send a/undo#1, +answer a/undo#1", "compensating CSN"),
                ("a/undo#1 ok", "-answer a/undo#1, cancel Refused at c", "cancelled cSN"),
            ],
        );
    }

    #[test]
    fn a_step_that_cannot_be_undone_parks_the_saga_for_a_person_who_goes_on_behind_it() {
        check(
            three(step("b")),
            &[
                ("start", "send a/do#1, +answer a/do#1", "running I--"),
                ("a/do#1 ok", "-answer a/do#1, send b/do#1, +answer b/do#1", "running SI-"),
                ("cancel", "-answer b/do#1, park b", "parked NoCompensation SU-"),
                ("b/do#1 ok", "", "parked NoCompensation SU-"),
                ("resume", "", "parked NoCompensation SU-"),
                ("skip", "send a/undo#1, +answer a/undo#1", "compensating Cc-"),
                ("a/undo#1 ok", "-answer a/undo#1, cancel CancelRequested at b", "cancelled cc-"),
            ],
        );
    }

    #[test]
    fn a_compensation_is_tried_without_end_unless_its_policy_is_bounded() {
        let mut play = check(
            Saga::define("s", 1).step(step("a").compensate("t")),
            &[
                ("start", "send a/do#1, +answer a/do#1", "running I"),
                ("cancel", "-answer a/do#1, send a/undo#1, +answer a/undo#1", "compensating C"),
            ],
        );
        for attempt in 1..100 {
            play.feed(&format!("fire answer a/undo#{attempt}"));
            play.feed(&format!("fire retry a/undo#{attempt}"));
        }
        play.rows(&[("a/undo#7 ok", "-answer a/undo#100, cancel CancelRequested at a", "cancelled c")]);
    }

    #[test]
    fn a_compensation_used_up_parks_and_is_resumed_with_a_fresh_budget_under_the_same_id() {
        let undo = Compensation::call("t").retry(Retry::attempts(2));
        check(
            Saga::define("s", 1).step(step("a").compensate(undo)),
            &[
                ("start", "send a/do#1, +answer a/do#1", "running I"),
                ("cancel", "-answer a/do#1, call a/undo#1, +answer a/undo#1", "compensating C"),
                ("a/undo#1 failed", "-answer a/undo#1, +retry a/undo#1", "compensating C"),
                ("fire retry a/undo#1", "call a/undo#2, +answer a/undo#2", "compensating C"),
                ("a/undo#2 unclear", "-answer a/undo#2, park a", "parked CompensationGaveUp C"),
                ("resume", "call a/undo#3, +answer a/undo#3", "compensating C"),
                ("a/undo#3 failed", "-answer a/undo#3, +retry a/undo#3", "compensating C"),
                ("fire retry a/undo#3", "call a/undo#4, +answer a/undo#4", "compensating C"),
                ("a/undo#4 failed", "-answer a/undo#4, park a", "parked CompensationGaveUp C"),
                ("a/undo#1 ok", "cancel CancelRequested at a", "cancelled c"),
            ],
        );
    }
}
