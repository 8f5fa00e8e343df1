//! What a kind of saga is made of, and whether that makes sense.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::limits::{NAME_BYTES_MAX, STEPS_MAX, is_name};
use crate::state::Data;
use crate::step::{Kind, Payload, Step};

/// Builds a [`Definition`]; begins with [`Saga::define`].
pub struct Saga {
    name: String,
    version: u32,
    deadline: Option<Duration>,
    steps: Vec<Step>,
    output: Payload,
}

/// A checked definition: name, version, deadline and steps in order. It holds functions, so it is code and not
/// stored; running sagas store its name and version and find it in a [`Registry`](crate::Registry).
#[derive(Clone)]
pub struct Definition {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) deadline: Option<Duration>,
    pub(crate) steps: Vec<Step>,
    pub(crate) pivot: Option<usize>,
    pub(crate) output: Payload,
}

/// Why a definition makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// The saga's or a step's name has characters or a length that are not allowed.
    #[error("`{name}` cannot be a name: 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` and `.` of ASCII")]
    Name {
        /// The name.
        name: String,
    },
    /// No steps at all.
    #[error("a saga needs at least one step")]
    NoSteps,
    /// More steps than are allowed.
    #[error("{count} steps, at most {STEPS_MAX} are allowed")]
    TooManySteps {
        /// How many.
        count: usize,
    },
    /// Two steps share a name.
    #[error("two steps are named `{name}`")]
    DuplicateStep {
        /// The name.
        name: String,
    },
    /// More than one step is marked as pivot.
    #[error("`{first}` and `{second}` are both marked as pivot: at most one step can be")]
    TwoPivots {
        /// The first of them.
        first: String,
        /// The second of them.
        second: String,
    },
    /// A pivot, or a step behind it, has a compensation, which would never run.
    #[error("`{step}` cannot be compensated: nothing is undone once the pivot has succeeded")]
    CompensationNeverRuns {
        /// The step.
        step: String,
    },
    /// A step has a compensation and says that there is nothing to undo.
    #[error("`{step}` has a compensation and is marked as having nothing to undo")]
    NothingToCompensate {
        /// The step.
        step: String,
    },
    /// A step up to the pivot would be tried for ever.
    #[error("`{step}` would be tried for ever: bound its attempts, or give it or the saga a deadline")]
    Endless {
        /// The step.
        step: String,
    },
    /// A duration that is zero makes no sense.
    #[error("{what} of `{of}` is zero")]
    Zero {
        /// Which duration.
        what: &'static str,
        /// Of which step, or the saga.
        of: String,
    },
    /// A topic or target is empty.
    #[error("`{step}` names no topic or target")]
    NoDestination {
        /// The step.
        step: String,
    },
}

impl Saga {
    /// Begins the definition of the saga `name`. Sagas that run go on under the `version` they began with.
    pub fn define(name: impl Into<String>, version: u32) -> Self {
        let output: Payload = Arc::new(|data: &Data| data.outputs().clone().into_iter().collect());
        Self { name: name.into(), version, deadline: None, steps: Vec::new(), output }
    }

    /// How long the saga may take to pass its pivot, or to complete if it has none. After that it turns back.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The next step.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// What the saga comes to when it completes; by default an object of all steps' outputs.
    pub fn output(mut self, output: impl Fn(&Data) -> Value + Send + Sync + 'static) -> Self {
        self.output = Arc::new(output);
        self
    }

    /// Checks the definition.
    ///
    /// # Errors
    /// [`DefinitionError`] names the first thing that makes no sense.
    pub fn build(self) -> Result<Definition, DefinitionError> {
        let Self { name, version, deadline, steps, output } = self;
        check_name(&name)?;
        if deadline.is_some_and(|d| d.is_zero()) {
            return Err(DefinitionError::Zero { what: "the deadline", of: name });
        }
        match steps.len() {
            0 => return Err(DefinitionError::NoSteps),
            1..=STEPS_MAX => {}
            count => return Err(DefinitionError::TooManySteps { count }),
        }
        let pivot = find_pivot(&steps)?;
        for (index, step) in steps.iter().enumerate() {
            check_step(step)?;
            let name = || step.name.clone();
            if steps[..index].iter().any(|earlier| earlier.name == step.name) {
                return Err(DefinitionError::DuplicateStep { name: name() });
            }
            if step.compensation.is_some() && pivot.is_some_and(|pivot| index >= pivot) {
                return Err(DefinitionError::CompensationNeverRuns { step: name() });
            }
            let ends = step.task.retry.is_bounded() || step.deadline.is_some() || deadline.is_some();
            if !ends && pivot.is_none_or(|pivot| index <= pivot) {
                return Err(DefinitionError::Endless { step: name() });
            }
        }
        Ok(Definition { name, version, deadline, steps, pivot, output })
    }
}

fn check_name(name: &str) -> Result<(), DefinitionError> {
    if is_name(name) { Ok(()) } else { Err(DefinitionError::Name { name: name.to_owned() }) }
}

fn find_pivot(steps: &[Step]) -> Result<Option<usize>, DefinitionError> {
    let mut pivots = steps.iter().enumerate().filter(|(_, step)| step.pivot);
    let first = pivots.next();
    if let (Some((_, first)), Some((_, second))) = (first, pivots.next()) {
        let (first, second) = (first.name.clone(), second.name.clone());
        return Err(DefinitionError::TwoPivots { first, second });
    }
    Ok(first.map(|(index, _)| index))
}

/// What can be said of a step alone.
fn check_step(step: &Step) -> Result<(), DefinitionError> {
    check_name(&step.name)?;
    let name = || step.name.clone();
    if step.compensation.is_some() && step.nothing_to_undo {
        return Err(DefinitionError::NothingToCompensate { step: name() });
    }
    if step.deadline.is_some_and(|d| d.is_zero()) {
        return Err(DefinitionError::Zero { what: "the deadline", of: name() });
    }
    for task in step.tasks() {
        if task.answer_within.is_zero() {
            return Err(DefinitionError::Zero { what: "the time to wait for an answer", of: name() });
        }
        let (Kind::Message { topic: to } | Kind::Call { target: to }) = &task.kind;
        if to.is_empty() {
            return Err(DefinitionError::NoDestination { step: name() });
        }
    }
    Ok(())
}

impl Definition {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The names of the steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(Step::name)
    }

    /// The name of the pivot, if there is one.
    pub fn pivot(&self) -> Option<&str> {
        self.pivot.map(|index| self.steps[index].name())
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("deadline", &self.deadline)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Saga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saga").field("name", &self.name).field("steps", &self.steps).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Retry;

    fn step(name: &str) -> Step {
        Step::message(name, "topic").retry(Retry::once())
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let saga = || Saga::define("s", 1);
        let own = str::to_owned;
        let cases = [
            (Saga::define("a b", 1).step(step("a")), DefinitionError::Name { name: own("a b") }),
            (saga().step(step("a/b")), DefinitionError::Name { name: own("a/b") }),
            (saga(), DefinitionError::NoSteps),
            (
                (0..=STEPS_MAX).fold(saga(), |saga, n| saga.step(step(&n.to_string()))),
                DefinitionError::TooManySteps { count: STEPS_MAX + 1 },
            ),
            (saga().step(step("a")).step(step("a")), DefinitionError::DuplicateStep { name: own("a") }),
            (
                saga().step(step("a").pivot()).step(step("b").pivot()),
                DefinitionError::TwoPivots { first: own("a"), second: own("b") },
            ),
            (
                saga().step(step("a").pivot().compensate("t")),
                DefinitionError::CompensationNeverRuns { step: own("a") },
            ),
            (
                saga().step(step("a").pivot()).step(step("b").compensate("t")),
                DefinitionError::CompensationNeverRuns { step: own("b") },
            ),
            (
                saga().step(step("a").compensate("t").nothing_to_undo()),
                DefinitionError::NothingToCompensate { step: own("a") },
            ),
            (saga().step(Step::call("a", "t")), DefinitionError::Endless { step: own("a") }),
            (saga().step(Step::call("a", "t").pivot()), DefinitionError::Endless { step: own("a") }),
            (
                saga().deadline(Duration::ZERO).step(step("a")),
                DefinitionError::Zero { what: "the deadline", of: own("s") },
            ),
            (
                saga().step(step("a").deadline(Duration::ZERO)),
                DefinitionError::Zero { what: "the deadline", of: own("a") },
            ),
            (
                saga().step(step("a").answer_within(Duration::ZERO)),
                DefinitionError::Zero { what: "the time to wait for an answer", of: own("a") },
            ),
            (saga().step(step("a").compensate("")), DefinitionError::NoDestination { step: own("a") }),
        ];
        for (saga, error) in cases {
            assert_eq!(saga.build().unwrap_err(), error);
        }
    }

    #[test]
    fn a_step_behind_the_pivot_may_be_tried_without_end() {
        let built = Saga::define("s", 1).step(step("a").pivot()).step(Step::call("b", "t")).build().unwrap();
        assert_eq!((built.pivot(), built.steps().count()), (Some("a"), 2));
    }
}
