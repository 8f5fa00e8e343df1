//! The admission policies of a stack alone, for whoever makes the call in a way of their own: a proxy, whose permit
//! ends with a body. Timeouts and repeats are theirs then, too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use mamparo_context::{Context, Moment};

use super::Stack;
use super::parts::{Line, Passes, Step, Which};
use crate::{Outcome, Refusal};

/// That all admission policies of a stack have let an attempt through. It is [recorded](Self::record) with what the
/// attempt came to; dropped, the attempt is cancelled, and is no sample.
#[must_use = "a permit that is dropped cancels its attempt"]
pub struct StackPermit {
    stack: Arc<Stack>,
    passes: Passes,
    is_over: bool,
}

impl StackPermit {
    /// The attempt has come to `outcome` now.
    pub fn record(mut self, outcome: &Outcome) {
        let now = self.stack.ended_at(outcome, Moment::ZERO);
        self.is_over = true;
        self.stack.parts.record(&mut self.passes, outcome, now);
    }

    /// Takes an attempt that has passed [the quotas](Stack::enter_quotas) through the other policies: the permit is that
    /// of all of them. Refused, or dropped before it is through, it has its quota back.
    ///
    /// # Errors
    /// As those of [`Stack::enter`].
    pub fn onward(mut self, cx: &Context) -> Entering {
        self.is_over = true;
        let mut entering = Entering::new(&self.stack, cx, Which::Others);
        entering.passes = std::mem::take(&mut self.passes);
        entering
    }

    /// The attempt was not made after all: all that it took comes back.
    pub(super) fn give_back(mut self) {
        self.is_over = true;
        self.stack.parts.give_back(&mut self.passes);
    }
}

impl Drop for StackPermit {
    fn drop(&mut self) {
        if !self.is_over {
            self.stack.parts.cancel(&mut self.passes);
        }
    }
}

/// An attempt on its way through the admission policies of a stack. Dropped, it gives back what it has taken.
#[must_use = "a future does nothing unless it is polled"]
pub struct Entering {
    stack: Arc<Stack>,
    cx: Context,
    passes: Passes,
    which: Which,
    from: u8,
    line: Option<Line>,
    is_over: bool,
}

impl Stack {
    /// Takes an attempt through the admission policies, and waits in their lines where it must: the permit is that of
    /// all of them. Deadline, timeouts, repeats and injected faults of the stack do not apply.
    ///
    /// # Errors
    /// The [`Refusal`] of the first policy that does not let it through; the others have their places back.
    pub fn enter(self: &Arc<Self>, cx: &Context) -> Entering {
        Entering::new(self, cx, Which::All)
    }

    /// Takes an attempt through its rate limits alone, for whoever may answer without asking the target: what is about
    /// the target, such as a breaker or a place in a bulkhead, is passed [later](StackPermit::onward), or not at all.
    ///
    /// # Errors
    /// As those of [`enter`](Self::enter).
    pub fn enter_quotas(self: &Arc<Self>, cx: &Context) -> Entering {
        Entering::new(self, cx, Which::Quotas)
    }

    /// Takes an attempt through all admission policies but its rate limits, for whoever makes a call that nobody has asked
    /// for, such as a cache that refreshes what it has.
    ///
    /// # Errors
    /// As those of [`enter`](Self::enter).
    pub fn enter_unasked(self: &Arc<Self>, cx: &Context) -> Entering {
        Entering::new(self, cx, Which::Others)
    }
}

impl Future for Entering {
    type Output = Result<StackPermit, Refusal>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Pending;
        }
        loop {
            if let Some(line) = &mut this.line {
                match this.stack.parts.poll_turn(line, &mut this.passes, task) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(turn) => this.line = this.turned(turn)?,
                }
            }
            let now = this.stack.clock.moment();
            match this.stack.parts.admit_to(this.which, (&this.cx, now), this.from, &mut this.passes) {
                Step::Wait(line) => this.line = Some(line),
                Step::Through => {
                    this.is_over = true;
                    let passes = std::mem::take(&mut this.passes);
                    let stack = Arc::clone(&this.stack);
                    return Poll::Ready(Ok(StackPermit { stack, passes, is_over: false }));
                }
                Step::Refused(refusal) => {
                    this.is_over = true;
                    return Poll::Ready(Err(refusal));
                }
            }
        }
    }
}

impl Entering {
    fn new(stack: &Arc<Stack>, cx: &Context, which: Which) -> Self {
        let (stack, cx) = (Arc::clone(stack), cx.clone());
        Self { stack, cx, passes: Passes::default(), which, from: 0, line: None, is_over: false }
    }

    /// The turn has come, or will not: where it goes on.
    fn turned(&mut self, turn: Result<u8, Refusal>) -> Result<Option<Line>, Refusal> {
        match turn {
            Ok(from) => {
                self.from = from;
                Ok(None)
            }
            Err(refusal) => {
                self.line = None;
                self.is_over = true;
                Err(refusal)
            }
        }
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            self.stack.parts.leave(line);
        }
        if !self.is_over {
            self.stack.parts.give_back(&mut self.passes);
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod tests {
    use std::pin::pin;
    use std::task::Waker;
    use std::time::Duration;

    use mamparo_context::{Clock, Fault};

    use super::*;
    use crate::breaker::{BreakerConfig, BreakerState, WindowConfig};
    use crate::bulkhead::BulkheadConfig;
    use crate::rate_limit::RateLimitConfig;
    use crate::{Admission, Policy, Reason};

    fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Task::from_waker(Waker::noop()))
    }

    #[test]
    fn one_permit_stands_for_all_policies_and_ends_when_its_holder_says() {
        let window = WindowConfig::Calls(4);
        let breaker = BreakerConfig { window, minimum_calls: 2, ..BreakerConfig::default() };
        let bulkhead = BulkheadConfig { queue: 1, ..BulkheadConfig::of(1) };
        let stack =
            Stack::client("a").clock(Clock::manual().0).breaker(breaker).bulkhead(bulkhead).build().unwrap();
        let stack = Arc::new(stack);
        let (cx, places) = (Context::root(), Arc::clone(stack.bulkhead().unwrap()));
        let mut first = pin!(stack.enter(&cx));
        let Poll::Ready(Ok(permit)) = poll(&mut first) else { panic!("there is room") };
        {
            let mut waits = pin!(stack.enter(&cx));
            assert!(poll(&mut waits).is_pending());
            assert_eq!((places.under_way(), places.waiting()), (1, 1));
            let mut third = pin!(stack.enter(&cx));
            let Poll::Ready(Err(refusal)) = poll(&mut third) else { panic!("the line is full") };
            assert_eq!((refusal.policy, refusal.reason), (Policy::Bulkhead, Reason::QueueFull));
        }
        assert_eq!((places.under_way(), places.waiting()), (1, 0), "who goes leaves the line");
        permit.record(&Outcome::Failure(Fault::upstream()));
        let mut next = pin!(stack.enter(&cx));
        let Poll::Ready(Ok(permit)) = poll(&mut next) else { panic!("there is room again") };
        drop(permit);
        assert_eq!(stack.breaker().unwrap().counts().read().cancelled, 1);
        let mut last = pin!(stack.enter(&cx));
        let Poll::Ready(Ok(permit)) = poll(&mut last) else { panic!("one failure opens nothing") };
        permit.record(&Outcome::Failure(Fault::upstream()));
        assert_eq!(stack.breaker().unwrap().state(), BreakerState::Open);
        let mut refused = pin!(stack.enter(&cx));
        let Poll::Ready(Err(refusal)) = poll(&mut refused) else { panic!("it is open") };
        assert_eq!((refusal.policy, places.under_way()), (Policy::Breaker, 0), "the place came back");
    }

    #[test]
    fn what_is_answered_without_the_target_counts_in_the_quota_only() {
        let limit = RateLimitConfig { burst: Some(3), ..RateLimitConfig::new(1, Duration::from_secs(60)) };
        let bulkhead = BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) };
        let stack = Stack::client("a").clock(Clock::manual().0).rate_limit(limit).bulkhead(bulkhead);
        let stack = Arc::new(stack.build().unwrap());
        let (cx, places) = (Context::root(), Arc::clone(stack.bulkhead().unwrap()));
        let quota = |stack: &Arc<Stack>| {
            let mut entering = pin!(stack.enter_quotas(&cx));
            let Poll::Ready(entered) = poll(&mut entering) else { panic!("nobody waits") };
            entered
        };
        quota(&stack).ok().unwrap().record(&Outcome::Success);
        assert_eq!(places.counts().read().admitted, 0, "the target was not asked");
        let first = quota(&stack).ok().unwrap();
        let mut onward = pin!(first.onward(&cx));
        let Poll::Ready(Ok(first)) = poll(&mut onward) else { panic!("there is room") };
        assert_eq!(places.under_way(), 1);
        let second = quota(&stack).ok().unwrap();
        let mut onward = pin!(second.onward(&cx));
        let Poll::Ready(Err(refusal)) = poll(&mut onward) else { panic!("there is no room") };
        assert_eq!(refusal.policy, Policy::Bulkhead);
        first.record(&Outcome::Success);
        assert_eq!(places.under_way(), 0);
        // Who was refused later has its quota back: it is the third, and nobody is a fourth.
        quota(&stack).ok().unwrap().record(&Outcome::Success);
        assert_eq!(quota(&stack).err().unwrap().policy, Policy::RateLimit);
    }
}
