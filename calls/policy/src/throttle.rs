//! The client holds back by itself while a dependency refuses most of what it is asked.
#![doc = include_str!("../../../docs/policies/client-throttling.md")]

pub mod core;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use mamparo_context::{Clock, Context, Criticality, Moment, Origin, Random, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::core::{BUCKETS, Window};
use crate::config::duration_schema;
use crate::mode::SharedMode;
use crate::shed::NoTicket;
use crate::{Admission, Admit, Counts, InvalidConfig, Mode, Outcome, Policy, Reason, Refusal};

/// Throttling by the client.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleConfig {
    /// Whether it acts. Default: `enforce`.
    pub mode: Mode,
    /// Of how much work the window knows. It must be longer than the slowest calls, or an attempt is forgotten
    /// before its answer has come. Default: `2m`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub window: Duration,
    /// How many attempts are made for each one that is accepted before any is held back. Default: `2.0`.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub k: f64,
    /// The share of attempts that is made all the same, so that it is noticed when the dependency works again.
    /// Default: `0.01`.
    #[schemars(range(min = 0.0001, max = 1.0))]
    pub floor: f64,
    /// Whether each class of criticality has a window of its own, so that a dependency that sheds the lowest class
    /// is not asked less of the others. Default: `true`.
    pub per_class: bool,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self { mode: Mode::default(), window: Duration::from_secs(120), k: 2.0, floor: 0.01, per_class: true }
    }
}

impl ThrottleConfig {
    /// Whether it can be done so.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let check = |holds, field, problem| InvalidConfig::unless(holds, Policy::Throttle, field, problem);
        check(self.window >= Duration::from_secs(1), "window", "must be at least 1s")?;
        check((1.0..=100.0).contains(&self.k), "k", "must be 1.0 to 100.0")?;
        check(
            (0.0001..=1.0).contains(&self.floor),
            "floor",
            "must be 0.0001 to 1.0, or nobody ever asks again",
        )
    }
}

/// Holds back a share of the attempts while the dependency accepts few of them.
#[derive(Debug)]
pub struct Throttle {
    clock: Clock,
    random: Random,
    mode: SharedMode,
    counts: Counts,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: ThrottleConfig,
    windows: [Window; 4],
}

/// That an attempt is made, and where it was counted.
#[derive(Clone, Copy, Debug)]
pub struct ThrottlePass {
    window: usize,
    bucket: u64,
}

impl Throttle {
    /// A throttle that has seen nothing yet.
    ///
    /// # Errors
    /// A value of `config` that cannot work.
    pub fn new(config: ThrottleConfig, clock: Clock, random: Random) -> Result<Self, InvalidConfig> {
        config.check()?;
        let windows = [(); 4].map(|()| Window::new(config.window / BUCKETS as u32));
        let state = Mutex::new(State { config, windows });
        Ok(Self { clock, random, mode: SharedMode::new(config.mode), counts: Counts::default(), state })
    }

    /// Changes the configuration. What was counted is kept; where the length of the window changes, the answer to an
    /// attempt that is under way may not be counted.
    ///
    /// # Errors
    /// A value of `config` that cannot work; then nothing has changed.
    pub fn reconfigure(&self, config: ThrottleConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        let now = self.clock.moment();
        let mut state = self.state();
        state.windows.iter_mut().for_each(|window| window.rescale(config.window / BUCKETS as u32, now));
        state.config = config;
        drop(state);
        self.mode.set(config.mode);
        Ok(())
    }

    /// The share of the attempts of `class` that is held back now.
    pub fn share(&self, class: Criticality) -> f64 {
        let now = self.clock.moment();
        let mut state = self.state();
        let (config, window) = (state.config, window_of(&state.config, class));
        state.windows[window].probability(config.k, config.floor, now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn window_of(config: &ThrottleConfig, class: Criticality) -> usize {
    if config.per_class { crate::shed::core::index(class) } else { 0 }
}

/// Whether the dependency took the work; `None` when it was never asked. A request that is wrong in itself was taken
/// and judged.
fn was_accepted(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Success => Some(true),
        Outcome::BackPressure(_) => Some(false),
        Outcome::Failure(fault) => match fault.origin {
            Origin::Caller => Some(true),
            Origin::Upstream => Some(false),
            Origin::Internal => None,
        },
    }
}

impl Admission for Throttle {
    type Pass = ThrottlePass;
    type Ticket = NoTicket;

    const POLICY: Policy = Policy::Throttle;

    fn acquire(&self, cx: &Context, now: Moment) -> Admit<ThrottlePass, NoTicket> {
        let mut state = self.state();
        let (config, number) = (state.config, window_of(&state.config, cx.criticality()));
        let window = &mut state.windows[number];
        let share = window.probability(config.k, config.floor, now);
        // Counted before the call, whatever becomes of it: else many calls would go out before the first has failed.
        let bucket = window.attempt(now);
        drop(state);
        if share > 0.0 && self.random.unit() < share {
            return Admit::Refuse(Refusal::new(Policy::Throttle, Reason::Throttled));
        }
        Admit::Admit(ThrottlePass { window: number, bucket })
    }

    fn poll_turn(&self, ticket: &mut NoTicket, _task: &mut Task<'_>) -> Poll<Result<ThrottlePass, Refusal>> {
        match *ticket {}
    }

    fn leave(&self, ticket: NoTicket) {
        match ticket {}
    }

    fn record(&self, pass: ThrottlePass, outcome: &Outcome, now: Moment) {
        let mut state = self.state();
        let window = &mut state.windows[pass.window];
        match was_accepted(outcome) {
            Some(true) => window.accept(pass.bucket, now),
            Some(false) => {}
            None => window.retract(pass.bucket, now),
        }
    }

    fn cancel(&self, pass: ThrottlePass) {
        let now = self.clock.moment();
        self.state().windows[pass.window].retract(pass.bucket, now);
    }

    fn mode(&self) -> Mode {
        self.mode.get()
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn describe(&self) -> String {
        let ThrottleConfig { window, k, floor, .. } = self.state().config;
        let (window, floor) = (duration::text(window), floor * 100.0);
        format!("{k} attempts for each that is accepted in the last {window}, at least {floor:.1}%")
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}
