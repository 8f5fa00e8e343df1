//! Plays a saga from a table: each row is an input, the actions that must follow, and where that leaves the saga.

use std::time::Duration;

use mamparo_context::Timestamp;
use serde_json::json;

use crate::{
    Action, Command, CommandId, Definition, Input, Outcome, Retry, Saga, State, Status, Step, StepStatus,
    Timer,
};

/// Input, actions, and status with the first letters of what the steps are in; see [`Play::row`].
pub(super) type Row = (&'static str, &'static str, &'static str);

pub(super) struct Play {
    definition: Definition,
    pub(super) state: State,
    pub(super) now: Timestamp,
}

/// Steps `a` and `b` with compensations, the pivot `p`, and `z` behind it, each tried twice; 60 s for the saga.
pub(super) fn with_pivot() -> Saga {
    Saga::define("s", 1)
        .deadline(Duration::from_secs(60))
        .step(step("a").compensate("t"))
        .step(step("b").compensate("t"))
        .step(step("p").pivot())
        .step(step("z"))
}

pub(super) fn step(name: &str) -> Step {
    Step::message(name, "t").retry(Retry::attempts(2))
}

/// Plays `rows` from the beginning.
pub(super) fn check(saga: Saga, rows: &[Row]) -> Play {
    let mut play = Play::new(saga);
    play.rows(rows);
    play
}

impl Play {
    pub(super) fn new(saga: Saga) -> Self {
        let definition = saga.build().unwrap();
        let now = Timestamp::from_micros(1_000_000);
        let state = State::new(&definition, "s".parse().unwrap(), json!({"n": 1}), now);
        Self { definition, state, now }
    }

    pub(super) fn rows(&mut self, rows: &[Row]) {
        for (index, (input, actions, state)) in rows.iter().enumerate() {
            let before = self.state.clone();
            let got = self.row(input);
            assert_eq!(got, (actions.to_string(), state.to_string()), "row {index}: {input}");
            if actions.is_empty() && before.revision() == self.state.revision() {
                assert_eq!(before, self.state, "row {index}: {input} has no effect");
            }
        }
    }

    /// Actions read `send a/do#1`, `+answer a/do#1` (timer set), `-answer a/do#1` (timer cleared); states read
    /// `running I---`: a letter for each step, `-` pending, `I`n flight, `R`etrying, `U`nknown, `S`ucceeded,
    /// `N` refused, `F`ailed, `C`ompensating, `c`ompensated.
    fn row(&mut self, input: &str) -> (String, String) {
        let actions: Vec<String> = self.feed(input).iter().map(show).collect();
        let status = match self.state.status() {
            Status::Parked { cause, .. } => format!("parked {cause:?}"),
            status => format!("{status:?}").to_lowercase(),
        };
        let steps: String = self.state.steps().iter().map(|step| letter(step.status())).collect();
        (actions.join(", "), format!("{status} {steps}"))
    }

    pub(super) fn feed(&mut self, input: &str) -> Vec<Action> {
        self.now = self.now + Duration::from_millis(1);
        self.state.transition(&self.definition, self.input(input), self.now).unwrap()
    }

    fn input(&self, text: &str) -> Input {
        let words: Vec<&str> = text.split(' ').collect();
        let reason = || "because".to_owned();
        match words[..] {
            ["start"] => Input::Start,
            ["cancel"] => Input::CancelRequested { reason: reason() },
            ["resume"] => Input::Resume,
            ["skip"] => Input::Skip { reason: reason(), output: json!("by hand") },
            ["fire", "saga-deadline"] => Input::TimerFired(Timer::SagaDeadline),
            ["fire", kind, what] => {
                let (command, attempt) = command(what);
                Input::TimerFired(match kind {
                    "answer" => Timer::Answer { command, attempt },
                    "retry" => Timer::Retry { command, attempt },
                    "step-deadline" => Timer::StepDeadline { command, attempt },
                    _ => unreachable!("{text}"),
                })
            }
            [what, outcome] => {
                let (command, attempt) = command(what);
                let outcome = match outcome {
                    "ok" => Outcome::Succeeded(json!({ "of": command.step() })),
                    "no" => Outcome::Refused(reason()),
                    "failed" => Outcome::Failed(reason()),
                    "unclear" => Outcome::Indeterminate(reason()),
                    _ => unreachable!("{text}"),
                };
                Input::Reply { command, attempt, outcome }
            }
            _ => unreachable!("{text}"),
        }
    }
}

fn command(text: &str) -> (CommandId, u32) {
    let (id, attempt) = text.split_once('#').unwrap();
    (format!("s/{id}").parse().unwrap(), attempt.parse().unwrap())
}

fn show(action: &Action) -> String {
    let own = |text: String| text.replace("s/", "");
    match action {
        Action::Send(command) => own(format!("send {}", message(command))),
        Action::Call(command) => own(format!("call {}", message(command))),
        Action::SetTimer { timer, .. } => own(format!("+{timer}")),
        Action::ClearTimer(timer) => own(format!("-{timer}")),
        Action::Complete { .. } => "complete".into(),
        Action::Cancel(stop) => format!("cancel {:?} at {}", stop.cause, stop.step),
        Action::Park { step, .. } => format!("park {step}"),
    }
}

fn message(command: &Command) -> String {
    assert_eq!(command.undoes.is_some(), command.id.is_compensation());
    if let Some(undone) = &command.undoes {
        assert_eq!((undone.step(), undone.is_compensation()), (command.id.step(), false));
    }
    command.message_id()
}

fn letter(status: StepStatus) -> char {
    match status {
        StepStatus::Pending => '-',
        StepStatus::InFlight => 'I',
        StepStatus::Retrying => 'R',
        StepStatus::Unknown => 'U',
        StepStatus::Succeeded => 'S',
        StepStatus::Refused => 'N',
        StepStatus::Failed => 'F',
        StepStatus::Compensating => 'C',
        StepStatus::Compensated => 'c',
    }
}
