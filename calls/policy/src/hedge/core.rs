//! Decides when a call is made once more while it is under way.

use std::time::Duration;

use mamparo_context::duration::nanos;
use mamparo_context::{Context, Fault, Moment};

use super::config::HedgeConfig;
use super::latency::{CALLS_MIN, Latencies};
use crate::retry::{Budget, Withdrawal, may_repeat};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::{InvalidConfig, Mode, Outcome};

/// How many calls are recorded between two looks at the percentile.
const LOOK_EVERY: u32 = 32;

/// What all calls of a target share: how long calls take, and the budget.
#[derive(Debug)]
pub struct Hedge {
    config: HedgeConfig,
    budget: Budget,
    latencies: Mutex<Latencies>,
    /// The delay, in nanoseconds.
    delay: AtomicU64,
}

/// The attempts of one call.
#[derive(Clone, Debug, Default)]
pub struct Race {
    extra: u32,
    /// What the last one beside the first was paid with.
    paid: Option<(Withdrawal, Due)>,
    /// What comes back if the call succeeds.
    withdrawn: Option<Withdrawal>,
    /// The budget was spent when one was due: none is made for slowness any more.
    over: bool,
}

/// Why another attempt is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Those under way are slow. What it costs is spent: else a target that is slow altogether, and answers, would pay
    /// for a second attempt of every call.
    Slow,
    /// The only one has failed. What it costs comes back with a success, as with a retry.
    Failed,
}

impl Race {
    /// Attempts beside the first.
    pub const fn extra(&self) -> u32 {
        self.extra
    }
}

impl Hedge {
    /// With a full budget.
    ///
    /// # Errors
    /// `config` is wrong.
    pub fn new(config: HedgeConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        let delay = config.initial.clamp(config.minimum, config.maximum);
        Ok(Self {
            config,
            budget: Budget::new(config.budget),
            latencies: Mutex::new(Latencies::new()),
            delay: AtomicU64::new(nanos(delay)),
        })
    }

    /// By `config` from now on, with what is left in the budget and what is known of latencies.
    ///
    /// # Errors
    /// `config` is wrong.
    pub(crate) fn reconfigured(&self, config: HedgeConfig) -> Result<Self, InvalidConfig> {
        let mut hedge = Self::new(config)?;
        hedge.budget = self.budget.resized(config.budget);
        let latencies = lock(&self.latencies).clone();
        if let Some(delay) = latencies.percentile(config.percentile) {
            hedge.delay = AtomicU64::new(nanos(delay.clamp(config.minimum, config.maximum)));
        }
        hedge.latencies = Mutex::new(latencies);
        Ok(hedge)
    }

    /// What it goes by.
    pub const fn config(&self) -> &HedgeConfig {
        &self.config
    }

    /// What is left for second attempts.
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// After how long a call is made once more.
    pub fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay.load(Ordering::Relaxed))
    }

    /// Whether a call in this context may be made twice at all.
    pub(crate) fn applies(&self, cx: &Context) -> bool {
        self.config.mode != Mode::Off
            && may_repeat(self.config.repeat, &Fault::upstream().indeterminate(), cx)
    }

    /// Whether none is made any more because those under way are slow.
    pub(crate) fn is_over(&self, race: &Race) -> bool {
        race.over || race.extra >= self.config.extra
    }

    /// The delay has passed, or the only attempt has failed: whether another one is made now.
    pub(crate) fn start(&self, race: &mut Race, due: Due, now: Moment) -> Start {
        if race.extra >= self.config.extra {
            return if self.config.mode == Mode::Enforce { Start::No } else { Start::Shadowed };
        }
        let Some(withdrawn) = self.budget.withdraw(false, now) else {
            race.over = true;
            return Start::NoBudget;
        };
        if self.config.mode != Mode::Enforce {
            self.budget.put_back(withdrawn);
            race.extra = self.config.extra;
            return Start::Shadow;
        }
        race.extra += 1;
        race.paid = Some((withdrawn, due));
        if due == Due::Failed {
            race.withdrawn = Some(withdrawn);
        }
        Start::Yes
    }

    /// One beside the first was refused by a policy of our own: it was never made, and costs nothing.
    pub(crate) fn refused(&self, race: &mut Race) {
        if let Some((paid, due)) = race.paid.take() {
            if due == Due::Failed {
                race.withdrawn = None;
            }
            self.budget.put_back(paid);
        }
    }

    /// The call was answered. `time` is what its first attempt took, or has been under way by now: the delay is a share
    /// of *first* attempts, and would grow ever shorter if the slow ones were told by the hedges that answered for them.
    pub(crate) fn answered(&self, race: &mut Race, outcome: &Outcome, time: Duration, now: Moment) {
        if outcome.fault().is_none() {
            self.budget.deposit(race.withdrawn.take());
        }
        let mut latencies = lock(&self.latencies);
        latencies.record(time, now);
        if !latencies.calls().is_multiple_of(LOOK_EVERY) && latencies.calls() != CALLS_MIN {
            return;
        }
        if let Some(delay) = latencies.percentile(self.config.percentile) {
            let delay = delay.clamp(self.config.minimum, self.config.maximum);
            self.delay.store(nanos(delay), Ordering::Relaxed);
        }
    }
}

/// Whether another attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Yes,
    /// As many were made as may be.
    No,
    NoBudget,
    Shadow,
    /// The shadow of it was counted already.
    Shadowed,
}
