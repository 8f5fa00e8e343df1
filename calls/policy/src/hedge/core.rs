//! Decides when a call is made once more while it is under way.

use std::time::Duration;

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
    withdrawn: Option<Withdrawal>,
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

    /// The delay has passed, or the only attempt has failed: whether another one is made now.
    pub(crate) fn start(&self, race: &mut Race, now: Moment) -> Start {
        if race.extra >= self.config.extra {
            return Start::No;
        }
        let Some(withdrawn) = self.budget.withdraw(false, now) else { return Start::NoBudget };
        if self.config.mode != Mode::Enforce {
            self.budget.deposit(Some(withdrawn));
            race.extra = self.config.extra;
            return Start::Shadow;
        }
        race.extra += 1;
        race.withdrawn = Some(withdrawn);
        Start::Yes
    }

    /// An attempt that took `time` has answered the call. Attempts that were dropped say nothing.
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
    No,
    NoBudget,
    Shadow,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
