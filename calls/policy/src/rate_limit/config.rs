//! What a file may say about a rate limit, and when it is wrong.

use std::fmt;
use std::time::Duration;

use mamparo_context::duration::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::core::Price;
use crate::limits::{LINE_MAX, PERIOD_MAX, RATE_BURST_SPAN_MAX, RATE_WAIT_MAX};
use crate::{InvalidConfig, Mode, Policy};

/// How many tokens there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Quota {
    /// Tokens in each period.
    #[schemars(range(min = 1))]
    pub rate: u32,
    /// The period.
    #[serde(default = "second", with = "mamparo_context::duration")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub per: Duration,
    /// Tokens that may be taken at once after a time of rest; left out, as many as the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
}

/// How calls that come too fast are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Tokens are saved up to a burst; who finds enough of them goes at once.
    #[default]
    TokenBucket,
    /// Calls leave at a fixed rate, one interval apart; those that come faster wait in the queue.
    LeakyBucket,
}

/// A rate limit of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Tokens in each period.
    #[schemars(range(min = 1))]
    pub rate: u32,
    /// The period.
    #[serde(default = "second", with = "mamparo_context::duration")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub per: Duration,
    /// Tokens that may be taken at once after a time of rest; left out, as many as the rate. A leaky bucket has
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
    /// Calls that may wait at the same time; 0 refuses at once.
    #[serde(default)]
    #[schemars(range(max = LINE_MAX))]
    pub queue: u32,
    /// Longest time that a call may wait; one that would wait longer is refused at once.
    #[serde(default, with = "mamparo_context::duration")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub wait: Duration,
    /// How calls that come too fast are treated.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Whether it acts.
    #[serde(default)]
    pub mode: Mode,
}

const fn second() -> Duration {
    Duration::from_secs(1)
}

impl Quota {
    /// `rate` tokens in each `per`, and as many at once.
    pub const fn new(rate: u32, per: Duration) -> Self {
        Self { rate, per, burst: None }
    }

    /// The same rate with another burst.
    #[must_use]
    pub const fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Tokens that may be taken at once.
    pub(crate) fn most(&self) -> u32 {
        self.burst.unwrap_or(self.rate)
    }

    /// # Errors
    /// What is wrong with it.
    pub(crate) fn price(&self) -> Result<Price, InvalidConfig> {
        let checked =
            |holds, field, problem: &str| InvalidConfig::unless(holds, Policy::RateLimit, field, problem);
        checked(self.rate >= 1, "rate", "must be 1 or more")?;
        checked(
            self.per >= Duration::from_micros(1) && self.per <= PERIOD_MAX,
            "per",
            "must be from 1us to 366d",
        )?;
        checked(
            self.per.as_nanos() >= u128::from(self.rate),
            "rate",
            "must be at most 1 for each nanosecond",
        )?;
        checked(self.most() >= 1, "burst", "must be 1 or more")?;
        let whole = self.per.as_nanos().saturating_mul(u128::from(self.most())) / u128::from(self.rate);
        checked(
            whole <= RATE_BURST_SPAN_MAX.as_nanos(),
            "burst",
            "must be refilled within 366 days at this rate",
        )?;
        Ok(Price::new(self.rate, self.per, self.most()))
    }
}

impl RateLimitConfig {
    /// A token bucket with `rate` tokens in each `per` and as many at once, in which nobody waits.
    pub const fn new(rate: u32, per: Duration) -> Self {
        Self {
            rate,
            per,
            burst: None,
            queue: 0,
            wait: Duration::ZERO,
            algorithm: Algorithm::TokenBucket,
            mode: Mode::Enforce,
        }
    }

    /// A leaky bucket: one call in each interval, `queue` more wait, each for `wait` at most.
    pub const fn leaky(rate: u32, per: Duration, queue: u32, wait: Duration) -> Self {
        Self { algorithm: Algorithm::LeakyBucket, ..Self::new(rate, per) }.waiting(queue, wait)
    }

    /// The same with `burst` tokens at once.
    #[must_use]
    pub const fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// The same where `queue` calls may wait, each for `wait` at most.
    #[must_use]
    pub const fn waiting(mut self, queue: u32, wait: Duration) -> Self {
        self.queue = queue;
        self.wait = wait;
        self
    }

    /// The same in another mode.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Whether it can work.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        self.price().map(|_| ())
    }

    /// Its quota.
    pub fn quota(&self) -> Quota {
        Quota { rate: self.rate, per: self.per, burst: self.burst }
    }

    /// # Errors
    /// What is wrong with it.
    pub(crate) fn price(&self) -> Result<Price, InvalidConfig> {
        let checked =
            |holds, field, problem: &str| InvalidConfig::unless(holds, Policy::RateLimit, field, problem);
        checked(self.queue <= LINE_MAX, "queue", "must be at most 100000")?;
        checked(self.wait <= RATE_WAIT_MAX, "wait", "must be at most 1h")?;
        checked(
            (self.queue == 0) == self.wait.is_zero(),
            "wait",
            "a queue needs a wait, and a wait needs a queue",
        )?;
        match self.algorithm {
            Algorithm::TokenBucket => self.quota().price(),
            Algorithm::LeakyBucket => {
                checked(self.burst.is_none(), "burst", "a leaky bucket has none: leave it out")?;
                self.quota().burst(1).price()?;
                Ok(Price::new(self.rate, self.per, 0))
            }
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in each {}, {} at once", self.rate, text(self.per), self.most())
    }
}

impl fmt::Display for RateLimitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.algorithm {
            Algorithm::TokenBucket => self.quota().fmt(f)?,
            Algorithm::LeakyBucket => write!(f, "{} in each {}, evenly", self.rate, text(self.per))?,
        }
        match self.queue {
            0 => Ok(()),
            queue => write!(f, ", {queue} wait up to {}", text(self.wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RateLimitConfig, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_little_and_typos_are_refused() {
        let short = read(r#"{"rate": 100}"#).unwrap();
        assert_eq!(short, RateLimitConfig::new(100, Duration::from_secs(1)));
        let long = r#"{"rate": 100, "per": "1m", "burst": 20, "queue": 5, "wait": "250ms",
            "algorithm": "token-bucket", "mode": "shadow"}"#;
        let all = RateLimitConfig::new(100, Duration::from_secs(60))
            .burst(20)
            .waiting(5, Duration::from_millis(250))
            .mode(Mode::Shadow);
        assert_eq!(read(long).unwrap(), all);
        assert_eq!(read(&serde_json::to_string(&all).unwrap()).unwrap(), all);
        assert!(read(r#"{"rate": 100, "bursts": 20}"#).unwrap_err().contains("unknown field"));
        assert!(read(r#"{"per": "1s"}"#).unwrap_err().contains("rate"));
        assert_eq!(short.to_string(), "100 in each 1s, 100 at once");
        assert_eq!(all.to_string(), "100 in each 60s, 20 at once, 5 wait up to 250ms");
        let schema = serde_json::to_value(schemars::schema_for!(RateLimitConfig)).unwrap();
        assert_eq!(schema["properties"]["per"]["format"], "duration");
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let (second, new) = (Duration::from_secs(1), RateLimitConfig::new);
        for (config, field) in [
            (new(0, second), "rate"),
            (new(1, Duration::ZERO), "per"),
            (new(1, Duration::from_secs(86_400 * 400)), "per"),
            (new(2_000, Duration::from_micros(1)), "rate"),
            (new(1, second).burst(0), "burst"),
            (new(1, Duration::from_secs(86_400)).burst(10_000), "burst"),
            (new(1, second).waiting(1 << 20, second), "queue"),
            (new(1, second).waiting(1, Duration::ZERO), "wait"),
            (new(1, second).waiting(0, second), "wait"),
            (new(1, second).waiting(1, Duration::from_secs(4_000)), "wait"),
            (RateLimitConfig::leaky(1, second, 1, second).burst(1), "burst"),
        ] {
            assert_eq!(config.price().unwrap_err().field, field, "{config:?}");
        }
        assert!(RateLimitConfig::leaky(1, second, 1, second).price().is_ok());
        assert!(new(u32::MAX, Duration::from_secs(60)).price().is_ok());
    }
}
