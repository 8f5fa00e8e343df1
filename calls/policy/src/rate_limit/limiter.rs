//! The rate limit of one process: one exchange of a number where nobody waits, and a line where somebody does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use mamparo_context::{Clock, Context, Deadline, Moment};

use super::bucket::{Bucket, Held, Taken};
use super::core;
use super::line::{Line, Place};
use super::{RateLimitConfig, Standing};
use crate::mode::SharedMode;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::time::{Sleep, sleep_until};
use crate::{Admission, Admit, Counts, InvalidConfig, Mode, Outcome, Policy, Reason, Refusal};

/// Lets calls go at a rate. See the [module](super).
#[derive(Debug)]
pub struct RateLimit {
    bucket: Bucket,
    mode: SharedMode,
    /// How many may wait, to refuse without the lock where that is nobody.
    queue: AtomicU64,
    line: Mutex<Line>,
    config: Mutex<RateLimitConfig>,
    counts: Counts,
    clock: Clock,
}

/// A place in the line of a [`RateLimit`].
pub struct RateTicket {
    id: u64,
    timer: Option<(u64, Pin<Box<Sleep>>)>,
}

impl std::fmt::Debug for RateTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateTicket").field("id", &self.id).finish_non_exhaustive()
    }
}

impl RateLimit {
    /// A limit whose bucket is full.
    ///
    /// # Errors
    /// What is wrong with `config`.
    pub fn new(config: RateLimitConfig, clock: Clock) -> Result<Self, InvalidConfig> {
        Ok(Self {
            bucket: Bucket::new(config.price()?),
            mode: SharedMode::new(config.mode),
            queue: AtomicU64::new(config.queue.into()),
            line: Mutex::new(Line::new(config.queue, config.wait)),
            config: Mutex::new(config),
            counts: Counts::default(),
            clock,
        })
    }

    /// Takes another configuration. The tokens that are there stay (as many as the new burst can hold), and so do
    /// the calls that wait, in their order; those that would now wait for longer than they may are refused at once.
    ///
    /// # Errors
    /// What is wrong with `config`; nothing has changed then.
    pub fn reconfigure(&self, config: RateLimitConfig) -> Result<(), InvalidConfig> {
        let price = config.price()?;
        let now = self.clock.moment();
        self.with_line(|line, held, wake| {
            self.bucket.reprice(held, price, core::ticks(now));
            line.resize(config.queue, config.wait);
            self.queue.store(config.queue.into(), Ordering::Release);
            self.mode.set(config.mode);
            *lock(&self.config) = config;
            line.review(held, now, wake);
        });
        Ok(())
    }

    /// What it goes by now.
    pub fn config(&self) -> RateLimitConfig {
        *lock(&self.config)
    }

    /// As [`Admission::acquire`], for a call that costs `cost` tokens. One that costs more than a burst holds is
    /// refused for ever, as [`Reason::TooCostly`]; one that costs nothing still waits its turn.
    #[inline]
    pub fn acquire_n(&self, cx: &Context, cost: u32, now: Moment) -> Admit<(), RateTicket> {
        match self.bucket.take(cost.into(), core::ticks(now)) {
            Taken::Now => Admit::Admit(()),
            Taken::Later(due) => self.later(cx.deadline(), cost, now, due),
            Taken::Never => Admit::Refuse(Refusal::new(Policy::RateLimit, Reason::TooCostly)),
            Taken::Shut => self.join(cx.deadline(), cost, now),
        }
    }

    /// Puts back `cost` tokens that were taken for nothing. A bucket never holds more than its burst.
    pub fn refund(&self, cost: u32) {
        if self.bucket.refund(cost.into()) {
            return;
        }
        self.with_line(|line, held, wake| {
            held.tat = core::refund(held.tat, held.price, cost.into());
            line.wake_first(wake);
        });
    }

    /// What is left at `now`, for headers and for people.
    pub fn standing(&self, now: Moment) -> Standing {
        let config = self.config();
        let (tat, price) = self.bucket.look();
        Standing::new(&config.quota(), tat, price, core::ticks(now))
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        lock(&self.line).len()
    }

    /// The same limit where every call costs `cost` tokens.
    pub fn with_cost(self: &Arc<Self>, cost: u32) -> Costly {
        Costly { limit: Arc::clone(self), cost }
    }

    #[cold]
    fn later(&self, deadline: Option<Deadline>, cost: u32, now: Moment, due: u64) -> Admit<(), RateTicket> {
        if self.queue.load(Ordering::Acquire) == 0 {
            let after = core::span(due.saturating_sub(core::ticks(now)));
            return Admit::Refuse(Refusal::new(Policy::RateLimit, Reason::OverQuota).retry_after(after));
        }
        self.join(deadline, cost, now)
    }

    #[cold]
    fn join(&self, deadline: Option<Deadline>, cost: u32, now: Moment) -> Admit<(), RateTicket> {
        self.with_line(|line, held, wake| {
            if !held.price.can_ever(cost.into()) {
                return Admit::Refuse(Refusal::new(Policy::RateLimit, Reason::TooCostly));
            }
            line.settle(held, now, wake);
            match line.join(held, cost.into(), deadline.map(Deadline::moment), now) {
                Ok(None) => Admit::Admit(()),
                Ok(Some(id)) => Admit::Wait(RateTicket { id, timer: None }),
                Err(refusal) => Admit::Refuse(refusal),
            }
        })
    }

    /// Does `work` while nobody else touches line or bucket, and wakes afterwards, when the lock is free again.
    fn with_line<R>(&self, work: impl FnOnce(&mut Line, &mut Held, &mut Vec<Waker>) -> R) -> R {
        let mut wake = Vec::new();
        let mut line: MutexGuard<'_, Line> = lock(&self.line);
        let mut held = self.bucket.shut();
        let result = work(&mut line, &mut held, &mut wake);
        self.bucket.put(held, line.somebody_waits());
        drop(line);
        wake.into_iter().for_each(Waker::wake);
        result
    }
}

impl Admission for RateLimit {
    type Pass = ();
    type Ticket = RateTicket;

    const POLICY: Policy = Policy::RateLimit;

    #[inline]
    fn acquire(&self, cx: &Context, now: Moment) -> Admit<(), RateTicket> {
        self.acquire_n(cx, 1, now)
    }

    fn poll_turn(&self, ticket: &mut RateTicket, task: &mut Task<'_>) -> Poll<Result<(), Refusal>> {
        loop {
            let now = self.clock.moment();
            let place = self.with_line(|line, held, wake| {
                line.is_here(ticket.id);
                line.settle(held, now, wake);
                line.place(ticket.id, held, task.waker())
            });
            let due = match place {
                Place::Answered(answer) => {
                    ticket.timer = None;
                    return Poll::Ready(answer);
                }
                Place::Behind => {
                    ticket.timer = None;
                    return Poll::Pending;
                }
                Place::First(due) => due,
            };
            if ticket.timer.as_ref().is_none_or(|(at, _)| *at != due) {
                ticket.timer = Some((due, Box::pin(sleep_until(&self.clock, core::moment(due)))));
            }
            let Some((_, timer)) = &mut ticket.timer else { return Poll::Pending };
            if timer.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            ticket.timer = None;
        }
    }

    fn leave(&self, ticket: RateTicket) {
        self.with_line(|line, held, wake| line.leave(ticket.id, held, wake));
    }

    fn record(&self, (): (), _outcome: &Outcome, _now: Moment) {}

    /// A call that was begun has used its token.
    fn cancel(&self, (): ()) {}

    fn give_back(&self, (): ()) {
        self.refund(1);
    }

    #[inline]
    fn times_success(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        self.config().to_string()
    }

    #[inline]
    fn mode(&self) -> Mode {
        self.mode.get()
    }

    #[inline]
    fn counts(&self) -> &Counts {
        &self.counts
    }

    #[inline]
    fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// A [`RateLimit`] as it is for calls that cost more, or less, than one token.
#[derive(Clone, Debug)]
pub struct Costly {
    limit: Arc<RateLimit>,
    cost: u32,
}

impl Admission for Costly {
    type Pass = ();
    type Ticket = RateTicket;

    const POLICY: Policy = Policy::RateLimit;

    #[inline]
    fn acquire(&self, cx: &Context, now: Moment) -> Admit<(), RateTicket> {
        self.limit.acquire_n(cx, self.cost, now)
    }

    fn poll_turn(&self, ticket: &mut RateTicket, task: &mut Task<'_>) -> Poll<Result<(), Refusal>> {
        self.limit.poll_turn(ticket, task)
    }

    fn leave(&self, ticket: RateTicket) {
        self.limit.leave(ticket);
    }

    fn record(&self, (): (), _outcome: &Outcome, _now: Moment) {}

    fn cancel(&self, (): ()) {}

    fn give_back(&self, (): ()) {
        self.limit.refund(self.cost);
    }

    fn describe(&self) -> String {
        format!("{}, {} for each call", self.limit.describe(), self.cost)
    }

    fn mode(&self) -> Mode {
        self.limit.mode()
    }

    fn counts(&self) -> &Counts {
        self.limit.counts()
    }

    fn clock(&self) -> &Clock {
        self.limit.clock()
    }
}
