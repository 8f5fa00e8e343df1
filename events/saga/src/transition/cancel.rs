//! Reasons to turn back that come from outside of a step: somebody cancels, a deadline passes. Before the pivot
//! they are obeyed at once, at the pivot as soon as it is known not to have happened, behind it not at all.

use super::Turn;
use crate::limits::bounded;
use crate::state::{StepStatus, Stop, StopCause, What};

impl Turn<'_> {
    pub(crate) fn cancel(&mut self, reason: String) {
        if !self.is_running() || self.is_behind_pivot() {
            return;
        }
        let step = self.step().name.clone();
        self.stop_forward(Stop { cause: StopCause::CancelRequested, step, reason: bounded(reason) });
    }

    /// Turns back, unless the pivot may have happened: then its outcome is waited for.
    pub(super) fn stop_forward(&mut self, stop: Stop) {
        let in_flight = self.step().status == StepStatus::InFlight;
        if self.is_at_pivot() && (in_flight || self.step().in_doubt) {
            if self.state.stop.is_none() {
                self.tell(What::TurnsBackUnlessPivotSucceeds, 0, &stop.reason);
                self.state.stop = Some(stop);
            }
            return;
        }
        self.settle_status();
        self.turn_back(stop);
    }
}

#[cfg(test)]
mod tests {
    use crate::transition::testing::{Row, check, step, with_pivot};
    use crate::{Saga, What};

    const AT_P: [Row; 3] = [
        ("start", "+saga-deadline, send a/do#1, +answer a/do#1", "running I---"),
        ("a/do#1 ok", "-answer a/do#1, send b/do#1, +answer b/do#1", "running SI--"),
        ("b/do#1 ok", "-answer b/do#1, send p/do#1, +answer p/do#1", "running SSI-"),
    ];

    #[test]
    fn before_the_pivot_it_is_obeyed_at_once_and_what_is_in_flight_is_undone() {
        check(
            with_pivot(),
            &[
                AT_P[0],
                AT_P[1],
                (
                    "cancel",
                    "-saga-deadline, -answer b/do#1, send b/undo#1, +answer b/undo#1",
                    "compensating SC--",
                ),
                ("cancel", "", "compensating SC--"),
                ("b/do#1 ok", "", "compensating SC--"),
                ("b/undo#1 ok", "-answer b/undo#1, send a/undo#1, +answer a/undo#1", "compensating Cc--"),
                ("a/undo#1 ok", "-answer a/undo#1, cancel CancelRequested at b", "cancelled cc--"),
            ],
        );
    }

    #[test]
    fn while_the_pivot_is_on_its_way_its_outcome_decides() {
        let at_p = || check(with_pivot(), &AT_P);
        let asked = ("cancel", "", "running SSI-");
        let again = ("cancel", "", "running SSI-");
        let undo = "-answer p/do#1, -saga-deadline, send b/undo#1, +answer b/undo#1";
        at_p().rows(&[asked, again, ("p/do#1 no", undo, "compensating SCN-")]);
        let undo = "-answer p/do#1, -saga-deadline, send b/undo#1, +answer b/undo#1";
        at_p().rows(&[asked, ("p/do#1 failed", undo, "compensating SCF-")]);

        let mut late = at_p();
        let on = "-answer p/do#1, -saga-deadline, send z/do#1, +answer z/do#1";
        late.rows(&[asked, ("p/do#1 ok", on, "running SSSI"), ("cancel", "", "running SSSI")]);
        assert!(late.state.stop().is_none());
        assert!(late.state.history().iter().any(|entry| entry.what == What::TooLateToTurnBack));

        at_p().rows(&[
            asked,
            ("fire saga-deadline", "", "running SSI-"),
            ("fire answer p/do#1", "+retry p/do#1", "running SSU-"),
            ("fire retry p/do#1", "send p/do#2, +answer p/do#2", "running SSI-"),
            ("p/do#2 failed", "-answer p/do#2, +retry p/do#2", "running SSU-"),
            ("p/do#1 no", "-retry p/do#2, send b/undo#1, +answer b/undo#1", "compensating SCN-"),
        ]);
    }

    #[test]
    fn between_two_attempts_of_a_pivot_that_did_not_happen_it_is_obeyed_at_once() {
        check(
            Saga::define("s", 1).step(step("p").pivot()),
            &[
                ("start", "send p/do#1, +answer p/do#1", "running I"),
                ("p/do#1 failed", "-answer p/do#1, +retry p/do#1", "running R"),
                ("cancel", "-retry p/do#1, cancel CancelRequested at p", "cancelled F"),
            ],
        );
    }
}
