//! What can be set on shedding and on its guards, and which values are wrong.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::duration_schema;
use crate::{InvalidConfig, Mode, Policy};

/// Load shedding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShedConfig {
    /// Whether it acts. Default: `enforce`.
    pub mode: Mode,
    /// The share of what would be shed that is let go all the same, in each class. Default: `0.01`.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub trickle: f64,
    /// Pressure below which what was shed comes back; overload begins at 1. Default: `0.8`.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub calm: f64,
    /// What calm gives back each time, as a share of what is accepted. Default: `0.05`.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub recover: f64,
    /// How often the signals are looked at. Default: `250ms`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub every: Duration,
    /// How long the same users are in the same cohorts. Default: `1h`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub reshuffle: Duration,
    /// After which time a shed call may come again, a half earlier or later. Default: `1s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub retry_after: Duration,
}

impl Default for ShedConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            trickle: 0.01,
            calm: 0.8,
            recover: 0.05,
            every: Duration::from_millis(250),
            reshuffle: Duration::from_secs(3_600),
            retry_after: Duration::from_secs(1),
        }
    }
}

fn check(holds: bool, field: &'static str, problem: &str) -> Result<(), InvalidConfig> {
    InvalidConfig::unless(holds, Policy::Shed, field, problem)
}

impl ShedConfig {
    /// Whether it can be done so.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        check((0.0..=0.5).contains(&self.trickle), "trickle", "must be 0.0 to 0.5")?;
        check((0.1..=0.99).contains(&self.calm), "calm", "must be 0.1 to 0.99")?;
        check((0.001..=1.0).contains(&self.recover), "recover", "must be 0.001 to 1.0")?;
        check(self.every >= Duration::from_millis(1), "every", "must be at least 1ms")?;
        check(self.reshuffle >= Duration::from_secs(1), "reshuffle", "must be at least 1s")?;
        check(!self.retry_after.is_zero(), "retry_after", "must be above 0")
    }
}

/// What of the machine is watched. A figure without a limit is not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// Overload above this share of the processors (of the control group, where it has a limit). Default: none.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub cpu: Option<f64>,
    /// Overload above this share of the memory (of the control group, where it has a limit). Default: none.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub memory: Option<f64>,
    /// Overload above this share of the time in which some task waits for a processor. Default: none.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub cpu_pressure: Option<f64>,
    /// The same for memory. Default: none.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub memory_pressure: Option<f64>,
    /// The same for disks. Default: none.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub io_pressure: Option<f64>,
    /// How often the figures are read. Default: `1s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub every: Duration,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            cpu: None,
            memory: None,
            cpu_pressure: None,
            memory_pressure: None,
            io_pressure: None,
            every: Duration::from_secs(1),
        }
    }
}

impl GuardConfig {
    /// Whether it can be watched so.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        for (limit, field) in [
            (self.cpu, "guard.cpu"),
            (self.memory, "guard.memory"),
            (self.cpu_pressure, "guard.cpu_pressure"),
            (self.memory_pressure, "guard.memory_pressure"),
            (self.io_pressure, "guard.io_pressure"),
        ] {
            let is_share = limit.is_none_or(|limit| (0.01..=1.0).contains(&limit));
            check(is_share, field, "must be 0.01 to 1.0")?;
        }
        check(self.every >= Duration::from_millis(10), "guard.every", "must be at least 10ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_work_are_named() {
        let good = ShedConfig::default();
        assert!(good.check().is_ok());
        for (config, field) in [
            (ShedConfig { trickle: 0.6, ..good }, "trickle"),
            (ShedConfig { trickle: f64::NAN, ..good }, "trickle"),
            (ShedConfig { calm: 1.0, ..good }, "calm"),
            (ShedConfig { recover: 0.0, ..good }, "recover"),
            (ShedConfig { every: Duration::ZERO, ..good }, "every"),
            (ShedConfig { reshuffle: Duration::ZERO, ..good }, "reshuffle"),
            (ShedConfig { retry_after: Duration::ZERO, ..good }, "retry_after"),
        ] {
            assert_eq!(config.check().unwrap_err().field, field);
        }
        let good = GuardConfig::default();
        assert!(good.check().is_ok());
        for (config, field) in [
            (GuardConfig { cpu: Some(1.1), ..good }, "guard.cpu"),
            (GuardConfig { memory: Some(0.0), ..good }, "guard.memory"),
            (GuardConfig { io_pressure: Some(f64::NAN), ..good }, "guard.io_pressure"),
            (GuardConfig { every: Duration::ZERO, ..good }, "guard.every"),
        ] {
            assert_eq!(config.check().unwrap_err().field, field);
        }
    }
}
