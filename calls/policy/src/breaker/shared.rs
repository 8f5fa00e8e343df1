//! A breaker that threads share. Whether a closed or an open breaker admits a call is one atomic load; only what a
//! call came to, and probes, take the lock, for a few instructions.

use std::task::{Context as Task, Poll};

use mamparo_context::{Clock, Context, Moment, Random};
use tokio::sync::watch;

use super::config::BreakerConfig;
use super::core::{BreakerPass, BreakerState, Core};
use crate::mode::SharedMode;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::{Admission, Admit, Counts, InvalidConfig, Mode, Outcome, Policy, Reason, Refusal};

/// A circuit breaker. Share it in an [`Arc`](std::sync::Arc): one for each endpoint, or for each route.
#[derive(Debug)]
pub struct Breaker {
    clock: Clock,
    mode: SharedMode,
    counts: Counts,
    /// The state and the cycle that it belongs to, so that a call learns both at once.
    word: AtomicU64,
    /// Until when it is open, in nanoseconds.
    until: AtomicU64,
    /// The word while a good call changes nothing, else [`LOUD`].
    quiet: AtomicU64,
    /// The word while good calls have nothing to do with the time, else [`LOUD`].
    timeless: AtomicU64,
    core: Mutex<Core>,
    told: watch::Sender<BreakerState>,
}

impl Breaker {
    /// A closed breaker.
    ///
    /// # Errors
    /// `config` is wrong.
    pub fn new(config: BreakerConfig, clock: Clock) -> Result<Self, InvalidConfig> {
        Self::seeded(config, clock, Random::system().next_u64())
    }

    /// As [`new`](Self::new), with jitter that `seed` repeats.
    ///
    /// # Errors
    /// `config` is wrong.
    pub fn seeded(config: BreakerConfig, clock: Clock, seed: u64) -> Result<Self, InvalidConfig> {
        config.check()?;
        let mode = SharedMode::new(config.mode);
        let core = Core::new(config, seed);
        Ok(Self {
            clock,
            mode,
            counts: Counts::default(),
            word: AtomicU64::new(word(&core)),
            until: AtomicU64::new(0),
            quiet: AtomicU64::new(quiet(&core)),
            timeless: AtomicU64::new(timeless(&core)),
            core: Mutex::new(core),
            told: watch::Sender::new(BreakerState::Closed),
        })
    }

    /// What it is now. An open breaker becomes half-open when the next call comes.
    pub fn state(&self) -> BreakerState {
        state_of(self.word.load(Ordering::Acquire))
    }

    /// Tells every change of the state, the latest if they come faster than they are looked at.
    pub fn transitions(&self) -> watch::Receiver<BreakerState> {
        self.told.subscribe()
    }

    /// Refuses every call until [`release`](Self::release).
    pub fn force_open(&self) {
        self.change(|core| core.force(Some(BreakerState::ForcedOpen)));
    }

    /// Lets every call through until [`release`](Self::release), whatever it comes to.
    pub fn force_closed(&self) {
        self.change(|core| core.force(Some(BreakerState::ForcedClosed)));
    }

    /// Takes the dependency out of use until [`release`](Self::release): calls are refused and need not be tried
    /// again; what is under way has nothing to say any more.
    pub fn isolate(&self) {
        self.change(|core| core.force(Some(BreakerState::Isolated)));
    }

    /// Leaves it to the breaker again, which begins closed.
    pub fn release(&self) {
        self.change(|core| core.force(None));
    }

    /// Goes by `config` from now on and stays what it is. The calls in the window stay in it as far as it reaches;
    /// only from a window of calls to one of time, or back, nothing can be carried over.
    ///
    /// # Errors
    /// `config` is wrong: nothing has changed.
    pub fn reconfigure(&self, config: BreakerConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        self.mode.set(config.mode);
        self.change(|core| core.reconfigure(config));
        Ok(())
    }

    /// When it may change by itself: the end of being open, or the time by which a probe must be back.
    pub fn next_wakeup(&self) -> Option<Moment> {
        lock(&self.core).next_wakeup()
    }

    /// Lets `work` at the core and publishes what the core is then. Nobody is told anything while the lock is held.
    fn change<T>(&self, work: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = lock(&self.core);
        let before = word(&core);
        let result = work(&mut core);
        let after = word(&core);
        self.quiet.store(quiet(&core), Ordering::Release);
        self.timeless.store(timeless(&core), Ordering::Release);
        if after == before {
            return result;
        }
        self.until.store(core.until().as_nanos(), Ordering::Release);
        self.word.store(after, Ordering::Release);
        drop(core);
        self.tell(state_of(before), state_of(after));
        result
    }

    #[cold]
    fn tell(&self, before: BreakerState, after: BreakerState) {
        // Another change may have come in between: what is told is what holds now.
        let told = self.told.send_if_modified(|told| std::mem::replace(told, self.state()) != *told);
        if told {
            tracing::info!(from = before.as_str(), to = after.as_str(), "breaker changed");
        }
    }
}

impl Admission for Breaker {
    type Pass = BreakerPass;
    type Ticket = std::convert::Infallible;

    const POLICY: Policy = Policy::Breaker;

    #[inline]
    fn acquire(&self, _: &Context, now: Moment) -> Admit<BreakerPass, Self::Ticket> {
        let word = self.word.load(Ordering::Acquire);
        match state_of(word) {
            BreakerState::Closed | BreakerState::ForcedClosed => {
                Admit::Admit(BreakerPass { cycle: cycle_of(word), started: now })
            }
            BreakerState::Open => {
                let until = Moment::from_nanos(self.until.load(Ordering::Acquire));
                if now < until {
                    let refusal = Refusal::new(Policy::Breaker, Reason::Open);
                    return Admit::Refuse(refusal.retry_after(until.since(now)));
                }
                self.ask(now)
            }
            _ => self.ask(now),
        }
    }

    fn poll_turn(&self, ticket: &mut Self::Ticket, _: &mut Task<'_>) -> Poll<Result<BreakerPass, Refusal>> {
        match *ticket {}
    }

    fn leave(&self, ticket: Self::Ticket) {
        match ticket {}
    }

    /// A closed breaker that has nothing to do with the time does not read the clock.
    #[inline]
    fn admit_now(&self, cx: &Context) -> Admit<Option<BreakerPass>, Self::Ticket> {
        let word = self.word.load(Ordering::Acquire);
        if self.mode.get() == Mode::Off || self.timeless.load(Ordering::Acquire) != word {
            return self.admit(cx, self.clock.moment());
        }
        self.counts.admitted();
        Admit::Admit(Some(BreakerPass { cycle: cycle_of(word), started: Moment::NEVER }))
    }

    #[inline]
    fn times_success(&self) -> bool {
        self.timeless.load(Ordering::Acquire) != self.word.load(Ordering::Acquire)
    }

    fn record(&self, pass: BreakerPass, outcome: &Outcome, now: Moment) {
        let quiet = self.quiet.load(Ordering::Acquire);
        if *outcome == Outcome::Success && quiet != LOUD && cycle_of(quiet) == pass.cycle {
            return;
        }
        self.change(|core| core.record(&pass, outcome, now));
    }

    fn cancel(&self, pass: BreakerPass) {
        // Only a probe has a place to give back, and a probe is not of a closed breaker.
        if !matches!(self.state(), BreakerState::Closed) {
            lock(&self.core).cancel(&pass);
        }
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
        lock(&self.core).config().to_string()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Breaker {
    fn ask(&self, now: Moment) -> Admit<BreakerPass, std::convert::Infallible> {
        match self.change(|core| core.acquire(now)) {
            Ok(pass) => Admit::Admit(pass),
            Err(refusal) => Admit::Refuse(refusal),
        }
    }
}

/// No word: every state is below it.
const LOUD: u64 = u64::MAX;

fn quiet(core: &Core) -> u64 {
    if core.is_quiet() { word(core) } else { LOUD }
}

fn timeless(core: &Core) -> u64 {
    if core.is_timeless() { word(core) } else { LOUD }
}

fn word(core: &Core) -> u64 {
    u64::from(core.cycle()) << 8 | core.state() as u64
}

#[inline]
fn state_of(word: u64) -> BreakerState {
    match word & 0xff {
        0 => BreakerState::Closed,
        1 => BreakerState::Open,
        2 => BreakerState::HalfOpen,
        3 => BreakerState::ForcedOpen,
        4 => BreakerState::ForcedClosed,
        _ => BreakerState::Isolated,
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the cycle was put there with 32 bits")]
fn cycle_of(word: u64) -> u32 {
    (word >> 8) as u32
}
