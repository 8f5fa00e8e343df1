//! The saga begins: its deadline starts, its first command goes out.

use super::Turn;
use crate::state::{Status, What};
use crate::timer::Timer;

impl Turn<'_> {
    pub(crate) fn start(&mut self) {
        if self.state.status != Status::New {
            return;
        }
        self.state.status = Status::Running;
        self.tell(What::Started, 0, "");
        if let Some(deadline) = self.definition.deadline {
            self.set_timer(Timer::SagaDeadline, deadline);
        }
        self.begin_step();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::transition::testing::{check, step, with_pivot};
    use crate::{Saga, Step};

    #[test]
    fn the_first_command_and_the_deadline_start_once() {
        check(
            with_pivot(),
            &[
                ("cancel", "", "new ----"),
                ("a/do#1 ok", "", "new ----"),
                ("start", "+saga-deadline, send a/do#1, +answer a/do#1", "running I---"),
                ("start", "", "running I---"),
            ],
        );
    }

    #[test]
    fn a_step_may_have_a_deadline_and_be_a_call() {
        let saga = Saga::define("s", 1).step(Step::call("a", "t").deadline(Duration::from_secs(9)));
        let play =
            check(saga, &[("start", "+step-deadline a/do#1, call a/do#1, +answer a/do#1", "running I")]);
        let due: Vec<_> = play.state.timers().iter().map(|set| set.due.since(play.now).as_secs()).collect();
        assert_eq!(due, [9, 30]);
    }

    #[test]
    fn a_saga_without_deadline_sets_none() {
        check(Saga::define("s", 1).step(step("a")), &[("start", "send a/do#1, +answer a/do#1", "running I")]);
    }
}
