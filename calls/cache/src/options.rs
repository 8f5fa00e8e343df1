//! What a cache is told when it is built: how much it holds, how long an entry lives, and what a reader gets when the
//! source is slow or away. A file can say the same.

use std::time::Duration;

use mamparo_context::duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::entry::Rules;
use crate::limits::{CAPACITY_MAX, DURATION_MAX};

/// What becomes of a load when the last caller who waits for it has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Abandoned {
    /// It goes on until its hard timeout, and what it finds is stored.
    #[default]
    Finish,
    /// It is dropped: it lives as long as the latest deadline of those who wait, or until its hard timeout.
    Cancel,
}

/// What a cache is told when it is built. All times are written like `250ms` or `5m` in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct CacheOptions {
    /// How much it holds: entries, or units of weight where entries have one.
    pub capacity: u64,
    /// How long an entry is fresh; without it, until it is evicted or invalidated.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema_of_duration")]
    pub time_to_live: Option<Duration>,
    /// Which share of that time, `0.0` to `1.0`, is taken away at random at the most, so that entries that were
    /// written together do not end together.
    pub jitter: f64,
    /// How long an entry lives that nobody reads.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema_of_duration")]
    pub time_to_idle: Option<Duration>,
    /// How long after it was fresh an entry is served at once while a new one is loaded.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub stale_while_revalidate: Duration,
    /// How long after it was fresh an entry is served when a load fails, or takes longer than the soft timeout.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub stale_if_error: Duration,
    /// How long after a load that failed the old entry is served without another load.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub error_pause: Duration,
    /// How long it is known that something is not there; without it, absences are not kept.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema_of_duration")]
    pub negative: Option<Duration>,
    /// How eagerly entries are refreshed before their end, by the measured cost of their load: `0.0` never, `1.0` as
    /// the cost suggests, more is earlier.
    pub early_refresh: f64,
    /// How long a caller waits for a load where there is an old entry to serve.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema_of_duration")]
    pub soft_timeout: Option<Duration>,
    /// How long a load may take, whoever waits for it.
    #[serde(with = "duration")]
    #[schemars(schema_with = "schema_of_duration")]
    pub hard_timeout: Duration,
    /// What becomes of a load that nobody waits for any more.
    pub when_abandoned: Abandoned,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            time_to_live: None,
            jitter: 0.0,
            time_to_idle: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            error_pause: Duration::from_secs(1),
            negative: None,
            early_refresh: 0.0,
            soft_timeout: None,
            hard_timeout: Duration::from_secs(30),
            when_abandoned: Abandoned::default(),
        }
    }
}

/// A value that a cache cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cache: {field}: {problem}")]
pub struct InvalidOptions {
    /// Which value.
    pub field: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl InvalidOptions {
    /// Fails with `problem` unless `holds`.
    pub(crate) fn unless(holds: bool, field: &'static str, problem: &str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { field, problem: problem.to_owned() }) }
    }
}

impl CacheOptions {
    /// Whether a cache can work with them.
    ///
    /// # Errors
    /// The first value that it cannot work with.
    pub fn validate(&self) -> Result<(), InvalidOptions> {
        let check = InvalidOptions::unless;
        check((1..=CAPACITY_MAX).contains(&self.capacity), "capacity", "must be 1 to 2^40")?;
        check((0.0..=1.0).contains(&self.jitter), "jitter", "must be 0.0 to 1.0")?;
        check((0.0..=100.0).contains(&self.early_refresh), "early-refresh", "must be 0.0 to 100.0")?;
        check(!self.hard_timeout.is_zero(), "hard-timeout", "must be longer than 0")?;
        for (field, value) in self.times() {
            check(value.is_none_or(|value| value <= DURATION_MAX), field, "must be a year at the most")?;
        }
        for (field, value) in [
            ("time-to-live", self.time_to_live),
            ("time-to-idle", self.time_to_idle),
            ("negative", self.negative),
            ("soft-timeout", self.soft_timeout),
        ] {
            check(value.is_none_or(|value| !value.is_zero()), field, "must be longer than 0, or absent")?;
        }
        let soft = self.soft_timeout.unwrap_or_default();
        check(soft <= self.hard_timeout, "soft-timeout", "must not be longer than hard-timeout")
    }

    fn times(&self) -> [(&'static str, Option<Duration>); 8] {
        [
            ("time-to-live", self.time_to_live),
            ("time-to-idle", self.time_to_idle),
            ("stale-while-revalidate", Some(self.stale_while_revalidate)),
            ("stale-if-error", Some(self.stale_if_error)),
            ("error-pause", Some(self.error_pause)),
            ("negative", self.negative),
            ("soft-timeout", self.soft_timeout),
            ("hard-timeout", Some(self.hard_timeout)),
        ]
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            time_to_live: self.time_to_live,
            jitter: self.jitter,
            negative: self.negative,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            error_pause: self.error_pause,
            early_refresh: self.early_refresh,
        }
    }
}

/// What one entry is told that differs from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryOptions {
    /// How long it is fresh, instead of what the cache says; without jitter. An entry of no time is not kept.
    pub time_to_live: Option<Duration>,
    /// What it weighs, at least 1, instead of what the weigher of the cache says.
    pub weight: Option<u32>,
    /// Names under which it is invalidated together with others.
    pub tags: Vec<std::sync::Arc<str>>,
}

impl EntryOptions {
    /// An entry like all others.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fresh for `life`.
    #[must_use]
    pub fn time_to_live(mut self, life: Duration) -> Self {
        self.time_to_live = Some(life);
        self
    }

    /// As heavy as `weight`.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = Some(weight);
        self
    }

    /// Under the name `tag`, too.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.into());
        self
    }
}

pub(crate) fn schema_of_duration(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "null"], "format": "duration", "pattern": "^[0-9]+(us|ms|s|m|h|d)$" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_the_same() {
        let text =
            r#"{"capacity": 5, "time-to-live": "5m", "stale-if-error": "1h", "when-abandoned": "cancel"}"#;
        let options: CacheOptions = serde_json::from_str(text).unwrap();
        assert_eq!(options.time_to_live, Some(Duration::from_secs(300)));
        assert_eq!(options.stale_if_error, Duration::from_secs(3600));
        assert_eq!(options.when_abandoned, Abandoned::Cancel);
        assert_eq!(options.validate(), Ok(()));
        let again = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<CacheOptions>(&again).unwrap(), options);
        assert!(serde_json::from_str::<CacheOptions>(r#"{"ttl": "5m"}"#).is_err());
        let schema = serde_json::to_value(schemars::schema_for!(CacheOptions)).unwrap();
        assert_eq!(schema["properties"]["hard-timeout"]["format"], "duration");
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let second = Duration::from_secs(1);
        for (field, options) in [
            ("capacity", CacheOptions { capacity: 0, ..Default::default() }),
            ("jitter", CacheOptions { jitter: 1.5, ..Default::default() }),
            ("jitter", CacheOptions { jitter: f64::NAN, ..Default::default() }),
            ("early-refresh", CacheOptions { early_refresh: -1.0, ..Default::default() }),
            ("hard-timeout", CacheOptions { hard_timeout: Duration::ZERO, ..Default::default() }),
            ("time-to-live", CacheOptions { time_to_live: Some(Duration::ZERO), ..Default::default() }),
            ("time-to-live", CacheOptions { time_to_live: Some(Duration::MAX), ..Default::default() }),
            (
                "soft-timeout",
                CacheOptions { soft_timeout: Some(2 * second), hard_timeout: second, ..Default::default() },
            ),
        ] {
            assert_eq!(options.validate().unwrap_err().field, field);
        }
    }
}
