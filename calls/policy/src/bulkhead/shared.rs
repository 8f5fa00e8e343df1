//! A bulkhead that threads share. How many calls are under way and how many wait is one number that is changed in one
//! step; only who waits takes the lock.

use std::pin::Pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use mamparo_context::duration::nanos;
use mamparo_context::{Clock, Context, Moment, duration};

use super::config::BulkheadConfig;
use super::core::{Line, Turn};
use crate::mode::SharedMode;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::time::{Sleep, sleep_until};
use crate::{Admission, Admit, Counts, InvalidConfig, Mode, Outcome, Policy, Reason, Refusal};

/// One call is under way.
const UNDER_WAY: u64 = 1;
/// One call waits.
const WAITS: u64 = 1 << 32;

/// A bound for calls at the same time, with a first-come-first-served line before it. Share it in an
/// [`Arc`](std::sync::Arc): one for each dependency.
#[derive(Debug)]
pub struct Bulkhead {
    clock: Clock,
    mode: SharedMode,
    counts: Counts,
    /// Calls under way in the lower half, calls that wait in the upper one.
    word: AtomicU64,
    calls: AtomicU64,
    queue: AtomicU64,
    wait_nanos: AtomicU64,
    line: Mutex<Line<Waker>>,
}

/// What an admitted call holds.
#[derive(Debug)]
#[must_use]
pub struct BulkheadPass(pub(super) ());

/// A place in the line.
#[must_use]
pub struct BulkheadTicket {
    number: u64,
    until: Moment,
    /// Boxed: a call that waits can afford it, and one that does not need not carry it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Bulkhead {
    /// A bulkhead with nobody in it.
    ///
    /// # Errors
    /// `config` is wrong.
    pub fn new(config: BulkheadConfig, clock: Clock) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self {
            clock,
            mode: SharedMode::new(config.mode),
            counts: Counts::default(),
            word: AtomicU64::new(0),
            calls: AtomicU64::new(config.calls.into()),
            queue: AtomicU64::new(config.queue.into()),
            wait_nanos: AtomicU64::new(nanos(config.wait)),
            line: Mutex::new(Line::new()),
        })
    }

    /// Calls under way.
    pub fn under_way(&self) -> u32 {
        low(self.word.load(Ordering::Relaxed))
    }

    /// Calls that wait.
    pub fn waiting(&self) -> u32 {
        low(self.word.load(Ordering::Relaxed) >> 32)
    }

    /// Calls that may be under way at the same time.
    pub fn calls(&self) -> u32 {
        low(self.calls.load(Ordering::Relaxed))
    }

    /// Goes by `config` from now on. What is under way stays; who waits keeps its place and its time.
    ///
    /// # Errors
    /// `config` is wrong: nothing has changed.
    pub fn reconfigure(&self, config: BulkheadConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        self.mode.set(config.mode);
        self.queue.store(config.queue.into(), Ordering::Relaxed);
        self.wait_nanos.store(nanos(config.wait), Ordering::Relaxed);
        let line = lock(&self.line);
        self.calls.store(config.calls.into(), Ordering::Relaxed);
        self.call(line, self.clock.moment());
        Ok(())
    }

    /// Takes a place if there is one and nobody waits for it.
    #[inline]
    fn take(&self) -> bool {
        let calls = self.calls.load(Ordering::Relaxed);
        let mut word = self.word.load(Ordering::Relaxed);
        while word < calls {
            match self.word.compare_exchange_weak(
                word,
                word + UNDER_WAY,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        false
    }

    #[cold]
    fn join(&self, cx: &Context, now: Moment) -> Admit<BulkheadPass, BulkheadTicket> {
        let wait = Duration::from_nanos(self.wait_nanos.load(Ordering::Relaxed));
        let until = cx.deadline().map_or(Moment::NEVER, |deadline| deadline.moment()).min(now + wait);
        let mut line = lock(&self.line);
        let full = line.len() as u64 >= self.queue.load(Ordering::Relaxed);
        // Under the lock nobody else can begin to wait, but a call may end at any moment.
        loop {
            if self.take() {
                return Admit::Admit(BulkheadPass(()));
            }
            if full {
                return Admit::Refuse(refuse(Reason::QueueFull));
            }
            if until <= now {
                return Admit::Refuse(refuse(Reason::WaitTooLong));
            }
            let word = self.word.load(Ordering::Relaxed);
            let has_room = word & (WAITS - 1) < self.calls.load(Ordering::Relaxed) && word < WAITS;
            if !has_room
                && self
                    .word
                    .compare_exchange(word, word + WAITS, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                let number = line.join(until);
                return Admit::Wait(BulkheadTicket { number, until, timer: None });
            }
        }
    }

    /// A call has ended.
    #[inline]
    fn end(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word < WAITS {
            match self.word.compare_exchange_weak(
                word,
                word - UNDER_WAY,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
        self.hand_over();
    }

    #[cold]
    fn hand_over(&self) {
        let line = lock(&self.line);
        self.word.fetch_sub(UNDER_WAY, Ordering::Release);
        self.call(line, self.clock.moment());
    }

    /// Gives free places to those who wait, and wakes them when the lock is free again.
    fn call(&self, mut line: MutexGuard<'_, Line<Waker>>, now: Moment) {
        let mut wakers = Vec::new();
        while line.len() > 0
            && self.word.load(Ordering::Relaxed) & (WAITS - 1) < self.calls.load(Ordering::Relaxed)
        {
            let called = line.call(now, |waker| wakers.extend(waker));
            if called.somebody {
                self.word.fetch_add(UNDER_WAY, Ordering::Acquire);
            }
            self.word.fetch_sub(WAITS * (called.gone + u64::from(called.somebody)), Ordering::Relaxed);
        }
        drop(line);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Admission for Bulkhead {
    type Pass = BulkheadPass;
    type Ticket = BulkheadTicket;

    const POLICY: Policy = Policy::Bulkhead;

    #[inline]
    fn acquire(&self, cx: &Context, now: Moment) -> Admit<BulkheadPass, BulkheadTicket> {
        if self.take() { Admit::Admit(BulkheadPass(())) } else { self.join(cx, now) }
    }

    /// The time matters only to who waits.
    #[inline]
    fn admit_now(&self, cx: &Context) -> Admit<Option<BulkheadPass>, BulkheadTicket> {
        if self.mode.get() == Mode::Off {
            return Admit::Admit(None);
        }
        if self.take() {
            self.counts.admitted();
            return Admit::Admit(Some(BulkheadPass(())));
        }
        self.admit(cx, self.clock.moment())
    }

    #[inline]
    fn times_success(&self) -> bool {
        false
    }

    fn poll_turn(
        &self,
        ticket: &mut BulkheadTicket,
        task: &mut Task<'_>,
    ) -> Poll<Result<BulkheadPass, Refusal>> {
        let mut line = lock(&self.line);
        match line.turn(ticket.number) {
            Turn::Called => return Poll::Ready(Ok(BulkheadPass(()))),
            Turn::Gone => return Poll::Ready(Err(refuse(Reason::WaitedTooLong))),
            Turn::Waits => {
                let waker = task.waker();
                line.call_by(ticket.number, |own| own.will_wake(waker), || waker.clone());
            }
        }
        drop(line);
        let timer = ticket.timer.get_or_insert_with(|| Box::pin(sleep_until(&self.clock, ticket.until)));
        if timer.as_mut().poll(task).is_pending() {
            return Poll::Pending;
        }
        // The turn may have come together with the end of the time: then it is taken.
        match self.go(ticket.number) {
            Turn::Called => Poll::Ready(Ok(BulkheadPass(()))),
            _ => Poll::Ready(Err(refuse(Reason::WaitedTooLong))),
        }
    }

    fn leave(&self, ticket: BulkheadTicket) {
        if self.go(ticket.number) == Turn::Called {
            self.end();
        }
    }

    #[inline]
    fn record(&self, _: BulkheadPass, _: &Outcome, _: Moment) {
        self.end();
    }

    #[inline]
    fn cancel(&self, _: BulkheadPass) {
        self.end();
    }

    #[inline]
    fn mode(&self) -> Mode {
        self.mode.get()
    }

    #[inline]
    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn describe(&self) -> String {
        let wait = Duration::from_nanos(self.wait_nanos.load(Ordering::Relaxed));
        let queue = self.queue.load(Ordering::Relaxed);
        format!("{} calls at a time, {queue} wait up to {}", self.calls(), duration::text(wait))
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Bulkhead {
    /// `number` leaves the line.
    fn go(&self, number: u64) -> Turn {
        let mut line = lock(&self.line);
        let turn = line.leave(number);
        if turn == Turn::Waits {
            self.word.fetch_sub(WAITS, Ordering::Relaxed);
        }
        turn
    }
}

fn refuse(reason: Reason) -> Refusal {
    Refusal::new(Policy::Bulkhead, reason)
}

#[expect(clippy::cast_possible_truncation, reason = "half of the word is meant")]
fn low(word: u64) -> u32 {
    word as u32
}
