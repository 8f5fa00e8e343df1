//! What is asked again, how often, after which pauses, and out of which budget.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema};
use crate::limits::{ATTEMPTS_MAX, RETRY_AFTER_MAX};
use crate::{Mode, Policy};

/// What is asked again, how often, after which pauses, and out of which budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Whether it acts. In the mode `shadow` nothing is asked again, and what would have been is counted.
    pub mode: Mode,
    /// Attempts of one call, the first included.
    pub attempts: u32,
    /// What may be asked again.
    pub repeat: Repeat,
    /// The pauses after a failure.
    pub backoff: BackoffConfig,
    /// The first pause after an answer that asked for less; pauses grow from there.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub busy_pause: Duration,
    /// The longest `Retry-After` that is waited for; a call that is asked to wait longer fails.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub retry_after_max: Duration,
    /// What all calls of the target may spend on asking again.
    pub budget: BudgetConfig,
}

/// What may be asked again. What was certainly never sent always may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// Only what was certainly never sent, or certainly had no effect.
    Unsent,
    /// Also what may have had an effect, if the call has an idempotency key.
    #[default]
    Keyed,
    /// Everything: all calls of this target may be repeated, such as reads.
    Idempotent,
}

/// How pauses grow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackoffConfig {
    /// The first pause, before jitter.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub base: Duration,
    /// The longest pause.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub max: Duration,
    /// How they are spread.
    pub jitter: Jitter,
}

/// How pauses are spread, so that those who failed together do not ask again together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Anything between nothing and the pause, which doubles.
    #[default]
    Full,
    /// Anything between the base and three times the pause before.
    Decorrelated,
    /// Exactly the pause, which doubles. For one caller alone.
    None,
}

/// What all calls of a target may spend on asking again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Tokens that it holds at most, and to begin with.
    pub tokens: u32,
    /// Tokens that asking again costs after a failure. A call that then succeeds brings back those of its last repeat.
    pub failure_cost: u32,
    /// Tokens that asking again costs after an answer that asked for less.
    pub busy_cost: u32,
    /// Tokens that a call brings that succeeds at once.
    pub success_gain: u32,
    /// Times a second that may be asked again also with an empty budget, so that a target with few calls can be
    /// retried at all.
    pub floor_per_second: f64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            attempts: 3,
            repeat: Repeat::default(),
            backoff: BackoffConfig::default(),
            busy_pause: Duration::from_secs(1),
            retry_after_max: Duration::from_secs(5),
            budget: BudgetConfig::default(),
        }
    }
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self { base: Duration::from_millis(50), max: Duration::from_secs(20), jitter: Jitter::Full }
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { tokens: 500, failure_cost: 14, busy_cost: 5, success_gain: 1, floor_per_second: 0.1 }
    }
}

impl RetryConfig {
    /// Whether it can be kept.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = |holds, field, problem| InvalidConfig::unless(holds, Policy::Retry, field, problem);
        unless((1..=ATTEMPTS_MAX).contains(&self.attempts), "attempts", "from 1 to 10, the first included")?;
        unless(!self.backoff.base.is_zero(), "backoff.base", "longer than nothing")?;
        unless(self.backoff.max >= self.backoff.base, "backoff.max", "at least as long as backoff.base")?;
        unless(self.retry_after_max <= RETRY_AFTER_MAX, "retry_after_max", "at most 5m")?;
        self.budget.check(Policy::Retry)
    }
}

impl BudgetConfig {
    /// Whether a budget of `policy` can be kept by it.
    pub(crate) fn check(&self, policy: Policy) -> Result<(), InvalidConfig> {
        let unless = |holds, field, problem| InvalidConfig::unless(holds, policy, field, problem);
        unless(self.failure_cost >= 1, "budget.failure_cost", "at least 1")?;
        unless(self.busy_cost >= 1, "budget.busy_cost", "at least 1")?;
        unless(self.tokens <= 1_000_000, "budget.tokens", "at most 1000000")?;
        let floor = (0.0..=1_000.0).contains(&self.floor_per_second);
        unless(floor, "budget.floor_per_second", "from 0 to 1000")
    }
}
