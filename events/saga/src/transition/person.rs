//! A person unparks a saga: what is stuck is tried again, or was done by hand.

use serde_json::Value;

use super::Turn;
use crate::state::{ParkCause, Status, What};

impl Turn<'_> {
    pub(crate) fn resume(&mut self) {
        let Some(cause) = self.parked() else { return };
        if cause == ParkCause::NoCompensation {
            return; // There is nothing to try again.
        }
        let step = self.step_mut();
        step.resumed_at = step.attempt;
        if matches!(cause, ParkCause::CompensationRefused | ParkCause::StepRefused) {
            step.round = step.round.saturating_add(1); // Under the old id the callee would repeat its refusal.
        }
        self.tell(What::Resumed, 0, "");
        if cause.is_compensation() {
            self.state.status = Status::Compensating;
            self.send();
        } else {
            self.state.status = Status::Running;
            self.begin_step();
        }
    }

    pub(crate) fn skip(&mut self, reason: String, output: Value) {
        let Some(cause) = self.parked() else { return };
        self.tell(What::Skipped, 0, &reason);
        if cause.is_compensation() {
            return self.compensation_done();
        }
        self.step_done(output);
    }

    fn parked(&self) -> Option<ParkCause> {
        match &self.state.status {
            Status::Parked { cause, .. } => Some(*cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Saga;
    use crate::transition::testing::{Row, check, step};

    const PARKED: [Row; 3] = [
        ("start", "send p/do#1, +answer p/do#1", "running I-"),
        ("p/do#1 ok", "-answer p/do#1, send z/do#1, +answer z/do#1", "running SI"),
        ("z/do#1 no", "-answer z/do#1, park z", "parked StepRefused SN"),
    ];

    fn saga() -> Saga {
        Saga::define("s", 1).step(step("p").pivot()).step(step("z"))
    }

    #[test]
    fn a_refused_step_is_asked_anew_under_another_id() {
        check(saga(), &PARKED).rows(&[
            ("cancel", "", "parked StepRefused SN"),
            ("resume", "send z/do.1#2, +answer z/do.1#2", "running SI"),
            ("resume", "", "running SI"),
            ("z/do#1 ok", "", "running SI"),
            ("z/do.1#2 no", "-answer z/do.1#2, park z", "parked StepRefused SN"),
            ("resume", "send z/do.2#3, +answer z/do.2#3", "running SI"),
            ("z/do.2#3 ok", "-answer z/do.2#3, complete", "completed SS"),
        ]);
    }

    #[test]
    fn a_refusal_ends_the_doubt_of_earlier_attempts() {
        check(saga(), &PARKED[..2]).rows(&[
            ("z/do#1 unclear", "-answer z/do#1, +retry z/do#1", "running SU"),
            ("z/do#1 no", "-retry z/do#1, park z", "parked StepRefused SN"),
            ("resume", "send z/do.1#2, +answer z/do.1#2", "running SI"),
            ("z/do.1#2 failed", "-answer z/do.1#2, +retry z/do.1#2", "running SR"),
        ]);
    }

    #[test]
    fn a_step_done_by_hand_counts_as_done() {
        let mut play = check(saga(), &PARKED);
        play.rows(&[("skip", "complete", "completed SS"), ("skip", "", "completed SS")]);
        assert_eq!(play.state.data().output("z"), &json!("by hand"));
    }

    #[test]
    fn a_refused_compensation_is_asked_anew_under_another_id() {
        check(
            Saga::define("s", 1).step(step("a").compensate("t")),
            &[
                ("start", "send a/do#1, +answer a/do#1", "running I"),
                ("cancel", "-answer a/do#1, send a/undo#1, +answer a/undo#1", "compensating C"),
                ("a/undo#1 no", "-answer a/undo#1, park a", "parked CompensationRefused C"),
                ("resume", "send a/undo.1#2, +answer a/undo.1#2", "compensating C"),
                ("a/undo.1#2 ok", "-answer a/undo.1#2, cancel CancelRequested at a", "cancelled c"),
            ],
        );
    }
}
