//! What a replay is about: the stacks, one behind the other, and the dependency behind the last.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use mamparo_context::{Clock, Context, Fault, Moment, Random, TraceContext};

use super::dependency::Dependency;
use super::record::{Ending, Record};
use super::trace::{Answer, Call};
use crate::stack::{CallError, Cause, Stack};
use crate::time::sleep_until;
use crate::{Outcome, ToFault};

/// The stacks, the dependency, and what is noted about them.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) start: Moment,
    pub(super) stacks: Vec<Stack>,
    pub(super) dependency: RefCell<Dependency>,
    pub(super) record: RefCell<Record>,
    pub(super) random: Random,
}

/// Why whoever was called has no answer.
#[derive(Clone, Copy, Debug)]
struct Failed {
    fault: Fault,
    /// It asks for less.
    busy: bool,
    word: &'static str,
}

type Answered = Pin<Box<dyn Future<Output = Result<(), Failed>>>>;

impl ToFault for Failed {
    fn fault(&self) -> Fault {
        self.fault
    }
}

fn classify(result: &Result<(), Failed>) -> Outcome {
    match result {
        Ok(()) => Outcome::Success,
        Err(failed) if failed.busy => Outcome::BackPressure(failed.fault),
        Err(failed) => Outcome::Failure(failed.fault),
    }
}

impl World {
    /// How much time has passed.
    pub(super) fn now(&self) -> Duration {
        self.clock.moment().since(self.start)
    }

    /// Notes what the breakers are, if they are something else than before.
    pub(super) fn note_breakers(&self) {
        let mut record = self.record.borrow_mut();
        for (layer, stack) in self.stacks.iter().enumerate() {
            if let Some(state) = stack.breaker().map(|breaker| breaker.state())
                && record.breaker(layer) != Some(state)
            {
                record.breaker_is(layer, state, self.now());
            }
        }
    }

    /// The call, from its coming to its end.
    pub(super) async fn call(self: Rc<Self>, number: usize, call: Call) {
        let mut cx =
            Context::from_trace(TraceContext::root(&self.random, false)).with_criticality(call.class);
        if let Some(key) = call.key {
            cx = cx.with_idempotency_key(key);
        }
        if let Some(principal) = call.principal {
            cx = cx.with_principal(principal);
        }
        if let Some(deadline) = call.deadline {
            cx = cx.with_timeout(&self.clock, deadline);
        }
        let began = self.now();
        self.record.borrow_mut().called(began);
        let ending = match through(Rc::clone(&self), 0, number, cx).await {
            Ok(()) => Ending::Ok,
            Err(CallError { cause: Cause::Refused(refusal), .. }) => Ending::Refused(refusal),
            Err(CallError { cause: Cause::TimedOut { .. }, .. }) => Ending::TimedOut,
            Err(CallError { cause, .. }) => Ending::Failed(word(&cause)),
        };
        self.record.borrow_mut().ended(began, self.now(), ending);
    }
}

/// Through the stack of a layer, to the next one.
async fn through(world: Rc<World>, layer: usize, call: usize, cx: Context) -> Result<(), CallError<Failed>> {
    let Some(stack) = world.stacks.get(layer) else { return Ok(()) };
    let hedges = stack.hedge().is_some();
    let op = |cx: Context| {
        world.record.borrow_mut().attempted(layer, cx.attempt().number() > 1, hedges, world.now());
        next(Rc::clone(&world), layer + 1, call, cx)
    };
    stack.call_with(&cx, classify, op).await
}

/// The next layer, or the dependency. What goes up from a layer is what its error means to whoever called it.
fn next(world: Rc<World>, layer: usize, call: usize, cx: Context) -> Answered {
    if layer == world.stacks.len() {
        return Box::pin(ask(world, call));
    }
    Box::pin(async move {
        let result = through(world, layer, call, cx).await;
        result.map_err(|error| Failed { fault: error.fault(), busy: false, word: word(&error.cause) })
    })
}

/// The dependency.
async fn ask(world: Rc<World>, call: usize) -> Result<(), Failed> {
    let now = world.now();
    let behaviour = world.dependency.borrow_mut().arrive(call, now);
    world.record.borrow_mut().arrived(now);
    if !behaviour.took.is_zero() {
        sleep_until(&world.clock, world.start + now + behaviour.took).await;
    }
    let unsent = Fault::upstream();
    let (fault, word) = match behaviour.answer {
        Answer::Ok => return Ok(()),
        Answer::Failed => (unsent.indeterminate(), "failed"),
        Answer::Unavailable => (unsent, "unavailable"),
        Answer::Busy(Some(after)) => (unsent.retry_after(after), "busy"),
        Answer::Busy(None) => (unsent, "busy"),
        Answer::Lost => (unsent.indeterminate(), "lost"),
    };
    Err(Failed { fault, busy: matches!(behaviour.answer, Answer::Busy(_)), word })
}

fn word(cause: &Cause<Failed>) -> &'static str {
    match cause {
        Cause::Refused(_) => "refused below",
        Cause::TimedOut { .. } => "timed out below",
        Cause::Injected { .. } => "injected",
        Cause::Failed(failed) => failed.word,
    }
}
