//! Fault injection: makes a share of calls slow, fail or break off, on purpose.
#![doc = include_str!("../../../docs/policies/fault-injection.md")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mamparo_context::{Context, Criticality};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema, optional_criticality_schema};
use crate::draw::Draw;
use crate::sync::{Mutex, lock};
use crate::{Mode, Policy};

/// Which calls are made slow, fail or break off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FaultInjectionConfig {
    /// Whether it acts. In the mode `shadow` nothing happens to calls, and what would have is counted.
    pub mode: Mode,
    /// Share of calls that are made to wait, in percent.
    pub delay_percent: f64,
    /// How long they wait.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub delay: Duration,
    /// Share of calls that fail in place of being made, in percent.
    pub error_percent: f64,
    /// Share of calls that are made, and whose answer is thrown away, in percent: their outcome is unknown.
    pub abort_percent: f64,
    /// Only calls of this principal.
    pub principal: Option<String>,
    /// Only calls of this criticality.
    #[schemars(schema_with = "optional_criticality_schema")]
    pub criticality: Option<Criticality>,
    /// Lets it into a build without debug assertions. Without this, such a build refuses the configuration.
    pub allow_in_release: bool,
}

impl Default for FaultInjectionConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            delay_percent: 0.0,
            delay: Duration::ZERO,
            error_percent: 0.0,
            abort_percent: 0.0,
            principal: None,
            criticality: None,
            allow_in_release: false,
        }
    }
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injection {
    /// It waits so long first.
    pub delay: Option<Duration>,
    /// And then?
    pub then: Then,
}

/// What becomes of a call after its delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It is made as it is.
    #[default]
    Call,
    /// It is not made, and fails.
    Fail,
    /// It is made, and its answer is thrown away.
    Abort,
}

impl FaultInjectionConfig {
    /// Whether it can be done, and in this build.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        self.check_in(cfg!(debug_assertions))
    }

    fn check_in(&self, debug: bool) -> Result<(), InvalidConfig> {
        let unless =
            |holds, field, problem| InvalidConfig::unless(holds, Policy::FaultInjection, field, problem);
        let is_percent = |percent: f64| (0.0..=100.0).contains(&percent);
        unless(is_percent(self.delay_percent), "delay_percent", "from 0 to 100")?;
        unless(is_percent(self.error_percent), "error_percent", "from 0 to 100")?;
        unless(is_percent(self.abort_percent), "abort_percent", "from 0 to 100")?;
        let sum = self.error_percent + self.abort_percent;
        unless(sum <= 100.0, "abort_percent", "with error_percent at most 100")?;
        let in_release = "true: this is a release build, which injects faults only where this allows it";
        unless(debug || self.allow_in_release || self.mode == Mode::Off, "allow_in_release", in_release)
    }
}

/// Decides what happens to calls.
#[derive(Debug)]
pub struct FaultInjection {
    config: FaultInjectionConfig,
    draw: Mutex<Draw>,
    injected: AtomicU64,
    shadow_injected: AtomicU64,
}

impl FaultInjection {
    /// Faults that `seed` repeats.
    ///
    /// # Errors
    /// `config` is wrong, or not for this build.
    pub fn new(config: FaultInjectionConfig, seed: u64) -> Result<Self, InvalidConfig> {
        config.check()?;
        let counters = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self {
            config,
            draw: Mutex::new(Draw::new(seed)),
            injected: counters.0,
            shadow_injected: counters.1,
        })
    }

    /// Calls to which something was done.
    pub fn injected(&self) -> u64 {
        self.injected.load(Ordering::Relaxed)
    }

    /// Calls to which something would have been done, had it been enforced.
    pub fn shadow_injected(&self) -> u64 {
        self.shadow_injected.load(Ordering::Relaxed)
    }

    /// What happens to a call in this context.
    pub fn decide(&self, cx: &Context) -> Injection {
        if self.config.mode == Mode::Off || !self.matches(cx) {
            return Injection::default();
        }
        let injection = decide(&self.config, &mut lock(&self.draw));
        if injection == Injection::default() {
            return injection;
        }
        let enforced = self.config.mode == Mode::Enforce;
        let counter = if enforced { &self.injected } else { &self.shadow_injected };
        counter.fetch_add(1, Ordering::Relaxed);
        if enforced { injection } else { Injection::default() }
    }

    /// Its mode, and its values in words.
    pub(crate) fn described(&self) -> (Mode, String) {
        let FaultInjectionConfig { mode, delay_percent, delay, error_percent, abort_percent, .. } =
            &self.config;
        let delay = mamparo_context::duration::text(*delay);
        let what =
            format!("{delay_percent}% wait {delay}, {error_percent}% fail, {abort_percent}% break off");
        (*mode, what)
    }

    fn matches(&self, cx: &Context) -> bool {
        let principal = self.config.principal.as_deref();
        principal.is_none_or(|wanted| cx.principal().is_some_and(|own| own.as_str() == wanted))
            && self.config.criticality.is_none_or(|wanted| cx.criticality() == wanted)
    }
}

fn decide(config: &FaultInjectionConfig, draw: &mut Draw) -> Injection {
    let delay = (draw.unit() * 100.0 < config.delay_percent).then_some(config.delay);
    let drawn = draw.unit() * 100.0;
    let then = if drawn < config.error_percent {
        Then::Fail
    } else if drawn < config.error_percent + config.abort_percent {
        Then::Abort
    } else {
        Then::Call
    };
    Injection { delay, then }
}

#[cfg(test)]
mod tests {
    use mamparo_context::Principal;

    use super::*;

    #[test]
    fn shares_are_kept_and_a_seed_repeats_them() {
        let config = FaultInjectionConfig {
            delay_percent: 20.0,
            delay: Duration::from_secs(2),
            error_percent: 30.0,
            abort_percent: 10.0,
            ..FaultInjectionConfig::default()
        };
        let decisions = |seed| -> Vec<Injection> {
            let mut draw = Draw::new(seed);
            (0..10_000).map(|_| decide(&config, &mut draw)).collect()
        };
        let all = decisions(5);
        assert_eq!(all, decisions(5));
        let share = |is: fn(&Injection) -> bool| all.iter().filter(|one| is(one)).count() / 100;
        assert!((19..=21).contains(&share(|one| one.delay == Some(Duration::from_secs(2)))));
        assert!((29..=31).contains(&share(|one| one.then == Then::Fail)));
        assert!((9..=11).contains(&share(|one| one.then == Then::Abort)));
    }

    #[cfg(not(feature = "shuttle"))]
    #[test]
    fn only_what_matches_is_hit_and_shadow_hits_nobody() {
        let config = FaultInjectionConfig {
            error_percent: 100.0,
            principal: Some("ana".into()),
            criticality: Some(Criticality::Sheddable),
            ..FaultInjectionConfig::default()
        };
        let faults = FaultInjection::new(config.clone(), 1).unwrap();
        let ana = Context::root().with_principal(Principal::new("ana"));
        assert_eq!(faults.decide(&Context::root()).then, Then::Call);
        assert_eq!(faults.decide(&ana).then, Then::Call);
        let batch = ana.with_criticality(Criticality::Sheddable);
        assert_eq!((faults.decide(&batch).then, faults.injected()), (Then::Fail, 1));
        let shadow = FaultInjection::new(FaultInjectionConfig { mode: Mode::Shadow, ..config }, 1).unwrap();
        assert_eq!((shadow.decide(&batch).then, shadow.shadow_injected()), (Then::Call, 1));
    }

    #[test]
    fn a_release_build_wants_to_be_asked() {
        let config = FaultInjectionConfig::default();
        let field =
            |config: &FaultInjectionConfig, debug| config.check_in(debug).map_err(|error| error.field);
        assert_eq!(field(&config, true), Ok(()));
        assert_eq!(field(&config, false), Err("allow_in_release"));
        assert_eq!(field(&FaultInjectionConfig { allow_in_release: true, ..config.clone() }, false), Ok(()));
        let too_much = FaultInjectionConfig { error_percent: 60.0, abort_percent: 60.0, ..config };
        assert_eq!(field(&too_much, true), Err("abort_percent"));
    }
}
