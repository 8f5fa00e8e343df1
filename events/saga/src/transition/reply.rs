//! A command was answered. Success and refusal are final and count whichever attempt they answer; the other two
//! count only for the attempt that is waited for.

use serde_json::Value;

use super::Turn;
use crate::id::CommandId;
use crate::input::Outcome;
use crate::state::{ParkCause, Status, StepStatus, Stop, StopCause, What};
use crate::timer::Timer;

impl Turn<'_> {
    pub(crate) fn reply(&mut self, command: &CommandId, attempt: u32, outcome: Outcome) {
        if !(1..=self.step().attempt).contains(&attempt) || *command != self.state.command() {
            return;
        }
        let active = matches!(self.state.status, Status::Running | Status::Compensating);
        match outcome {
            Outcome::Succeeded(output) if active || self.gave_up_waiting() => self.succeeded(attempt, output),
            Outcome::Refused(reason) if active => self.refused(attempt, &reason),
            Outcome::Failed(reason) if self.stop_waiting(command, attempt) => {
                self.tell(What::Failed, attempt, &reason);
                self.attempt_failed(false, &reason);
            }
            Outcome::Indeterminate(reason) if self.stop_waiting(command, attempt) => {
                self.tell(What::Indeterminate, attempt, &reason);
                self.attempt_failed(true, &reason);
            }
            _ => {}
        }
    }

    /// Whether the saga is parked because no answer came: the answer then settles it after all.
    fn gave_up_waiting(&self) -> bool {
        let Status::Parked { cause, .. } = &self.state.status else { return false };
        matches!(cause, ParkCause::CompensationGaveUp | ParkCause::StepGaveUp)
    }

    /// Whether an answer to this very attempt was waited for; it no longer is.
    fn stop_waiting(&mut self, command: &CommandId, attempt: u32) -> bool {
        let timer = Timer::Answer { command: command.clone(), attempt };
        let waited = self.state.timers.iter().any(|pending| pending.timer == timer);
        self.clear_timers(|set| *set == timer);
        waited
    }

    fn succeeded(&mut self, attempt: u32, output: Value) {
        self.clear_timers_of_step();
        if self.is_compensating() {
            self.tell(What::Compensated, attempt, "");
            return self.compensation_done();
        }
        self.tell(What::Succeeded, attempt, "");
        self.step_done(output);
    }

    fn refused(&mut self, attempt: u32, reason: &str) {
        self.clear_timers_of_step();
        self.tell(What::Refused, attempt, reason);
        if self.is_compensating() {
            return self.park(ParkCause::CompensationRefused, reason);
        }
        // The callee stands by its refusal, so earlier attempts of the same command did not take effect either.
        let step = self.step_mut();
        step.status = StepStatus::Refused;
        step.in_doubt = false;
        let step = step.name.clone();
        if self.is_behind_pivot() {
            return self.park(ParkCause::StepRefused, reason);
        }
        self.turn_back(Stop { cause: StopCause::Refused, step, reason: reason.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use crate::transition::testing::{Row, check, step, with_pivot};
    use crate::{HISTORY_ENTRIES_MAX, Saga};

    const AT_B: [Row; 2] = [
        ("start", "+saga-deadline, send a/do#1, +answer a/do#1", "running I---"),
        ("a/do#1 ok", "-answer a/do#1, send b/do#1, +answer b/do#1", "running SI--"),
    ];
    const AT_Z: [Row; 2] = [
        ("b/do#1 ok", "-answer b/do#1, send p/do#1, +answer p/do#1", "running SSI-"),
        ("p/do#1 ok", "-answer p/do#1, -saga-deadline, send z/do#1, +answer z/do#1", "running SSSI"),
    ];

    #[test]
    fn what_is_stale_repeated_or_unheard_of_has_no_effect() {
        let mut play = check(with_pivot(), &AT_B);
        for input in [
            "a/do#1 ok",
            "a/do#1 no",
            "a/do#1 failed",
            "b/do#0 ok",
            "b/do#2 ok",
            "b/undo#1 ok",
            "b/do.1#1 ok",
            "p/do#1 ok",
            "x/do#1 ok",
            "fire answer a/do#1",
            "fire retry b/do#1",
            "fire step-deadline b/do#1",
            "resume",
            "skip",
        ] {
            play.rows(&[(input, "", "running SI--")]);
        }
    }

    #[test]
    fn a_refused_first_step_leaves_nothing_to_undo() {
        check(
            with_pivot(),
            &[
                AT_B[0],
                ("a/do#1 no", "-answer a/do#1, -saga-deadline, cancel Refused at a", "cancelled N---"),
                ("a/do#1 ok", "", "cancelled N---"),
                ("cancel", "", "cancelled N---"),
                ("fire saga-deadline", "", "cancelled N---"),
            ],
        );
    }

    #[test]
    fn a_refused_step_is_not_undone_but_the_ones_before_it_are() {
        check(
            with_pivot(),
            &[
                AT_B[0],
                AT_B[1],
                (
                    "b/do#1 no",
                    "-answer b/do#1, -saga-deadline, send a/undo#1, +answer a/undo#1",
                    "compensating CN--",
                ),
                ("b/do#1 ok", "", "compensating CN--"),
                ("a/undo#1 ok", "-answer a/undo#1, cancel Refused at b", "cancelled cN--"),
            ],
        );
    }

    #[test]
    fn a_failure_is_repeated_under_the_same_id_then_given_up_without_being_undone() {
        check(
            with_pivot(),
            &[
                AT_B[0],
                AT_B[1],
                ("b/do#1 failed", "-answer b/do#1, +retry b/do#1", "running SR--"),
                ("b/do#1 failed", "", "running SR--"),
                ("fire retry b/do#1", "send b/do#2, +answer b/do#2", "running SI--"),
                ("b/do#1 failed", "", "running SI--"),
                (
                    "b/do#2 failed",
                    "-answer b/do#2, -saga-deadline, send a/undo#1, +answer a/undo#1",
                    "compensating CF--",
                ),
                ("a/undo#1 ok", "-answer a/undo#1, cancel AttemptsUsedUp at b", "cancelled cF--"),
            ],
        );
    }

    #[test]
    fn an_unclear_outcome_is_asked_again_and_undone_when_it_stays_so() {
        check(
            with_pivot(),
            &[
                AT_B[0],
                AT_B[1],
                ("b/do#1 unclear", "-answer b/do#1, +retry b/do#1", "running SU--"),
                ("fire retry b/do#1", "send b/do#2, +answer b/do#2", "running SI--"),
                (
                    "b/do#2 failed",
                    "-answer b/do#2, -saga-deadline, send b/undo#1, +answer b/undo#1",
                    "compensating SC--",
                ),
                ("b/do#1 ok", "", "compensating SC--"),
                ("b/undo#1 ok", "-answer b/undo#1, send a/undo#1, +answer a/undo#1", "compensating Cc--"),
                ("b/undo#1 ok", "", "compensating Cc--"),
                ("a/undo#1 ok", "-answer a/undo#1, cancel AttemptsUsedUp at b", "cancelled cc--"),
            ],
        );
    }

    #[test]
    fn a_final_answer_counts_whichever_attempt_it_answers() {
        check(
            with_pivot(),
            &[
                AT_B[0],
                ("a/do#1 unclear", "-answer a/do#1, +retry a/do#1", "running U---"),
                ("a/do#1 ok", "-retry a/do#1, send b/do#1, +answer b/do#1", "running SI--"),
                ("b/do#1 unclear", "-answer b/do#1, +retry b/do#1", "running SU--"),
                ("fire retry b/do#1", "send b/do#2, +answer b/do#2", "running SI--"),
                (
                    "b/do#1 no",
                    "-answer b/do#2, -saga-deadline, send a/undo#1, +answer a/undo#1",
                    "compensating CN--",
                ),
            ],
        );
    }

    #[test]
    fn behind_the_pivot_a_refusal_parks_and_a_failure_is_repeated_then_parks() {
        let play = || check(with_pivot(), &[AT_B[0], AT_B[1], AT_Z[0], AT_Z[1]]);
        play().rows(&[("z/do#1 no", "-answer z/do#1, park z", "parked StepRefused SSSN")]);
        play().rows(&[
            ("z/do#1 failed", "-answer z/do#1, +retry z/do#1", "running SSSR"),
            ("fire retry z/do#1", "send z/do#2, +answer z/do#2", "running SSSI"),
            ("z/do#2 failed", "-answer z/do#2, park z", "parked StepGaveUp SSSF"),
        ]);
    }

    #[test]
    fn an_answer_that_comes_after_all_unparks_the_saga() {
        check(with_pivot(), &[AT_B[0], AT_B[1], AT_Z[0], AT_Z[1]]).rows(&[
            ("fire answer z/do#1", "+retry z/do#1", "running SSSU"),
            ("fire retry z/do#1", "send z/do#2, +answer z/do#2", "running SSSI"),
            ("fire answer z/do#2", "park z", "parked StepGaveUp SSSU"),
            ("z/do#1 failed", "", "parked StepGaveUp SSSU"),
            ("z/do#1 ok", "complete", "completed SSSS"),
        ]);
    }

    #[test]
    fn the_story_of_a_saga_that_never_gets_anywhere_stays_bounded() {
        let saga = Saga::define("s", 1).step(step("a").pivot());
        let mut play = check(saga, &[("start", "send a/do#1, +answer a/do#1", "running I")]);
        for attempt in 1..1_000 {
            play.feed(&format!("a/do#{attempt} unclear"));
            play.feed(&format!("fire retry a/do#{attempt}"));
        }
        assert_eq!(play.state.history().len(), HISTORY_ENTRIES_MAX);
        assert_eq!(play.state.history_left_out() + HISTORY_ENTRIES_MAX as u64, 2 + 2 * 999);
        assert_eq!(play.state.steps()[0].attempt(), 1_000);
    }
}
