//! One attempt of a call: through the policies, then under its timeout, then recorded. It is a state machine that
//! lives inside the future of its call, so that nothing is allocated for it.

use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use mamparo_context::{Attempt as Number, Context, Deadline, Fault, Moment};
use pin_project_lite::pin_project;

use super::Stack;
use super::error::Cause;
use super::parts::{Line, Passes, Step};
use crate::fault_injection::Then;
use crate::operation::Operation;
use crate::time::{Sleep, sleep_until};
use crate::{Classify, Outcome, ToFault};

/// How an attempt ended.
pub(super) struct Ended<T, E> {
    pub(super) result: Result<T, Cause<E>>,
    pub(super) outcome: Outcome,
    pub(super) started: Moment,
    /// When it ended; when it began, if it went well and nobody looks at the time of that.
    pub(super) now: Moment,
}

/// What the attempts of one call have in common.
pub(super) struct Common<'a, C> {
    pub(super) stack: &'a Stack,
    pub(super) cx: &'a Context,
    pub(super) until: Option<Moment>,
    pub(super) classify: &'a C,
}

enum State {
    /// Before policy number `from`.
    Admit {
        from: u8,
    },
    /// In the line of a policy.
    Wait(Line),
    /// Made to wait by an injected fault.
    Delay,
    /// Made.
    Run,
    Done,
}

pin_project! {
    pub(super) struct Attempt<F> {
        state: State,
        passes: Passes,
        number: Number,
        // When it began to be made.
        started: Moment,
        until: Option<Moment>,
        then: Then,
        #[pin]
        timer: Option<Sleep>,
        #[pin]
        work: Option<F>,
    }
}

/// An attempt that nobody waits for any more, and that is dropped already: what it holds goes back with this.
struct Abandoned<'a> {
    stack: &'a Stack,
    state: State,
    passes: &'a mut Passes,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let parts = &self.stack.parts;
        match std::mem::replace(&mut self.state, State::Done) {
            State::Wait(line) => {
                parts.leave(line);
                parts.give_back(self.passes);
            }
            // It was never made.
            State::Admit { .. } | State::Delay => parts.give_back(self.passes),
            State::Run => parts.cancel(self.passes),
            State::Done => {}
        }
    }
}

impl<F: Future> Attempt<F> {
    pub(super) fn new(number: Number) -> Self {
        Self {
            state: State::Admit { from: 0 },
            passes: Passes::default(),
            number,
            started: Moment::ZERO,
            until: None,
            then: Then::Call,
            timer: None,
            work: None,
        }
    }

    /// Whether it waits for its turn in the line of a policy.
    pub(super) const fn waits(&self) -> bool {
        matches!(self.state, State::Wait(_))
    }

    /// When it was made, if it is under way.
    pub(super) fn made(&self) -> Option<Moment> {
        matches!(self.state, State::Run).then_some(self.started)
    }

    /// It is dropped before it has ended.
    pub(super) fn abandon(self: Pin<&mut Self>, stack: &Stack) {
        let mut this = self.project();
        let state = std::mem::replace(this.state, State::Done);
        // At the end of this function, also when a future panics while it is dropped.
        let _abandoned = Abandoned { stack, state, passes: this.passes };
        this.work.set(None);
    }

    pub(super) fn poll<T, E, C>(
        mut self: Pin<&mut Self>,
        common: &Common<'_, C>,
        op: &mut impl Operation<Future = F>,
        task: &mut Task<'_>,
        mut now: Option<Moment>,
    ) -> Poll<Ended<T, E>>
    where
        F: Future<Output = Result<T, E>>,
        C: Classify<Result<T, E>>,
    {
        loop {
            let mut this = self.as_mut().project();
            match this.state {
                State::Admit { from } => {
                    let at = now.take().unwrap_or_else(|| common.stack.clock.moment());
                    match common.stack.parts.admit(common.cx, at, *from, this.passes) {
                        Step::Through => match self.as_mut().begin(common, op, at) {
                            Ok(()) => {}
                            Err(refusal) => return Poll::Ready(self.refused(refusal, at)),
                        },
                        Step::Wait(line) => *this.state = State::Wait(line),
                        Step::Refused(refusal) => return Poll::Ready(self.refused(refusal, at)),
                    }
                }
                State::Wait(line) => match common.stack.parts.poll_turn(line, this.passes, task) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(from)) => *this.state = State::Admit { from },
                    Poll::Ready(Err(refusal)) => {
                        let at = common.stack.clock.moment();
                        return Poll::Ready(self.refused(refusal, at));
                    }
                },
                State::Delay => {
                    match this.timer.as_mut().as_pin_mut().map(|timer| timer.poll(task)) {
                        Some(Poll::Pending) => return Poll::Pending,
                        _ => this.timer.set(None),
                    }
                    let at = common.stack.clock.moment();
                    if this.until.is_some_and(|until| until <= at) {
                        return Poll::Ready(self.timed_out(common, at));
                    }
                    if *this.then == Then::Fail {
                        return Poll::Ready(self.failed(common, Cause::Injected { sent: false }, at));
                    }
                    self.as_mut().make(common, op);
                }
                State::Run => return self.run(common, task),
                State::Done => return Poll::Pending,
            }
        }
    }

    /// It is through all policies, at `now`.
    fn begin<C>(
        mut self: Pin<&mut Self>,
        common: &Common<'_, C>,
        op: &mut impl Operation<Future = F>,
        now: Moment,
    ) -> Result<(), crate::Refusal> {
        let stack = common.stack;
        let mut this = self.as_mut().project();
        *this.started = now;
        *this.until = match stack.timeout.attempt_until(common.until, now) {
            Ok(until) => until,
            Err(refusal) => {
                stack.parts.give_back(this.passes);
                return Err(refusal);
            }
        };
        if let Some(faults) = &stack.faults {
            let injection = faults.decide(common.cx);
            *this.then = injection.then;
            if injection.delay.is_some() || injection.then == Then::Fail {
                let until = this.until.unwrap_or(Moment::NEVER);
                let end = (now + injection.delay.unwrap_or_default()).min(until);
                this.timer.set(Some(sleep_until(&stack.clock, end)));
                *this.state = State::Delay;
                return Ok(());
            }
        }
        self.make(common, op);
        Ok(())
    }

    /// Makes the call: it knows its number and by when it must be answered.
    fn make<C>(self: Pin<&mut Self>, common: &Common<'_, C>, op: &mut impl Operation<Future = F>) {
        let mut this = self.project();
        let mut cx = common.cx.clone().with_attempt(*this.number);
        if let Some(until) = *this.until {
            cx = cx.with_deadline(Deadline::at(until.instant()));
        }
        // From here on it may have been made, also if this panics.
        *this.state = State::Run;
        this.work.set(Some(op.begin(cx)));
    }

    fn run<T, E, C>(
        mut self: Pin<&mut Self>,
        common: &Common<'_, C>,
        task: &mut Task<'_>,
    ) -> Poll<Ended<T, E>>
    where
        F: Future<Output = Result<T, E>>,
        C: Classify<Result<T, E>>,
    {
        let mut this = self.as_mut().project();
        let Some(work) = this.work.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(result) = work.poll(task) {
            this.work.set(None);
            if *this.then == Then::Abort {
                let now = common.stack.clock.moment();
                return Poll::Ready(self.failed(common, Cause::Injected { sent: true }, now));
            }
            let outcome = common.classify.classify(&result);
            let now = common.stack.ended_at(&outcome, *this.started);
            let (result, started) = (result.map_err(Cause::Failed), *this.started);
            self.settle(common, &outcome, now);
            return Poll::Ready(Ended { result, outcome, started, now });
        }
        // No timer is set for what is answered at its first poll.
        let Some(until) = *this.until else { return Poll::Pending };
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(&common.stack.clock, until)));
        }
        match this.timer.as_mut().as_pin_mut().map(|timer| timer.poll(task)) {
            Some(Poll::Ready(())) => {
                // Dropped before anything is recorded: cancellation reaches whoever was asked.
                this.work.set(None);
                let now = common.stack.clock.moment();
                Poll::Ready(self.timed_out(common, now))
            }
            _ => Poll::Pending,
        }
    }

    fn timed_out<T, E, C>(self: Pin<&mut Self>, common: &Common<'_, C>, now: Moment) -> Ended<T, E> {
        let whole = self.until == common.until;
        common.stack.counts.timed_out(whole);
        let after: Duration = now.since(self.started);
        self.failed(common, Cause::TimedOut { after, whole }, now)
    }

    fn failed<T, E, C>(
        self: Pin<&mut Self>,
        common: &Common<'_, C>,
        cause: Cause<E>,
        now: Moment,
    ) -> Ended<T, E> {
        let (outcome, started) =
            (Outcome::Failure(cause.own_fault().unwrap_or(Fault::internal())), self.started);
        self.settle(common, &outcome, now);
        Ended { result: Err(cause), outcome, started, now }
    }

    fn settle<C>(self: Pin<&mut Self>, common: &Common<'_, C>, outcome: &Outcome, now: Moment) {
        let this = self.project();
        *this.state = State::Done;
        common.stack.parts.record(this.passes, outcome, now);
    }

    #[cold]
    fn refused<T, E>(self: Pin<&mut Self>, refusal: crate::Refusal, now: Moment) -> Ended<T, E> {
        *self.project().state = State::Done;
        let outcome = Outcome::Failure(refusal.fault());
        Ended { result: Err(Cause::Refused(refusal)), outcome, started: now, now }
    }
}
