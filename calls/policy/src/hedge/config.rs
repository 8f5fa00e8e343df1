//! After how long a second attempt is made, and out of which budget.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema};
use crate::limits::HEDGES_MAX;
use crate::retry::{BudgetConfig, Repeat};
use crate::{Mode, Policy};

/// After how long a second attempt is made, and out of which budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HedgeConfig {
    /// Whether it acts. In the mode `shadow` no second attempt is made, and what would have been is counted.
    pub mode: Mode,
    /// A second attempt is made when the first takes longer than this share of calls took lately, in percent.
    pub percentile: f64,
    /// The delay while fewer than a hundred calls are known.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub initial: Duration,
    /// The delay is never shorter.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub minimum: Duration,
    /// The delay is never longer.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub maximum: Duration,
    /// Attempts beside the first.
    pub extra: u32,
    /// What may be made twice. The default is what has an idempotency key.
    pub repeat: Repeat,
    /// What all calls of the target may spend on it.
    pub budget: BudgetConfig,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            percentile: 95.0,
            initial: Duration::from_millis(100),
            minimum: Duration::from_millis(1),
            maximum: Duration::from_secs(2),
            extra: 1,
            repeat: Repeat::default(),
            budget: BudgetConfig::default(),
        }
    }
}

impl HedgeConfig {
    /// Whether it can be kept.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = |holds, field, problem| InvalidConfig::unless(holds, Policy::Hedge, field, problem);
        unless((50.0..=99.99).contains(&self.percentile), "percentile", "from 50 to 99.99")?;
        unless(self.minimum <= self.maximum, "minimum", "not longer than maximum")?;
        unless((1..=HEDGES_MAX).contains(&self.extra), "extra", "from 1 to 3")?;
        unless(self.repeat != Repeat::Unsent, "repeat", "keyed or idempotent: a hedge is made twice")?;
        self.budget.check(Policy::Hedge)
    }
}
