//! One step of a definition and how it is undone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::limits::ANSWER_WITHIN;
use crate::retry::Retry;
use crate::state::Data;

/// Makes a command's payload of the saga's input and the outputs so far. Called again for each attempt: it must
/// come to the same each time.
pub(crate) type Payload = Arc<dyn Fn(&Data) -> Value + Send + Sync>;

/// How a step's command travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As a message to a topic; the answer is a message too.
    Message {
        /// The topic.
        topic: String,
    },
    /// As a call the runner makes; its outcome is the answer.
    Call {
        /// What is called, by the name the runner knows it by.
        target: String,
    },
}

/// What a step and a compensation have in common.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) kind: Kind,
    pub(crate) retry: Retry,
    pub(crate) answer_within: Duration,
    pub(crate) payload: Payload,
}

impl Task {
    fn new(kind: Kind) -> Self {
        let payload: Payload = Arc::new(|data: &Data| data.input().clone());
        Self { kind, retry: Retry::until_deadline(), answer_within: ANSWER_WITHIN, payload }
    }

    fn message(topic: impl Into<String>) -> Self {
        Self::new(Kind::Message { topic: topic.into() })
    }

    fn call(target: impl Into<String>) -> Self {
        Self::new(Kind::Call { target: target.into() })
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, retry, answer_within, payload: _ } = self;
        write!(f, "{kind:?}, {retry:?}, answer within {answer_within:?}")
    }
}

/// One step of a saga. Unless told otherwise it is tried until a deadline, an answer is waited for 30 s, and the
/// payload is the saga's input.
#[derive(Clone, Debug)]
pub struct Step {
    pub(crate) name: String,
    pub(crate) task: Task,
    pub(crate) deadline: Option<Duration>,
    pub(crate) compensation: Option<Compensation>,
    pub(crate) nothing_to_undo: bool,
    pub(crate) pivot: bool,
}

impl Step {
    fn new(name: impl Into<String>, task: Task) -> Self {
        let name = name.into();
        Self { name, task, deadline: None, compensation: None, nothing_to_undo: false, pivot: false }
    }

    /// A step whose command is a message to `topic`.
    pub fn message(name: impl Into<String>, topic: impl Into<String>) -> Self {
        Self::new(name, Task::message(topic))
    }

    /// A step whose command is a call of `target`.
    pub fn call(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(name, Task::call(target))
    }

    /// What the command says.
    pub fn payload(mut self, payload: impl Fn(&Data) -> Value + Send + Sync + 'static) -> Self {
        self.task.payload = Arc::new(payload);
        self
    }

    /// How often it is tried.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.task.retry = retry;
        self
    }

    /// How long the answer to one attempt is waited for. After that the attempt's outcome is unknown.
    pub fn answer_within(mut self, within: Duration) -> Self {
        self.task.answer_within = within;
        self
    }

    /// How long the step may take, all attempts together. After that the saga turns back; behind the pivot it parks.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How it is undone: a topic, or a [`Compensation`]. A step that has none and is not marked
    /// [`nothing_to_undo`](Self::nothing_to_undo) parks the saga when it must be undone.
    pub fn compensate(mut self, compensation: impl Into<Compensation>) -> Self {
        self.compensation = Some(compensation.into());
        self
    }

    /// The step leaves nothing behind that would have to be undone.
    pub fn nothing_to_undo(mut self) -> Self {
        self.nothing_to_undo = true;
        self
    }

    /// The step behind which there is no way back: once it has succeeded, the saga only goes forward.
    pub fn pivot(mut self) -> Self {
        self.pivot = true;
        self
    }

    /// The step itself and its compensation.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        std::iter::once(&self.task).chain(self.compensation.as_ref().map(|compensation| &compensation.task))
    }

    /// The step's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// How a step is undone. Unless told otherwise it is tried without end, because a compensation must succeed.
///
/// It is sent whenever the step *may* have happened, so its callee tolerates that there is nothing to undo, and
/// remembers that the step's command is not to be obeyed any more.
#[derive(Clone, Debug)]
pub struct Compensation {
    pub(crate) task: Task,
}

impl Compensation {
    /// A compensation whose command is a message to `topic`.
    pub fn message(topic: impl Into<String>) -> Self {
        Self { task: Task::message(topic) }
    }

    /// A compensation whose command is a call of `target`.
    pub fn call(target: impl Into<String>) -> Self {
        Self { task: Task::call(target) }
    }

    /// What the command says. The output of the step itself is there only if its success was heard of.
    pub fn payload(mut self, payload: impl Fn(&Data) -> Value + Send + Sync + 'static) -> Self {
        self.task.payload = Arc::new(payload);
        self
    }

    /// How often it is tried. When a bounded policy is used up, the saga parks.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.task.retry = retry;
        self
    }

    /// How long the answer to one attempt is waited for.
    pub fn answer_within(mut self, within: Duration) -> Self {
        self.task.answer_within = within;
        self
    }
}

impl From<&str> for Compensation {
    /// A message to the topic.
    fn from(topic: &str) -> Self {
        Self::message(topic)
    }
}

impl From<String> for Compensation {
    /// A message to the topic.
    fn from(topic: String) -> Self {
        Self::message(topic)
    }
}
