//! The words a saga's state is written in: statuses, the data of its steps, the story told so far.

use std::collections::BTreeMap;

use mamparo_context::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::{HISTORY_ENTRIES_KEPT, HISTORY_ENTRIES_MAX};
use crate::timer::Timer;

/// Where a saga stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not started yet.
    New,
    /// Going forward.
    Running,
    /// Undoing, in reverse, what may have happened.
    Compensating,
    /// Every step took effect. Terminal.
    Completed,
    /// Whatever may have happened is undone. Terminal.
    Cancelled,
    /// Stuck until a person resumes it or skips what is stuck.
    Parked {
        /// What kind of trouble it is.
        cause: ParkCause,
        /// The words of whoever caused it.
        reason: String,
    },
}

impl Status {
    /// The status as a word: as it is stored, listed and counted.
    pub fn as_str(&self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Running => "running",
            Status::Compensating => "compensating",
            Status::Completed => "completed",
            Status::Cancelled => "cancelled",
            Status::Parked { .. } => "parked",
        }
    }

    /// Whether nothing can happen any more.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Status::Completed | Status::Cancelled)
    }
}

/// Why a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkCause {
    /// A step that may have happened must be undone, and its definition does not say how. It can only be skipped.
    NoCompensation,
    /// A compensation was refused.
    CompensationRefused,
    /// A compensation's attempts are used up.
    CompensationGaveUp,
    /// A step behind the pivot was refused.
    StepRefused,
    /// A step behind the pivot used up its attempts, or its deadline has passed.
    StepGaveUp,
}

impl ParkCause {
    /// Whether the saga is stuck on its way back.
    pub fn is_compensation(self) -> bool {
        matches!(self, Self::NoCompensation | Self::CompensationRefused | Self::CompensationGaveUp)
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Its turn has not come.
    Pending,
    /// Its command is on the way or being worked on.
    InFlight,
    /// The last attempt failed and no attempt took effect; the next one follows a pause.
    Retrying,
    /// An attempt got no answer: it may have taken effect. Another follows a pause, or it is undone.
    Unknown,
    /// It took effect.
    Succeeded,
    /// It was refused, and did not take effect.
    Refused,
    /// It was given up, and did not take effect.
    Failed,
    /// It is being undone.
    Compensating,
    /// It is undone.
    Compensated,
}

/// One step of a running saga.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepState {
    pub(crate) name: String,
    pub(crate) status: StepStatus,
    /// Attempts of the present direction sent so far; they are never counted anew within a direction.
    pub(crate) attempt: u32,
    /// How many of them were sent before a person resumed the saga: the retry budget counts from here.
    pub(crate) resumed_at: u32,
    /// How often the present direction was asked anew after a refusal.
    pub(crate) round: u32,
    /// Whether a forward attempt remained without an answer that is final.
    pub(crate) in_doubt: bool,
}

impl StepState {
    pub(crate) fn new(name: String) -> Self {
        Self { name, status: StepStatus::Pending, attempt: 0, resumed_at: 0, round: 0, in_doubt: false }
    }

    /// The step's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    pub fn status(&self) -> StepStatus {
        self.status
    }

    /// The last attempt that was sent: of the compensation once that has begun, else of the step itself.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether it may have happened and has to be undone when the saga turns back.
    pub(crate) fn may_have_happened(&self) -> bool {
        matches!(self.status, StepStatus::Succeeded | StepStatus::InFlight | StepStatus::Unknown)
    }
}

/// What commands are made of: the saga's input, and what its steps answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    pub(crate) input: Value,
    pub(crate) outputs: BTreeMap<String, Value>,
}

impl Data {
    /// What the saga was started with.
    pub fn input(&self) -> &Value {
        &self.input
    }

    /// What the step answered; `null` if it has not.
    pub fn output(&self, step: &str) -> &Value {
        self.outputs.get(step).unwrap_or(&Value::Null)
    }

    /// What each step that succeeded answered.
    pub fn outputs(&self) -> &BTreeMap<String, Value> {
        &self.outputs
    }
}

/// Why a saga turned back, or will as soon as it knows that its pivot did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// What kind of reason it is.
    pub cause: StopCause,
    /// The step the saga was at.
    pub step: String,
    /// The words of whoever caused it.
    pub reason: String,
}

/// What made a saga turn back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// A step was refused.
    Refused,
    /// A step's attempts were used up.
    AttemptsUsedUp,
    /// A step's deadline passed.
    StepDeadline,
    /// The saga's deadline passed.
    SagaDeadline,
    /// Somebody asked for it.
    CancelRequested,
}

/// A timer that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The timer.
    pub timer: Timer,
    /// When it fires.
    pub due: Timestamp,
}

/// One entry of a saga's story, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// The step the saga was at.
    pub step: String,
    /// The attempt it is about; zero if it is about none.
    pub attempt: u32,
    /// The words of whoever caused it.
    pub note: String,
}

/// What an [`Entry`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the sentence it says")]
pub enum What {
    Started,
    CommandSent,
    Succeeded,
    Refused,
    Failed,
    Indeterminate,
    NoAnswerInTime,
    /// A reason to turn back came up while the pivot's outcome is unknown: it is waited for.
    TurnsBackUnlessPivotSucceeds,
    /// The pivot succeeded all the same: too late to turn back.
    TooLateToTurnBack,
    TurnedBack,
    CompensationSent,
    Compensated,
    Parked,
    Resumed,
    Skipped,
    Completed,
    Cancelled,
}

/// The story so far: its beginning and its end; the middle makes room when it gets long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
    /// How many entries between the beginning and the end were given up.
    pub(crate) left_out: u64,
}

impl History {
    pub(crate) fn push(&mut self, entry: Entry) {
        if self.entries.len() >= HISTORY_ENTRIES_MAX {
            self.entries.remove(HISTORY_ENTRIES_KEPT);
            self.left_out += 1;
        }
        self.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_story_keeps_its_beginning_and_its_end() {
        let mut history = History::default();
        for n in 0..1_000 {
            let at = Timestamp::from_micros(n);
            let (step, note) = (String::new(), String::new());
            history.push(Entry { at, what: What::CommandSent, step, attempt: 0, note });
        }
        let at: Vec<i64> = history.entries.iter().map(|entry| entry.at.as_micros()).collect();
        let end = 1_000 - (HISTORY_ENTRIES_MAX - HISTORY_ENTRIES_KEPT) as i64;
        assert_eq!(at, (0..HISTORY_ENTRIES_KEPT as i64).chain(end..1_000).collect::<Vec<_>>());
        assert_eq!(history.left_out, 1_000 - HISTORY_ENTRIES_MAX as u64);
    }
}
