//! What every admission policy has in common: it admits a call, lets it wait, or refuses it; what it admitted is
//! recorded with an outcome or cancelled. Permits, waiting and modes are written here, once.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use mamparo_context::{Clock, Context, Moment};

use crate::counts::Counts;
use crate::{Mode, Outcome, Refusal};

/// What a policy says to a call.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Admit<P, T> {
    /// It may go now.
    Admit(P),
    /// It may go later: this is its place in the line.
    Wait(T),
    /// It may not.
    Refuse(Refusal),
}

/// A policy that admits calls. What it gives out are plain values; [`Permit`] and [`Waiting`] see to it that each of
/// them comes back.
///
/// Implementations decide as if they were enforced; the mode is applied by [`admit`](Self::admit).
pub trait Admission: Send + Sync + 'static {
    /// What an admitted call holds.
    type Pass: Send;
    /// A place in the line.
    type Ticket: Send + Unpin;

    /// Whether a call in this context may go at `now`.
    fn acquire(&self, cx: &Context, now: Moment) -> Admit<Self::Pass, Self::Ticket>;

    /// Whether the turn of `ticket` has come. A ticket that was answered is used up: it is neither polled nor left
    /// again. The task is woken at most once for each time that it has been told to wait.
    fn poll_turn(&self, ticket: &mut Self::Ticket, task: &mut Task<'_>) -> Poll<Result<Self::Pass, Refusal>>;

    /// Gives up a place that was not answered.
    fn leave(&self, ticket: Self::Ticket);

    /// The call has come to `outcome`.
    fn record(&self, pass: Self::Pass, outcome: &Outcome, now: Moment);

    /// The call was dropped before it came to anything: it says nothing of whoever was asked.
    fn cancel(&self, pass: Self::Pass);

    /// The call was never made, for another policy refused it: all that it took comes back.
    #[inline]
    fn give_back(&self, pass: Self::Pass) {
        self.cancel(pass);
    }

    /// Whether it acts.
    fn mode(&self) -> Mode;

    /// What it has done.
    fn counts(&self) -> &Counts;

    /// Whether [`record`](Self::record) looks at the time when a call went well. Where it does not, the clock need
    /// not be read again for it.
    #[inline]
    fn times_success(&self) -> bool {
        true
    }

    /// Its values in words, on one line.
    fn describe(&self) -> String;

    /// The clock it goes by.
    fn clock(&self) -> &Clock;

    /// As [`acquire`](Self::acquire), under the policy's mode, and counted. A pass that is `None` belongs to a call
    /// that the policy did not see.
    #[inline]
    fn admit(&self, cx: &Context, now: Moment) -> Admit<Option<Self::Pass>, Self::Ticket> {
        let mode = self.mode();
        if mode == Mode::Off {
            return Admit::Admit(None);
        }
        match self.acquire(cx, now) {
            Admit::Admit(pass) => {
                self.counts().admitted();
                Admit::Admit(Some(pass))
            }
            Admit::Wait(ticket) if mode == Mode::Enforce => {
                self.counts().waited();
                Admit::Wait(ticket)
            }
            Admit::Refuse(refusal) if mode == Mode::Enforce => {
                self.counts().refused();
                Admit::Refuse(refusal)
            }
            Admit::Wait(ticket) => {
                self.leave(ticket);
                self.counts().shadow_waited();
                Admit::Admit(None)
            }
            Admit::Refuse(_) => {
                self.counts().shadow_refused();
                Admit::Admit(None)
            }
        }
    }

    /// As [`admit`](Self::admit), by its own clock, which is not read where it does not matter.
    #[inline]
    fn admit_now(&self, cx: &Context) -> Admit<Option<Self::Pass>, Self::Ticket> {
        self.admit(cx, self.clock().moment())
    }

    /// As [`record`](Self::record), by its own clock, which is not read where it does not matter.
    #[inline]
    fn record_now(&self, pass: Self::Pass, outcome: &Outcome) {
        let timed = *outcome != Outcome::Success || self.times_success();
        let now = if timed { self.clock().moment() } else { Moment::ZERO };
        self.record(pass, outcome, now);
    }

    /// Waits until the call may go.
    ///
    /// Dropped while it waits, it gives up its place.
    ///
    /// # Errors
    /// The policy's [`Refusal`].
    fn enter<'a>(
        &'a self,
        cx: &Context,
    ) -> impl Future<Output = Result<Permit<Self, &'a Self>, Refusal>> + Send
    where
        Self: Sized,
    {
        // What was admitted comes back also if the future is dropped before it is polled.
        let admitted = match self.admit_now(cx) {
            Admit::Admit(pass) => Admit::Admit(Permit::new(self, pass)),
            Admit::Wait(ticket) => Admit::Wait(Waiting::new(self, ticket)),
            Admit::Refuse(refusal) => Admit::Refuse(refusal),
        };
        async move {
            match admitted {
                Admit::Admit(permit) => Ok(permit),
                Admit::Wait(waiting) => waiting.await,
                Admit::Refuse(refusal) => Err(refusal),
            }
        }
    }

    /// Whether the call may go now, without waiting. The permit may outlive the borrow, as it must where it ends with
    /// a body.
    ///
    /// # Errors
    /// The policy's [`Refusal`]; where the call would have to wait, [`Reason::QueueFull`](crate::Reason::QueueFull).
    fn try_enter(self: &Arc<Self>, cx: &Context, now: Moment) -> Result<Permit<Self>, Refusal>
    where
        Self: Sized,
    {
        match self.admit(cx, now) {
            Admit::Admit(pass) => Ok(Permit::new(Arc::clone(self), pass)),
            Admit::Refuse(refusal) => Err(refusal),
            Admit::Wait(ticket) => {
                self.leave(ticket);
                Err(Refusal::new(Self::POLICY, crate::Reason::QueueFull))
            }
        }
    }

    /// Which policy it is.
    const POLICY: crate::Policy;
}

/// That a call was admitted. It is [recorded](Self::record) with what the call came to; dropped, the call is
/// cancelled, and is no sample.
#[derive(Debug)]
#[must_use = "a permit that is dropped cancels its call"]
pub struct Permit<A: Admission, H: Deref<Target = A> = Arc<A>> {
    policy: H,
    pass: Option<A::Pass>,
}

impl<A: Admission, H: Deref<Target = A>> Permit<A, H> {
    pub(crate) fn new(policy: H, pass: Option<A::Pass>) -> Self {
        Self { policy, pass }
    }

    /// The call has come to `outcome`.
    pub fn record(mut self, outcome: &Outcome, now: Moment) {
        if let Some(pass) = self.pass.take() {
            self.policy.record(pass, outcome, now);
        }
    }

    /// The call has come to `outcome` now, by the policy's own clock.
    pub fn record_now(mut self, outcome: &Outcome) {
        if let Some(pass) = self.pass.take() {
            self.policy.record_now(pass, outcome);
        }
    }
}

impl<A: Admission, H: Deref<Target = A>> Drop for Permit<A, H> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.policy.counts().cancelled();
            self.policy.cancel(pass);
        }
    }
}

/// A call in the line. Dropped, it leaves the line.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Waiting<A: Admission, H: Deref<Target = A> = Arc<A>> {
    policy: H,
    ticket: Option<A::Ticket>,
}

impl<A: Admission, H: Deref<Target = A>> Waiting<A, H> {
    pub(crate) fn new(policy: H, ticket: A::Ticket) -> Self {
        Self { policy, ticket: Some(ticket) }
    }
}

impl<A: Admission, H: Deref<Target = A> + Clone + Unpin> Future for Waiting<A, H> {
    type Output = Result<Permit<A, H>, Refusal>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(ticket) = &mut this.ticket else { return Poll::Pending };
        let Poll::Ready(turn) = this.policy.poll_turn(ticket, task) else { return Poll::Pending };
        this.ticket = None;
        Poll::Ready(match turn {
            Ok(pass) => {
                this.policy.counts().admitted();
                Ok(Permit::new(this.policy.clone(), Some(pass)))
            }
            Err(refusal) => {
                this.policy.counts().refused();
                Err(refusal)
            }
        })
    }
}

impl<A: Admission, H: Deref<Target = A>> Drop for Waiting<A, H> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.policy.leave(ticket);
        }
    }
}
