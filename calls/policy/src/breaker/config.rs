//! When a breaker opens, for how long, and how it closes again.

use std::fmt;
use std::time::Duration;

use mamparo_context::duration::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema};
use crate::limits::{BREAKER_WINDOW_CALLS_MAX, BREAKER_WINDOW_TIME_MAX};
use crate::{Mode, Policy};

/// When a breaker opens, for how long, and how it closes again. At least one of the three conditions that open it
/// must be there; each alone opens it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Whether it acts.
    pub mode: Mode,
    /// Which calls the rates are of.
    pub window: WindowConfig,
    /// Fewer calls in the window than this say nothing about a rate.
    pub minimum_calls: u32,
    /// Opens when this share of the calls in the window failed, in percent.
    pub failure_percent: Option<f64>,
    /// Opens when too many calls in the window were slow.
    pub slow_calls: Option<SlowCallConfig>,
    /// Opens when this many calls failed one after the other, however few there are in the window.
    pub consecutive_failures: Option<u32>,
    /// How long it stays open.
    pub open: OpenConfig,
    /// How it finds out that the dependency works again.
    pub half_open: HalfOpenConfig,
}

/// Which calls the rates are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowConfig {
    /// The last so many calls.
    Calls(u32),
    /// The calls of the last so much time. It slides in steps of a thirty-second part.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    Time(Duration),
}

/// When too many calls are slow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowCallConfig {
    /// A call that takes longer than this is slow.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub above: Duration,
    /// Opens when this share of the calls in the window was slow, in percent.
    pub percent: f64,
}

/// How long a breaker stays open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpenConfig {
    /// The first time.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub initial: Duration,
    /// The longest time. What a dependency asks for by `Retry-After` may be longer, up to five minutes.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub max: Duration,
    /// How much longer each time that a probe fails.
    pub factor: f64,
    /// The share of the time that is drawn at random, from 0 to 1: breakers of many processes must not probe
    /// together.
    pub jitter: f64,
}

/// How a breaker finds out that the dependency works again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HalfOpenConfig {
    /// Calls that are let through at the same time to begin with.
    pub probes: u32,
    /// A probe that has not come back within this time counts as failed.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub wait: Duration,
    /// Each good answer doubles how many may be under way, up to this many; after this many good answers in a row
    /// the breaker is closed. 1 closes it with the first good answer.
    pub ramp_to: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            window: WindowConfig::Calls(100),
            minimum_calls: 20,
            failure_percent: Some(50.0),
            slow_calls: None,
            consecutive_failures: None,
            open: OpenConfig::default(),
            half_open: HalfOpenConfig::default(),
        }
    }
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), max: Duration::from_secs(10), factor: 2.0, jitter: 0.2 }
    }
}

impl Default for HalfOpenConfig {
    fn default() -> Self {
        Self { probes: 1, wait: Duration::from_secs(10), ramp_to: 4 }
    }
}

impl BreakerConfig {
    /// Whether a breaker can work with it.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = |holds, field, problem| InvalidConfig::unless(holds, Policy::Breaker, field, problem);
        let is_percent = |percent: f64| percent > 0.0 && percent <= 100.0;
        match self.window {
            WindowConfig::Calls(calls) => {
                let holds = (1..=BREAKER_WINDOW_CALLS_MAX).contains(&calls);
                unless(holds, "window.calls", "from 1 to 10000 calls")?;
                unless(self.minimum_calls <= calls, "minimum_calls", "at most as many as are in the window")?;
            }
            WindowConfig::Time(time) => {
                let least = Duration::from_millis(32);
                let holds = time >= least && time <= BREAKER_WINDOW_TIME_MAX;
                unless(holds, "window.time", "from 32ms to 1h")?;
            }
        }
        unless(self.minimum_calls >= 1, "minimum_calls", "at least 1")?;
        unless(self.failure_percent.is_none_or(is_percent), "failure_percent", "above 0, at most 100")?;
        if let Some(slow) = self.slow_calls {
            unless(is_percent(slow.percent), "slow_calls.percent", "above 0, at most 100")?;
            unless(!slow.above.is_zero(), "slow_calls.above", "longer than nothing")?;
        }
        unless(self.consecutive_failures != Some(0), "consecutive_failures", "at least 1")?;
        let opens = self.failure_percent.is_some()
            || self.slow_calls.is_some()
            || self.consecutive_failures.is_some();
        let how = "nothing opens it: set this, slow_calls or consecutive_failures";
        unless(opens, "failure_percent", how)?;
        let OpenConfig { initial, max, factor, jitter } = self.open;
        unless(!initial.is_zero(), "open.initial", "longer than nothing")?;
        unless(max >= initial, "open.max", "at least as long as open.initial")?;
        unless((1.0..=100.0).contains(&factor), "open.factor", "from 1 to 100")?;
        unless((0.0..=1.0).contains(&jitter), "open.jitter", "from 0 to 1")?;
        let HalfOpenConfig { probes, wait, ramp_to } = self.half_open;
        unless((1..=1_000).contains(&probes), "half_open.probes", "from 1 to 1000")?;
        unless(!wait.is_zero(), "half_open.wait", "longer than nothing")?;
        unless((1..=1_000).contains(&ramp_to), "half_open.ramp_to", "from 1 to 1000")
    }
}

impl fmt::Display for BreakerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut opens = Vec::new();
        if let Some(percent) = self.failure_percent {
            opens.push(format!("{percent}% failed"));
        }
        if let Some(slow) = self.slow_calls {
            opens.push(format!("{}% over {}", slow.percent, text(slow.above)));
        }
        let window = match self.window {
            WindowConfig::Calls(calls) => format!("the last {calls} calls"),
            WindowConfig::Time(time) => format!("the last {}", text(time)),
        };
        if !opens.is_empty() {
            write!(f, "opens when {} of {window} (from {})", opens.join(" or "), self.minimum_calls)?;
        }
        if let Some(failures) = self.consecutive_failures {
            let or = if opens.is_empty() { "opens" } else { " or" };
            write!(f, "{or} after {failures} failures in a row")?;
        }
        let (open, half) = (self.open, self.half_open);
        write!(
            f,
            ", for {} to {}; {} probe(s), ramp to {}",
            text(open.initial),
            text(open.max),
            half.probes,
            half.ramp_to
        )
    }
}

#[cfg(test)]
mod config_tests {
    use super::*;

    #[test]
    fn what_cannot_work_names_its_field() {
        assert_eq!(BreakerConfig::default().check(), Ok(()));
        let change = |change: fn(&mut BreakerConfig)| {
            let mut config = BreakerConfig::default();
            change(&mut config);
            config.check().map_err(|error| error.field)
        };
        for (field, wrong) in [
            ("window.calls", (|c| c.window = WindowConfig::Calls(0)) as fn(&mut BreakerConfig)),
            ("window.time", |c| c.window = WindowConfig::Time(Duration::ZERO)),
            ("minimum_calls", |c| c.minimum_calls = 101),
            ("minimum_calls", |c| c.minimum_calls = 0),
            ("failure_percent", |c| c.failure_percent = Some(f64::NAN)),
            ("failure_percent", |c| c.failure_percent = None),
            ("consecutive_failures", |c| c.consecutive_failures = Some(0)),
            ("open.max", |c| c.open.max = Duration::ZERO),
            ("open.factor", |c| c.open.factor = f64::INFINITY),
            ("open.jitter", |c| c.open.jitter = 1.5),
            ("half_open.probes", |c| c.half_open.probes = 0),
        ] {
            assert_eq!(change(wrong), Err(field));
        }
    }
}
