//! What proptest draws: a definition, and what happens to one saga of it.

use std::time::Duration;

use mamparo_saga::{Compensation, Definition, Retry, Saga, Step};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::callee::{Whim, whim};

/// What is drawn of one step.
#[derive(Clone, Debug)]
pub(crate) struct StepPlan {
    /// Zero: without end.
    attempts: u32,
    deadline: Option<u64>,
    call: bool,
    /// None: bare. `Some(None)`: nothing to undo. `Some(Some(n))`: a compensation, tried n times; zero: without end.
    undo: Option<Option<u32>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    steps: Vec<StepPlan>,
    pivot: Option<Index>,
    deadline: Option<u64>,
    /// What happens, in any order.
    pub(crate) script: Vec<Op>,
    /// What callees do afterwards, when the world has become a friendly one: `true` obeys.
    pub(crate) mood: Vec<bool>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A command that is on its way arrives; a copy of it may stay on its way.
    Deliver {
        which: Index,
        whim: Whim,
        copy: bool,
    },
    /// A command that was sent before is on its way again: the outbox repeats itself.
    Repeat {
        which: Index,
    },
    /// An answer that is on its way arrives; a copy of it may stay on its way.
    Answer {
        which: Index,
        copy: bool,
    },
    /// The answer is not waited for any longer, or the pause is over.
    Fire,
    /// A deadline passes.
    Deadline {
        which: Index,
    },
    /// A timer fires that was set at some time.
    FireAny {
        which: Index,
    },
    /// Time passes, in milliseconds.
    Wait(u64),
    Start,
    Cancel,
    Resume,
    Skip,
}

fn op() -> impl Strategy<Value = Op> {
    let which = any::<Index>;
    prop_oneof![
        10 => (which(), whim(), prop::bool::weighted(0.2)).prop_map(|(which, whim, copy)| Op::Deliver { which, whim, copy }),
        2 => which().prop_map(|which| Op::Repeat { which }),
        10 => (which(), prop::bool::weighted(0.2)).prop_map(|(which, copy)| Op::Answer { which, copy }),
        6 => Just(Op::Fire),
        1 => which().prop_map(|which| Op::Deadline { which }),
        1 => which().prop_map(|which| Op::FireAny { which }),
        2 => (0_u64..20_000).prop_map(Op::Wait),
        1 => Just(Op::Start),
        1 => Just(Op::Cancel),
        1 => Just(Op::Resume),
        1 => Just(Op::Skip),
    ]
}

fn step() -> impl Strategy<Value = StepPlan> {
    let undo = prop_oneof![
        1 => Just(None),
        1 => Just(Some(None)),
        6 => (0_u32..3).prop_map(|attempts| Some(Some(attempts))),
    ];
    let deadline = prop::option::weighted(0.3, 1_u64..30);
    (0_u32..4, deadline, any::<bool>(), undo).prop_map(|(attempts, deadline, call, undo)| StepPlan {
        attempts,
        deadline,
        call,
        undo,
    })
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    (
        prop::collection::vec(step(), 1..5),
        prop::option::weighted(0.6, any::<Index>()),
        prop::option::weighted(0.7, 5_u64..120),
        prop::collection::vec(op(), 0..80),
        prop::collection::vec(prop::bool::weighted(0.85), 1..8),
    )
        .prop_map(|(steps, pivot, deadline, script, mood)| Plan { steps, pivot, deadline, script, mood })
}

impl Plan {
    pub(crate) fn definition(&self) -> Definition {
        let pivot = self.pivot.map(|index| index.index(self.steps.len()));
        // A step that would be tried for ever needs an end.
        let endless = self.steps.iter().any(|step| step.attempts == 0);
        let deadline = self.deadline.or(endless.then_some(60)).map(Duration::from_secs);
        let mut saga = Saga::define("modelled", 3);
        if let Some(deadline) = deadline {
            saga = saga.deadline(deadline);
        }
        for (index, step) in self.steps.iter().enumerate() {
            saga = saga.step(step.build(format!("s{index}"), pivot.map(|pivot| index.cmp(&pivot))));
        }
        saga.build().unwrap()
    }

    /// Whether undoing the step is nobody's business.
    pub(crate) fn has_nothing_to_undo(&self, step: &str) -> bool {
        let index: usize = step[1..].parse().unwrap();
        self.steps[index].undo == Some(None)
    }
}

impl StepPlan {
    fn build(&self, name: String, to_pivot: Option<std::cmp::Ordering>) -> Step {
        let mut step = if self.call { Step::call(name, "t") } else { Step::message(name, "t") };
        step = step.retry(retry(self.attempts));
        if let Some(deadline) = self.deadline {
            step = step.deadline(Duration::from_secs(deadline));
        }
        match (to_pivot, self.undo) {
            (Some(std::cmp::Ordering::Equal), _) => step.pivot(),
            (Some(std::cmp::Ordering::Greater), _) | (_, None) => step,
            (_, Some(None)) => step.nothing_to_undo(),
            (_, Some(Some(attempts))) => step.compensate(Compensation::message("t").retry(retry(attempts))),
        }
    }
}

fn retry(attempts: u32) -> Retry {
    if attempts == 0 { Retry::until_deadline() } else { Retry::attempts(attempts) }
}
