//! Sheds calls by rank: a load and an addition for each call, and the decision a few times in a second.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use mamparo_context::duration::nanos;
use mamparo_context::{Clock, Context, Criticality, Moment, Random};

use super::Signal;
use super::config::ShedConfig;
use super::core::controller::Controller;
use super::core::rank::{COHORTS, RANKS, rank};
use crate::mode::SharedMode;
use crate::{Admission, Admit, Counts, InvalidConfig, Mode, Outcome, Permit, Policy, Reason, Refusal};

/// Turns away who matters least while there is more to do than can be done.
pub struct Shedder {
    clock: Clock,
    random: Random,
    mode: SharedMode,
    counts: Counts,
    exempted: AtomicU64,
    trickled: AtomicU64,
    /// The lowest rank that is let go.
    threshold: AtomicUsize,
    salt: AtomicU64,
    /// Calls of each rank since the last look at the signals.
    asked: [AtomicU32; RANKS],
    /// Of each class, how many calls below the threshold there were.
    below: [AtomicU32; 4],
    /// Each so-manieth of them is let go; 0 for none.
    trickle: AtomicU32,
    /// When the signals are looked at again, in nanoseconds.
    next: AtomicU64,
    /// Nanoseconds.
    retry_after: AtomicU64,
    state: Mutex<State>,
}

struct State {
    config: ShedConfig,
    controller: Controller,
    looked: Moment,
    pressure: f64,
    worst: &'static str,
    signals: Vec<Arc<dyn Signal>>,
}

/// That a call was let go. There is nothing to give back.
#[derive(Debug)]
pub struct ShedPass(());

/// Nobody waits at a [`Shedder`].
#[derive(Debug)]
pub enum NoTicket {}

/// What a [`Shedder`] showed at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShedState {
    /// The share of what is asked for that is accepted.
    pub accepted: f64,
    /// The lowest class that is let go as a whole; `None` when some of every class are turned away.
    pub whole: Option<Criticality>,
    /// The lowest of 400 ranks (class times 100, and cohort) that is let go.
    pub threshold: usize,
    /// What the worst signal showed; 1 and more is overload.
    pub pressure: f64,
    /// That signal.
    pub worst: &'static str,
    /// Calls that were not asked because they are exempt.
    pub exempted: u64,
    /// Calls that were let go as the trickle of their class.
    pub trickled: u64,
}

impl Shedder {
    /// Sheds when one of `signals` shows overload.
    ///
    /// # Errors
    /// A value of `config` that cannot work, or no signal: it would never shed.
    pub fn new(
        config: ShedConfig,
        signals: Vec<Arc<dyn Signal>>,
        clock: Clock,
        random: Random,
    ) -> Result<Self, InvalidConfig> {
        config.check()?;
        InvalidConfig::unless(!signals.is_empty(), Policy::Shed, "signals", "must be at least one")?;
        let now = clock.moment();
        let shedder = Self {
            mode: SharedMode::new(config.mode),
            counts: Counts::default(),
            exempted: AtomicU64::new(0),
            trickled: AtomicU64::new(0),
            threshold: AtomicUsize::new(0),
            salt: AtomicU64::new(0),
            asked: [const { AtomicU32::new(0) }; RANKS],
            below: [const { AtomicU32::new(0) }; 4],
            trickle: AtomicU32::new(0),
            next: AtomicU64::new((now + config.every).as_nanos()),
            retry_after: AtomicU64::new(0),
            state: Mutex::new(State {
                config,
                controller: Controller::new(config.calm, config.recover),
                looked: now,
                pressure: 0.0,
                worst: "none",
                signals,
            }),
            clock,
            random,
        };
        shedder.apply(&config);
        Ok(shedder)
    }

    /// Changes the configuration. What is shed at the moment stays as it is until the signals are looked at again.
    ///
    /// # Errors
    /// A value of `config` that cannot work; then nothing has changed.
    pub fn reconfigure(&self, config: ShedConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        let mut state = self.state();
        state.config = config;
        state.controller.reconfigure(config.calm, config.recover);
        drop(state);
        self.apply(&config);
        Ok(())
    }

    fn apply(&self, config: &ShedConfig) {
        self.mode.set(config.mode);
        let each = if config.trickle > 0.0 { (1.0 / config.trickle).round() as u32 } else { 0 };
        self.trickle.store(each, Ordering::Relaxed);
        self.retry_after.store(nanos(config.retry_after), Ordering::Relaxed);
        self.salt.store(self.salt_of(config), Ordering::Relaxed);
    }

    /// The same on every node whose wall clock is right.
    fn salt_of(&self, config: &ShedConfig) -> u64 {
        let period = i64::try_from(config.reshuffle.as_micros()).unwrap_or(i64::MAX).max(1);
        self.clock.wall().as_micros().div_euclid(period).unsigned_abs()
    }

    /// Goes by these signs from now on.
    pub(crate) fn listen_to(&self, signals: Vec<Arc<dyn Signal>>) {
        self.state().signals = signals;
    }

    /// Lets a call go without asking: for health checks, and for traffic by which the process is controlled. Shed
    /// those, and whoever could help believes the process to be dead.
    pub fn exempt(self: &Arc<Self>) -> Permit<Self> {
        self.exempted.fetch_add(1, Ordering::Relaxed);
        Permit::new(Arc::clone(self), None)
    }

    /// What it shows now.
    pub fn shows(&self) -> ShedState {
        let state = self.state();
        let threshold = state.controller.threshold();
        ShedState {
            accepted: state.controller.accepted(),
            whole: super::core::CLASSES.get(threshold.div_ceil(COHORTS)).copied(),
            threshold,
            pressure: state.pressure,
            worst: state.worst,
            exempted: self.exempted.load(Ordering::Relaxed),
            trickled: self.trickled.load(Ordering::Relaxed),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the signals. Whoever comes first after the time does it; nobody waits for that.
    #[cold]
    fn look(&self, now: Moment) {
        let Ok(mut state) = self.state.try_lock() else { return };
        let ticks = now.since(state.looked).as_nanos() / state.config.every.as_nanos().max(1);
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX).max(1);
        state.looked = now;
        let shown = state.signals.iter().map(|signal| (signal.pressure(now), signal.name()));
        let (pressure, worst) = shown.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, "none"));
        let asked = self.asked.iter().map(|asked| u64::from(asked.swap(0, Ordering::Relaxed)));
        let before = state.controller.threshold();
        let threshold = state.controller.tick(pressure, asked, ticks);
        (state.pressure, state.worst) = (pressure, worst);
        self.threshold.store(threshold, Ordering::Relaxed);
        self.salt.store(self.salt_of(&state.config), Ordering::Relaxed);
        self.next.store((now + state.config.every).as_nanos(), Ordering::Relaxed);
        let accepted = state.controller.accepted();
        drop(state);
        match (before, threshold) {
            (0, 1..) => tracing::warn!(signal = worst, pressure, accepted, "load is shed"),
            (1.., 0) => tracing::info!("load is not shed any more"),
            _ => {}
        }
    }

    fn is_trickle(&self, rank: usize) -> bool {
        let each = self.trickle.load(Ordering::Relaxed);
        let number = self.below[rank / COHORTS].fetch_add(1, Ordering::Relaxed);
        each > 0 && number.is_multiple_of(each)
    }
}

impl fmt::Debug for Shedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shedder").field("shows", &self.shows()).finish_non_exhaustive()
    }
}

impl Admission for Shedder {
    type Pass = ShedPass;
    type Ticket = NoTicket;

    const POLICY: Policy = Policy::Shed;

    #[inline]
    fn acquire(&self, cx: &Context, now: Moment) -> Admit<ShedPass, NoTicket> {
        if now.as_nanos() >= self.next.load(Ordering::Relaxed) {
            self.look(now);
        }
        let rank = rank(cx, self.salt.load(Ordering::Relaxed));
        self.asked[rank].fetch_add(1, Ordering::Relaxed);
        if rank >= self.threshold.load(Ordering::Relaxed) {
            return Admit::Admit(ShedPass(()));
        }
        if self.is_trickle(rank) {
            self.trickled.fetch_add(1, Ordering::Relaxed);
            return Admit::Admit(ShedPass(()));
        }
        let after = Duration::from_nanos(self.retry_after.load(Ordering::Relaxed));
        let after = after.mul_f64(0.5 + self.random.unit());
        Admit::Refuse(Refusal::new(Policy::Shed, Reason::Overloaded).retry_after(after))
    }

    fn poll_turn(&self, ticket: &mut NoTicket, _task: &mut Task<'_>) -> Poll<Result<ShedPass, Refusal>> {
        match *ticket {}
    }

    fn leave(&self, ticket: NoTicket) {
        match ticket {}
    }

    fn record(&self, _pass: ShedPass, _outcome: &Outcome, _now: Moment) {}

    fn cancel(&self, _pass: ShedPass) {}

    fn mode(&self) -> Mode {
        self.mode.get()
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn times_success(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        let state = self.state();
        let signals: Vec<_> = state.signals.iter().map(|signal| signal.name()).collect();
        let config = state.config;
        let (signals, trickle) = (signals.join(", "), config.trickle * 100.0);
        format!("by {signals}; calm below {}, a trickle of {trickle:.1}%", config.calm)
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}
