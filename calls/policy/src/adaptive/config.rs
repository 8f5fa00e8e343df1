//! What can be set on an adaptive limit, and which values are wrong.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::duration_schema;
use crate::limits::CONCURRENCY_MAX;
use crate::shed::LineConfig;
use crate::{InvalidConfig, Mode, Policy};

/// An adaptive limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveConfig {
    /// Whether it acts. Default: `enforce`.
    pub mode: Mode,
    /// How it learns. Default: `vegas`.
    pub algorithm: AlgorithmConfig,
    /// The limit before anything was learned. Default: `20`.
    pub initial: u32,
    /// Never fewer calls at the same time than this. Default: `4`.
    pub min: u32,
    /// Never more. Default: `1000`.
    pub max: u32,
    /// How long calls are gathered before the limit moves. Default: `100ms`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub window: Duration,
    /// How many calls a window needs; a window without them goes on, ten times its length at most. Default: `10`.
    pub min_samples: u32,
    /// How often the time of a call is measured while nothing stands in line, a quarter earlier or later. For that
    /// the limit is halved for a moment, or less for an algorithm that tolerates a line. Default: `30s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub probe_every: Duration,
    /// After which time a refused call may come again, a half earlier or later. Default: `1s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub retry_after: Duration,
    /// The line for calls above the limit. Without it they are refused at once. Default: none.
    pub line: Option<LineConfig>,
}

/// How a limit is learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlgorithmConfig {
    /// Keeps the line short; the most careful one with latency.
    Vegas(VegasConfig),
    /// Follows the ratio of latencies; gives more room to latencies that vary.
    Gradient2(Gradient2Config),
    /// Goes by failures; for dependencies that answer evenly fast until they fail.
    Aimd(AimdConfig),
}

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self::Vegas(VegasConfig::default())
    }
}

/// Values of `vegas`. The unit of `alpha` and `beta` is the decimal logarithm of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VegasConfig {
    /// With fewer calls in line the limit grows. Default: `3`.
    pub alpha: f64,
    /// With more calls in line it shrinks. Default: `6`.
    pub beta: f64,
    /// The share of each step that is taken. Default: `1`.
    pub smoothing: f64,
}

impl Default for VegasConfig {
    fn default() -> Self {
        Self { alpha: 3.0, beta: 6.0, smoothing: 1.0 }
    }
}

/// Values of `gradient2`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gradient2Config {
    /// How much longer than usual a call may take before the limit shrinks. Default: `1.5`.
    pub tolerance: f64,
    /// Calls that may stand in line. Default: `4`.
    pub queue: f64,
    /// The share of each step that is taken. Default: `0.2`.
    pub smoothing: f64,
    /// Windows in the average that says what is usual. Default: `600`.
    pub long_window: u32,
}

impl Default for Gradient2Config {
    fn default() -> Self {
        Self { tolerance: 1.5, queue: 4.0, smoothing: 0.2, long_window: 600 }
    }
}

/// Values of `aimd`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AimdConfig {
    /// What is left of the limit after a window with a dropped call. Default: `0.9`.
    pub backoff: f64,
    /// What is added after a window that went well. Default: `1`.
    pub increase: f64,
    /// A window whose calls took longer than this on average counts as one with a dropped call. Default: `5s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub slow: Duration,
}

impl Default for AimdConfig {
    fn default() -> Self {
        Self { backoff: 0.9, increase: 1.0, slow: Duration::from_secs(5) }
    }
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            algorithm: AlgorithmConfig::default(),
            initial: 20,
            min: 4,
            max: 1_000,
            window: Duration::from_millis(100),
            min_samples: 10,
            probe_every: Duration::from_secs(30),
            retry_after: Duration::from_secs(1),
            line: None,
        }
    }
}

fn check(holds: bool, field: &'static str, problem: &str) -> Result<(), InvalidConfig> {
    InvalidConfig::unless(holds, Policy::Adaptive, field, problem)
}

impl AdaptiveConfig {
    /// Whether a limit can be learned so.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        check(self.min >= 1, "min", "must be at least 1")?;
        check(self.max >= self.min, "max", "must not be below min")?;
        check(self.max <= CONCURRENCY_MAX, "max", "must be at most 1000000")?;
        check((self.min..=self.max).contains(&self.initial), "initial", "must lie between min and max")?;
        check(!self.window.is_zero(), "window", "must be above 0")?;
        check((1..=100_000).contains(&self.min_samples), "min_samples", "must be 1 to 100000")?;
        check(
            self.probe_every >= self.window.saturating_mul(10),
            "probe_every",
            "must be at least ten windows, or measuring is all that happens",
        )?;
        check(!self.retry_after.is_zero(), "retry_after", "must be above 0")?;
        self.algorithm.check()?;
        self.line.map_or(Ok(()), |line| line.check(Policy::Adaptive))
    }
}

impl AlgorithmConfig {
    /// Its name, as it stands in files.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Vegas(_) => "vegas",
            Self::Gradient2(_) => "gradient2",
            Self::Aimd(_) => "aimd",
        }
    }

    fn check(&self) -> Result<(), InvalidConfig> {
        let share = |value: f64| value > 0.0 && value <= 1.0;
        match self {
            Self::Vegas(vegas) => {
                check(vegas.alpha > 0.0, "vegas.alpha", "must be above 0")?;
                check(
                    vegas.beta > vegas.alpha && vegas.beta.is_finite(),
                    "vegas.beta",
                    "must be above alpha",
                )?;
                check(share(vegas.smoothing), "vegas.smoothing", "must be above 0, and at most 1")
            }
            Self::Gradient2(gradient) => {
                check(
                    (1.0..=10.0).contains(&gradient.tolerance),
                    "gradient2.tolerance",
                    "must be 1.0 to 10.0",
                )?;
                check((0.0..=1_000.0).contains(&gradient.queue), "gradient2.queue", "must be 0 to 1000")?;
                check(share(gradient.smoothing), "gradient2.smoothing", "must be above 0, and at most 1")?;
                check(gradient.long_window >= 10, "gradient2.long_window", "must be at least 10")
            }
            Self::Aimd(aimd) => {
                let backoff = (0.1..1.0).contains(&aimd.backoff);
                check(backoff, "aimd.backoff", "must be at least 0.1, and below 1")?;
                let increase = aimd.increase > 0.0 && aimd.increase.is_finite();
                check(increase, "aimd.increase", "must be above 0")?;
                check(!aimd.slow.is_zero(), "aimd.slow", "must be above 0")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_work_are_named() {
        let good = AdaptiveConfig::default();
        assert!(good.check().is_ok());
        let vegas = |vegas| AdaptiveConfig { algorithm: AlgorithmConfig::Vegas(vegas), ..good };
        let gradient = |gradient| AdaptiveConfig { algorithm: AlgorithmConfig::Gradient2(gradient), ..good };
        let aimd = |aimd| AdaptiveConfig { algorithm: AlgorithmConfig::Aimd(aimd), ..good };
        let line = LineConfig { capacity: 0, ..LineConfig::default() };
        for (config, field) in [
            (AdaptiveConfig { min: 0, ..good }, "min"),
            (AdaptiveConfig { max: 3, ..good }, "max"),
            (AdaptiveConfig { max: CONCURRENCY_MAX + 1, ..good }, "max"),
            (AdaptiveConfig { initial: 3, ..good }, "initial"),
            (AdaptiveConfig { window: Duration::ZERO, ..good }, "window"),
            (AdaptiveConfig { min_samples: 0, ..good }, "min_samples"),
            (AdaptiveConfig { probe_every: Duration::from_millis(999), ..good }, "probe_every"),
            (AdaptiveConfig { retry_after: Duration::ZERO, ..good }, "retry_after"),
            (AdaptiveConfig { line: Some(line), ..good }, "line.capacity"),
            (vegas(VegasConfig { alpha: f64::NAN, ..VegasConfig::default() }), "vegas.alpha"),
            (vegas(VegasConfig { beta: 3.0, ..VegasConfig::default() }), "vegas.beta"),
            (vegas(VegasConfig { smoothing: 1.1, ..VegasConfig::default() }), "vegas.smoothing"),
            (
                gradient(Gradient2Config { tolerance: 0.9, ..Gradient2Config::default() }),
                "gradient2.tolerance",
            ),
            (
                gradient(Gradient2Config { long_window: 1, ..Gradient2Config::default() }),
                "gradient2.long_window",
            ),
            (aimd(AimdConfig { backoff: 1.0, ..AimdConfig::default() }), "aimd.backoff"),
            (aimd(AimdConfig { increase: 0.0, ..AimdConfig::default() }), "aimd.increase"),
            (aimd(AimdConfig { slow: Duration::ZERO, ..AimdConfig::default() }), "aimd.slow"),
        ] {
            assert_eq!(config.check().unwrap_err().field, field);
        }
    }
}
