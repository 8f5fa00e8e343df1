//! How many calls may be under way at the same time, learned from how long they take.
#![doc = include_str!("../../../docs/policies/adaptive-concurrency.md")]

pub mod core;

mod config;
mod line;

use std::pin::Pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use mamparo_context::duration::nanos;
use mamparo_context::{Clock, Context, Moment, Origin, Random, duration};

pub use self::config::{AdaptiveConfig, AimdConfig, AlgorithmConfig, Gradient2Config, VegasConfig};
use self::core::{Call, Core};
use self::line::{Left, Queue};
use crate::mode::SharedMode;
use crate::shed::{Exit, LineConfig};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::time::{Sleep, sleep_until};
use crate::{Admission, Admit, Counts, InvalidConfig, Mode, Outcome, Policy, Reason, Refusal};

/// A limit of calls under way that follows what the dependency can do.
#[derive(Debug)]
pub struct AdaptiveLimit {
    clock: Clock,
    random: Random,
    mode: SharedMode,
    counts: Counts,
    in_flight: AtomicU64,
    limit: AtomicU64,
    /// Nanoseconds that a call took on average in the last window.
    rtt: AtomicU64,
    /// How many stand in line; written under the lock of `queue` only.
    waiting: AtomicU64,
    /// How many may stand in line.
    capacity: AtomicU64,
    /// Nanoseconds after which a refused call may come again.
    retry_after: AtomicU64,
    queue: Mutex<Queue>,
    core: Mutex<Core>,
}

/// What a call under an [`AdaptiveLimit`] holds.
#[derive(Clone, Copy, Debug)]
pub struct AdaptivePass {
    began: Moment,
    in_flight: u64,
}

/// A place in the line of an [`AdaptiveLimit`].
pub struct AdaptiveTicket {
    slot: usize,
    until: Moment,
    /// Whether the wait ends with the deadline of the call.
    is_deadline: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// What an [`AdaptiveLimit`] showed at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveState {
    /// Calls that may be under way.
    pub limit: u64,
    /// The limit that was learned; a measurement holds `limit` below it for a moment.
    pub learned: f64,
    /// Calls that are under way.
    pub in_flight: u64,
    /// Calls that stand in line.
    pub waiting: u64,
    /// Whether the line stands, so that the last goes first.
    pub is_overloaded: bool,
    /// How long a call took on average in the last window.
    pub rtt: Option<Duration>,
    /// How long a call takes while nothing stands in line.
    pub idle_rtt: Option<Duration>,
}

impl AdaptiveLimit {
    /// A limit that has seen nothing yet.
    ///
    /// # Errors
    /// A value of `config` that cannot work.
    pub fn new(config: AdaptiveConfig, clock: Clock, random: Random) -> Result<Self, InvalidConfig> {
        config.check()?;
        let limit = Self {
            mode: SharedMode::new(config.mode),
            counts: Counts::default(),
            in_flight: AtomicU64::new(0),
            limit: AtomicU64::new(u64::from(config.initial)),
            rtt: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            capacity: AtomicU64::new(0),
            retry_after: AtomicU64::new(0),
            queue: Mutex::new(Queue::new(LineConfig::default())),
            core: Mutex::new(Core::new(config, clock.moment())),
            clock,
            random,
        };
        limit.apply(&config);
        Ok(limit)
    }

    /// Changes the configuration. Calls under way and in line, and what was learned, stay as they are.
    ///
    /// # Errors
    /// A value of `config` that cannot work; then nothing has changed.
    pub fn reconfigure(&self, config: AdaptiveConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        let now = self.clock.moment();
        let mut core = lock(&self.core);
        core.reconfigure(config, now);
        self.limit.store(core.limit(), Ordering::SeqCst);
        drop(core);
        self.apply(&config);
        self.drain(now);
        Ok(())
    }

    fn apply(&self, config: &AdaptiveConfig) {
        self.mode.set(config.mode);
        self.retry_after.store(nanos(config.retry_after), Ordering::Relaxed);
        let mut queue = lock(&self.queue);
        if let Some(line) = config.line {
            queue.reconfigure(line);
        }
        self.capacity.store(config.line.map_or(0, |line| line.capacity as u64), Ordering::Relaxed);
    }

    /// The configuration.
    pub fn config(&self) -> AdaptiveConfig {
        *lock(&self.core).config()
    }

    /// What it shows now.
    pub fn state(&self) -> AdaptiveState {
        let is_overloaded = lock(&self.queue).is_overloaded();
        let core = lock(&self.core);
        AdaptiveState {
            limit: core.limit(),
            learned: core.learned(),
            in_flight: self.in_flight.load(Ordering::SeqCst),
            waiting: self.waiting.load(Ordering::SeqCst),
            is_overloaded,
            rtt: core.rtt(),
            idle_rtt: core.idle_rtt(),
        }
    }

    /// One more call under way, where there is room: how many there are then.
    #[inline]
    fn take(&self) -> Option<u64> {
        let limit = self.limit.load(Ordering::SeqCst);
        let more = |in_flight| (in_flight < limit).then_some(in_flight + 1);
        let before = self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(before + 1)
    }

    /// One call less. Whoever comes to the line says so before looking for room, and whoever makes room does so
    /// before looking at the line: one of them sees the other.
    fn release(&self, now: Moment) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.drain(now);
    }

    /// Lets go as many from the line as there is room for.
    fn drain(&self, now: Moment) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut woken: Vec<Waker> = Vec::new();
        let mut queue = lock(&self.queue);
        while queue.len() > 0
            && let Some(in_flight) = self.take()
        {
            if !self.grant(&mut queue, AdaptivePass { began: now, in_flight }, &mut woken) {
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.waiting.store(queue.len() as u64, Ordering::SeqCst);
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Gives `pass` to whoever is next, past those who have waited for too long; `false` when nobody is left.
    fn grant(&self, queue: &mut Queue, pass: AdaptivePass, woken: &mut Vec<Waker>) -> bool {
        while let Some(exit) = queue.pop(pass.began) {
            match exit {
                Exit::Turn { what, .. } => {
                    woken.extend(queue.grant(what, pass));
                    return true;
                }
                Exit::Late { what, reason } => woken.extend(queue.refuse(what, self.refusal(reason))),
            }
        }
        false
    }

    fn stand_in_line(&self, cx: &Context, now: Moment) -> Admit<AdaptivePass, AdaptiveTicket> {
        let deadline = cx.deadline().map_or(Moment::NEVER, |deadline| deadline.moment());
        let mut queue = lock(&self.queue);
        self.waiting.store(queue.len() as u64 + 1, Ordering::SeqCst);
        let answer = match queue.len() {
            0 => self.take().map(|in_flight| Admit::Admit(AdaptivePass { began: now, in_flight })),
            _ => None,
        };
        let mut displaced = None;
        let answer = match answer {
            Some(admitted) => admitted,
            None if now + self.wait(queue.ahead_of(cx.criticality())) >= deadline => {
                Admit::Refuse(self.refusal(Reason::WaitTooLong))
            }
            None => match queue.push(cx.criticality(), deadline, now, |reason| self.refusal(reason)) {
                Ok((slot, until, waker)) => {
                    displaced = waker;
                    Admit::Wait(AdaptiveTicket { slot, until, is_deadline: until == deadline, sleep: None })
                }
                Err(refusal) => Admit::Refuse(refusal),
            },
        };
        self.waiting.store(queue.len() as u64, Ordering::SeqCst);
        drop(queue);
        if let Some(waker) = displaced {
            waker.wake();
        }
        answer
    }

    /// How long somebody waits before whom `ahead` others go.
    fn wait(&self, ahead: usize) -> Duration {
        let (rtt, limit) = (self.rtt.load(Ordering::Relaxed), self.limit.load(Ordering::Relaxed));
        Duration::from_nanos(rtt.saturating_mul(ahead as u64) / limit.max(1))
    }

    fn refusal(&self, reason: Reason) -> Refusal {
        let after = Duration::from_nanos(self.retry_after.load(Ordering::Relaxed));
        Refusal::new(Policy::Adaptive, reason).retry_after(after.mul_f64(0.5 + self.random.unit()))
    }

    /// Learns from a call.
    fn learn(&self, call: Call, now: Moment) {
        let mut core = lock(&self.core);
        core.record(call, now, || self.random.unit());
        self.limit.store(core.limit(), Ordering::SeqCst);
        self.rtt.store(core.rtt().map_or(0, nanos), Ordering::Relaxed);
    }
}

/// Whether a call that came to `outcome` was dropped; `None` when it says nothing of how long calls take. An answer
/// that never came is a drop; one that failed at once would only make the dependency look fast.
fn was_dropped(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Success => Some(false),
        Outcome::BackPressure(_) => Some(true),
        Outcome::Failure(fault) if fault.origin == Origin::Upstream && fault.indeterminate => Some(true),
        Outcome::Failure(_) => None,
    }
}

impl Admission for AdaptiveLimit {
    type Pass = AdaptivePass;
    type Ticket = AdaptiveTicket;

    const POLICY: Policy = Policy::Adaptive;

    #[inline]
    fn acquire(&self, cx: &Context, now: Moment) -> Admit<AdaptivePass, AdaptiveTicket> {
        // Whoever waits is not overtaken.
        if self.waiting.load(Ordering::SeqCst) == 0
            && let Some(in_flight) = self.take()
        {
            return Admit::Admit(AdaptivePass { began: now, in_flight });
        }
        if self.capacity.load(Ordering::Relaxed) == 0 {
            return Admit::Refuse(self.refusal(Reason::Overloaded));
        }
        self.stand_in_line(cx, now)
    }

    fn poll_turn(
        &self,
        ticket: &mut AdaptiveTicket,
        task: &mut Task<'_>,
    ) -> Poll<Result<AdaptivePass, Refusal>> {
        if let Some(answer) = lock(&self.queue).look(ticket.slot, task.waker()) {
            return Poll::Ready(answer);
        }
        let sleep = ticket.sleep.get_or_insert_with(|| Box::pin(sleep_until(&self.clock, ticket.until)));
        if sleep.as_mut().poll(task).is_pending() {
            return Poll::Pending;
        }
        let mut queue = lock(&self.queue);
        let left = queue.leave(ticket.slot);
        self.waiting.store(queue.len() as u64, Ordering::SeqCst);
        drop(queue);
        let reason = if ticket.is_deadline { Reason::DeadlinePassed } else { Reason::WaitedTooLong };
        Poll::Ready(match left {
            Left::Waiting => Err(self.refusal(reason)),
            Left::Granted(pass) => Ok(pass),
            Left::Refused(refusal) => Err(refusal),
        })
    }

    fn leave(&self, ticket: AdaptiveTicket) {
        let mut queue = lock(&self.queue);
        let left = queue.leave(ticket.slot);
        self.waiting.store(queue.len() as u64, Ordering::SeqCst);
        drop(queue);
        if let Left::Granted(_) = left {
            self.release(self.clock.moment());
        }
    }

    fn record(&self, pass: AdaptivePass, outcome: &Outcome, now: Moment) {
        if let Some(dropped) = was_dropped(outcome) {
            self.learn(Call { began: pass.began, in_flight: pass.in_flight, dropped }, now);
        }
        self.release(now);
    }

    fn cancel(&self, _pass: AdaptivePass) {
        self.release(self.clock.moment());
    }

    fn mode(&self) -> Mode {
        self.mode.get()
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn describe(&self) -> String {
        let (config, limit) = (self.config(), self.limit.load(Ordering::Relaxed));
        let line = match config.line {
            Some(line) => format!("{} wait up to {}", line.capacity, duration::text(line.max_wait)),
            None => "none wait".to_owned(),
        };
        let (algorithm, min, max) = (config.algorithm.as_str(), config.min, config.max);
        format!("{algorithm}, {limit} calls at a time now, {min} to {max}; {line}")
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}
