//! The world around one saga: what is on its way, the timers that are set, and what must hold after each input.

use std::collections::BTreeMap;
use std::time::Duration;

use mamparo_context::Timestamp;
use mamparo_saga::{Action, Command, Definition, Input, State, Status, StepStatus, Timer};
use serde_json::json;

use crate::callee::{Callee, Whim};
use crate::plan::Op;

pub(crate) struct World {
    pub(crate) definition: Definition,
    /// As it would be stored: read anew for each input, as after a crash.
    stored: String,
    pub(crate) now: Timestamp,
    pub(crate) callee: Callee,
    /// Every command that was ever sent.
    pub(crate) sent: Vec<Command>,
    pub(crate) commands: Vec<Command>,
    pub(crate) answers: Vec<Input>,
    pub(crate) timers: BTreeMap<Timer, Timestamp>,
    ever_set: Vec<Timer>,
    /// What the last of the actions was, once the saga is finished.
    pub(crate) end: Option<Action>,
}

impl World {
    pub(crate) fn new(definition: Definition) -> Self {
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        let state = State::new(&definition, "m".parse().unwrap(), json!({}), now);
        Self {
            definition,
            stored: serde_json::to_string(&state).unwrap(),
            now,
            callee: Callee::default(),
            sent: Vec::new(),
            commands: Vec::new(),
            answers: Vec::new(),
            timers: BTreeMap::new(),
            ever_set: Vec::new(),
            end: None,
        }
    }

    pub(crate) fn state(&self) -> State {
        serde_json::from_str(&self.stored).unwrap()
    }

    pub(crate) fn happen(&mut self, op: &Op) {
        self.now = self.now + Duration::from_millis(1);
        match op {
            Op::Deliver { which, whim, copy } if !self.commands.is_empty() => {
                self.deliver(which.index(self.commands.len()), *whim, *copy);
            }
            Op::Repeat { which } if !self.sent.is_empty() => {
                self.commands.push(which.get(&self.sent).clone())
            }
            Op::Answer { which, copy } if !self.answers.is_empty() => {
                self.answer(which.index(self.answers.len()), *copy);
            }
            Op::Fire => self.fire_one(is_of_attempt, |_| 0),
            Op::Deadline { which } => {
                self.fire_one(|timer| !is_of_attempt(timer), |count| which.index(count))
            }
            Op::FireAny { which } if !self.ever_set.is_empty() => {
                self.fire(which.get(&self.ever_set).clone());
            }
            Op::Wait(millis) => self.now = self.now + Duration::from_millis(*millis),
            Op::Start => self.input(Input::Start),
            Op::Cancel => self.input(Input::CancelRequested { reason: "changed my mind".into() }),
            Op::Resume => self.input(Input::Resume),
            Op::Skip => self.skip(),
            _ => {}
        }
    }

    pub(crate) fn deliver(&mut self, index: usize, whim: Whim, copy: bool) {
        let command = if copy { self.commands[index].clone() } else { self.commands.swap_remove(index) };
        if let Some(outcome) = self.callee.deliver(&command, whim) {
            self.answers.push(Input::Reply { command: command.id, attempt: command.attempt, outcome });
        }
    }

    pub(crate) fn answer(&mut self, index: usize, copy: bool) {
        let answer = if copy { self.answers[index].clone() } else { self.answers.swap_remove(index) };
        self.input(answer);
    }

    fn fire_one(&mut self, of: impl Fn(&Timer) -> bool, which: impl Fn(usize) -> usize) {
        let candidates: Vec<&Timer> = self.timers.keys().filter(|timer| of(timer)).collect();
        if !candidates.is_empty() {
            self.fire(candidates[which(candidates.len())].clone());
        }
    }

    pub(crate) fn fire(&mut self, timer: Timer) {
        if let Some(due) = self.timers.remove(&timer) {
            self.now = self.now.max(due);
        }
        self.input(Input::TimerFired(timer));
    }

    /// A person does by hand what is stuck, and says so.
    pub(crate) fn skip(&mut self) {
        let state = self.state();
        if let Status::Parked { cause, .. } = state.status() {
            if cause.is_compensation() {
                self.callee.undo_by_hand(state.current_step(), &self.sent);
            } else {
                self.callee.do_by_hand(state.current_step(), &self.sent);
            }
        }
        self.input(Input::Skip { reason: "by hand".into(), output: json!("by hand") });
    }

    /// Hands the saga one input and checks everything that must hold at any time.
    pub(crate) fn input(&mut self, input: Input) {
        let before = self.state();
        let mut after = before.clone();
        let actions = after.transition(&self.definition, input.clone(), self.now).unwrap();
        let mut again = before.clone();
        assert_eq!(
            again.transition(&self.definition, input.clone(), self.now).unwrap(),
            actions,
            "deterministic"
        );
        assert_eq!(again, after, "deterministic");

        if after.revision() == before.revision() {
            assert_eq!((&after, actions.as_slice()), (&before, &[][..]), "{input:?} has no effect at all");
        }
        if before.status().is_terminal() {
            assert_eq!(after, before, "{input:?} has no effect behind the end");
        }
        if matches!(
            input,
            Input::Start | Input::Reply { .. } | Input::TimerFired(_) | Input::CancelRequested { .. }
        ) {
            let mut repeated = after.clone();
            assert_eq!(repeated.transition(&self.definition, input.clone(), self.now).unwrap(), []);
            assert_eq!(repeated, after, "{input:?} repeated has no effect");
        }
        self.perform(&before, actions);
        self.check_timers(&after);
        self.stored = serde_json::to_string(&after).unwrap();
        assert_eq!(self.state(), after, "reads back as it was written");
    }

    fn perform(&mut self, before: &State, actions: Vec<Action>) {
        let pivot = self.definition.pivot();
        let no_way_back = before
            .steps()
            .iter()
            .any(|step| Some(step.name()) == pivot && step.status() == StepStatus::Succeeded);
        for action in actions {
            assert_eq!(self.end, None, "nothing follows the end: {action:?}");
            match action {
                Action::Send(command) | Action::Call(command) => {
                    assert!(!(no_way_back && command.id.is_compensation()), "{command:?} behind the pivot");
                    assert!(
                        self.sent.iter().all(|sent| sent.message_id() != command.message_id()),
                        "{command:?} is a new message"
                    );
                    self.sent.push(command.clone());
                    self.commands.push(command);
                }
                Action::SetTimer { timer, due } => {
                    self.ever_set.push(timer.clone());
                    assert_eq!(self.timers.insert(timer, due), None);
                }
                Action::ClearTimer(timer) => assert!(self.timers.remove(&timer).is_some()),
                Action::Complete { .. } | Action::Cancel(_) => self.end = Some(action),
                Action::Park { .. } => {}
            }
        }
    }

    fn check_timers(&self, state: &State) {
        let set: BTreeMap<_, _> = state.timers().iter().map(|set| (set.timer.clone(), set.due)).collect();
        assert_eq!(set, self.timers, "the state knows its timers");
        match state.status() {
            Status::New | Status::Completed | Status::Cancelled | Status::Parked { .. } => {
                assert!(set.is_empty(), "{:?} keeps no timers", state.status());
            }
            Status::Running | Status::Compensating => {
                let moves_on = |timer: &Timer| matches!(timer, Timer::Answer { .. } | Timer::Retry { .. });
                assert_eq!(
                    set.keys().filter(|timer| moves_on(timer)).count(),
                    1,
                    "something moves it on: {set:?}"
                );
                assert!(set.len() <= 3);
            }
        }
        let ended = self.end.is_some();
        assert_eq!(ended, state.status().is_terminal(), "{:?}", state.status());
    }
}

fn is_of_attempt(timer: &Timer) -> bool {
    matches!(timer, Timer::Answer { .. } | Timer::Retry { .. })
}
