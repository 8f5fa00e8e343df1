//! Where a saga ends or rests: no timer outlives any of these.

use super::Turn;
use crate::action::Action;
use crate::limits::bounded;
use crate::state::{ParkCause, Status, What};

impl Turn<'_> {
    pub(super) fn complete(&mut self) {
        self.clear_all_timers();
        self.state.status = Status::Completed;
        self.tell(What::Completed, 0, "");
        let output = (self.definition.output)(&self.state.data);
        self.actions.push(Action::Complete { output });
    }

    pub(super) fn cancelled(&mut self) {
        self.clear_all_timers();
        self.state.status = Status::Cancelled;
        self.tell(What::Cancelled, 0, "");
        self.actions.extend(self.state.stop.clone().map(Action::Cancel));
    }

    pub(super) fn park(&mut self, cause: ParkCause, reason: &str) {
        self.clear_all_timers();
        let reason = bounded(reason.to_owned());
        self.tell(What::Parked, 0, &reason);
        self.actions.push(Action::Park { step: self.step().name.clone(), cause, reason: reason.clone() });
        self.state.status = Status::Parked { cause, reason };
    }
}
