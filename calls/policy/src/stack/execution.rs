//! One call through a stack: its attempts, one after the other or beside each other, in one future.

use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use mamparo_context::{Attempt as Number, Context, Deadline, Fault, Moment, Retry as Advice};
use pin_project_lite::pin_project;

use super::attempt::{Attempt, Common, Ended};
use super::error::{CallError, Cause};
use super::{Repeats, Stack};
use crate::hedge::{Due, Race, Start};
use crate::operation::Operation;
use crate::retry::{Again, End, GaveUp, Tries};
use crate::time::{Sleep, sleep_until};
use crate::{Classify, Outcome, Policy, Reason, Refusal};

enum State {
    New,
    /// The first attempt is under way, and with a hedge perhaps others.
    Attempts,
    /// Between two attempts.
    Pause,
    Done,
}

/// What becomes of a call after one of its attempts has ended.
enum Goes {
    On,
    Over(Option<GaveUp>),
}

pin_project! {
    /// A call through a stack. Dropped, it drops the attempt that is under way, gives back what it holds, and is a
    /// sample for nobody.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Execution<H, O, F, C>
    where
        H: Deref<Target = Stack>,
        F: Future,
    {
        stack: H,
        cx: Context,
        op: O,
        classify: C,
        until: Option<Moment>,
        state: State,
        tries: Tries,
        race: Race,
        // That the budget was spent has been counted.
        told_budget: bool,
        // An attempt may have taken effect.
        indeterminate: bool,
        #[pin]
        first: Option<Attempt<F>>,
        others: Vec<Pin<Box<Attempt<F>>>>,
        #[pin]
        timer: Option<Sleep>,
    }

    impl<H, O, F, C> PinnedDrop for Execution<H, O, F, C>
    where
        H: Deref<Target = Stack>,
        F: Future,
    {
        fn drop(this: Pin<&mut Self>) {
            this.abandon();
        }
    }
}

impl<H: Deref<Target = Stack>, O, F: Future, C> Execution<H, O, F, C> {
    pub(super) fn new(stack: H, cx: Context, op: O, classify: C) -> Self {
        Self {
            stack,
            cx,
            op,
            classify,
            until: None,
            state: State::New,
            tries: Tries::default(),
            race: Race::default(),
            told_budget: false,
            indeterminate: false,
            first: None,
            others: Vec::new(),
            timer: None,
        }
    }

    /// Drops all attempts that are under way.
    fn abandon(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut() {
            first.abandon(this.stack);
        }
        this.first.set(None);
        for mut other in this.others.drain(..) {
            other.as_mut().abandon(this.stack);
        }
    }
}

impl<H, O, F, C, T, E> Future for Execution<H, O, F, C>
where
    H: Deref<Target = Stack>,
    O: Operation<Future = F>,
    F: Future<Output = Result<T, E>>,
    C: Classify<Result<T, E>>,
{
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let mut now = None;
        loop {
            let mut this = self.as_mut().project();
            match this.state {
                State::New => {
                    let at = this.stack.clock.moment();
                    this.stack.counts.called();
                    *this.until = this.stack.timeout.overall_until(this.cx, at);
                    if let Some(until) = *this.until {
                        if until <= at {
                            *this.state = State::Done;
                            let late = Refusal::new(Policy::Timeout, Reason::DeadlinePassed);
                            return Poll::Ready(Err(Cause::Refused(late).given_up(None)));
                        }
                        if this.cx.deadline().is_none_or(|own| own.moment() > until) {
                            let cx = this.cx.clone().with_deadline(Deadline::at(until.instant()));
                            *this.cx = cx;
                        }
                    }
                    this.first.set(Some(Attempt::new(Number::FIRST)));
                    *this.state = State::Attempts;
                    now = Some(at);
                }
                State::Attempts => {
                    let Poll::Ready(ended) = self.as_mut().attempts(task, now.take()) else {
                        return Poll::Pending;
                    };
                    if let Some(result) = self.as_mut().after(ended) {
                        self.as_mut().abandon();
                        *self.project().state = State::Done;
                        return Poll::Ready(result);
                    }
                }
                State::Pause => {
                    if let Some(timer) = this.timer.as_mut().as_pin_mut()
                        && timer.poll(task).is_pending()
                    {
                        return Poll::Pending;
                    }
                    this.timer.set(None);
                    let number = Number::new(this.tries.made()).unwrap_or(Number::FIRST);
                    this.first.set(Some(Attempt::new(number)));
                    *this.state = State::Attempts;
                }
                State::Done => return Poll::Pending,
            }
        }
    }
}

impl<H, O, F, C, T, E> Execution<H, O, F, C>
where
    H: Deref<Target = Stack>,
    O: Operation<Future = F>,
    F: Future<Output = Result<T, E>>,
    C: Classify<Result<T, E>>,
{
    /// Waits for one of the attempts to end; begins another when the hedge's delay has passed.
    #[inline]
    fn attempts(mut self: Pin<&mut Self>, task: &mut Task<'_>, now: Option<Moment>) -> Poll<Ended<T, E>> {
        loop {
            let mut this = self.as_mut().project();
            let common =
                Common { stack: this.stack, cx: this.cx, until: *this.until, classify: this.classify };
            if let Some(first) = this.first.as_mut().as_pin_mut()
                && let Poll::Ready(ended) = first.poll(&common, this.op, task, now)
            {
                this.first.set(None);
                return Poll::Ready(ended);
            }
            for index in 0..this.others.len() {
                if let Poll::Ready(ended) = this.others[index].as_mut().poll(&common, this.op, task, None) {
                    drop(this.others.swap_remove(index));
                    if let (Repeats::Hedge(hedge), Err(Cause::Refused(_))) =
                        (&common.stack.repeats, &ended.result)
                    {
                        hedge.refused(this.race);
                    }
                    return Poll::Ready(ended);
                }
            }
            let Repeats::Hedge(hedge) = &common.stack.repeats else { return Poll::Pending };
            if hedge.is_over(this.race) || !hedge.applies(common.cx) {
                return Poll::Pending;
            }
            // Who waits for a turn here is not served sooner by standing in the line twice.
            let first_waits = this.first.as_ref().as_pin_ref().is_some_and(|first| first.waits());
            if first_waits || this.others.iter().any(|other| other.waits()) {
                return Poll::Pending;
            }
            if this.timer.is_none() {
                let at = common.stack.clock.moment() + hedge.delay();
                this.timer.set(Some(sleep_until(&common.stack.clock, at)));
            }
            match this.timer.as_mut().as_pin_mut().map(|timer| timer.poll(task)) {
                Some(Poll::Ready(())) => this.timer.set(None),
                _ => return Poll::Pending,
            }
            match self.as_mut().begin_another(Due::Slow) {
                Start::Yes => {}
                _ => return Poll::Pending,
            }
        }
    }

    /// Begins another attempt beside those under way, if the budget allows.
    fn begin_another(self: Pin<&mut Self>, due: Due) -> Start {
        let this = self.project();
        let Repeats::Hedge(hedge) = &this.stack.repeats else { return Start::No };
        let start = hedge.start(this.race, due, this.stack.clock.moment());
        match start {
            Start::Yes => {
                this.stack.counts.repeated();
                let number = Number::new(this.race.extra() + 1).unwrap_or(Number::FIRST);
                this.others.push(Box::pin(Attempt::new(number)));
            }
            Start::Shadow => this.stack.counts.shadow_repeated(),
            Start::NoBudget if !std::mem::replace(this.told_budget, true) => {
                this.stack.counts.gave_up(GaveUp::Budget);
            }
            Start::NoBudget | Start::No | Start::Shadowed => {}
        }
        start
    }

    /// An attempt has ended: what the call comes to, or nothing if it goes on.
    #[inline]
    fn after(mut self: Pin<&mut Self>, ended: Ended<T, E>) -> Option<Result<T, CallError<E>>> {
        let this = self.as_mut().project();
        *this.indeterminate |= ended.outcome.fault().is_some_and(|fault| fault.indeterminate);
        let indeterminate = *this.indeterminate;
        let given_up = match &this.stack.repeats {
            Repeats::None => None,
            Repeats::Retry(retry) => {
                let end = End {
                    now: ended.now,
                    until: *this.until,
                    minimum: this.stack.timeout.minimum,
                    refused: matches!(ended.result, Err(Cause::Refused(_))),
                };
                match this.stack.next(retry, this.tries, &ended.outcome, this.cx, end) {
                    Again::No => None,
                    Again::Shadow => {
                        this.stack.counts.shadow_repeated();
                        None
                    }
                    Again::GaveUp(why) => {
                        this.stack.counts.gave_up(why);
                        Some(why)
                    }
                    Again::After(pause) => {
                        this.stack.counts.repeated();
                        let mut timer = this.timer;
                        timer.set(Some(sleep_until(&this.stack.clock, ended.now + pause)));
                        *this.state = State::Pause;
                        return None;
                    }
                }
            }
            Repeats::Hedge(_) => match self.as_mut().after_hedged(&ended) {
                Goes::On => return None,
                Goes::Over(given_up) => given_up,
            },
        };
        Some(ended.result.map_err(|cause| CallError { indeterminate, ..cause.given_up(given_up) }))
    }

    /// An attempt of a hedged call has ended.
    fn after_hedged(self: Pin<&mut Self>, ended: &Ended<T, E>) -> Goes {
        let this = self.as_ref().project_ref();
        let Repeats::Hedge(hedge) = &this.stack.repeats else { return Goes::Over(None) };
        let Some(fault) = ended.outcome.fault() else {
            let first = this.first.as_pin_ref();
            let is_first = first.is_none();
            let began = first.and_then(|first| first.made()).unwrap_or(ended.started);
            let took = ended.now.since(began);
            if this.race.extra() > 0 && !is_first {
                this.stack.counts.hedge_won();
            }
            let this = self.project();
            if let Repeats::Hedge(hedge) = &this.stack.repeats {
                hedge.answered(this.race, &ended.outcome, took, ended.now);
            }
            return Goes::Over(None);
        };
        let refused = matches!(ended.result, Err(Cause::Refused(_)));
        // What was asked in vain is asked in vain by the others, too.
        let is_final = !refused && !fault.is_transient();
        let alone = this.first.is_none() && this.others.is_empty();
        if !alone && !is_final {
            return Goes::On;
        }
        // Who was refused here, or is asked to come later, is not helped by another one at once.
        let at_once = !refused && matches!(ended.outcome, Outcome::Failure(Fault { retry: Advice::Now, .. }));
        if !at_once || !hedge.applies(this.cx) {
            return Goes::Over(None);
        }
        self.after_failure(ended.now)
    }

    /// The only attempt has failed at `now`: whether another one is begun.
    fn after_failure(mut self: Pin<&mut Self>, now: Moment) -> Goes {
        let minimum = self.stack.timeout.minimum;
        if self.until.is_some_and(|until| now + minimum >= until) {
            self.stack.counts.gave_up(GaveUp::Deadline);
            return Goes::Over(Some(GaveUp::Deadline));
        }
        match self.as_mut().begin_another(Due::Failed) {
            Start::Yes => Goes::On,
            Start::NoBudget => Goes::Over(Some(GaveUp::Budget)),
            Start::No => {
                self.stack.counts.gave_up(GaveUp::Attempts);
                Goes::Over(Some(GaveUp::Attempts))
            }
            Start::Shadow | Start::Shadowed => Goes::Over(None),
        }
    }
}
