//! When an endpoint is left out because of its answers, and for how long.

use std::fmt;
use std::time::Duration;

use mamparo_context::duration::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema};
use crate::limits::SPAN_MAX;

/// When an endpoint is left out because of its answers, and for how long. Without either of the two conditions none ever
/// is. The words and most of the values are those of Envoy's
/// [outlier detection](https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier).
///
/// ```
/// use mamparo_balance::outlier::OutlierConfig;
///
/// let read: OutlierConfig = serde_json::from_str(r#"{ "consecutive_failures": 3, "failure_percent": null }"#)?;
/// assert_eq!(read.to_string(), "ejects after 3 failures in a row, for 30s to 300s, at most 50%");
/// assert_eq!(OutlierConfig::never().to_string(), "ejects nothing");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierConfig {
    /// Ejects after this many failures one after the other. Default: `5`.
    pub consecutive_failures: Option<u32>,
    /// Ejects when this share of the requests in the window failed, in percent. Default: `85`.
    pub failure_percent: Option<f64>,
    /// Of which time the share is, from 1s to 1h. It slides in steps of an eighth. Default: `10s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub window: Duration,
    /// Fewer requests in the window than this say nothing about a share. Default: `50`.
    pub minimum_calls: u32,
    /// How long the first ejection lasts. The second lasts twice as long, the third three times; each such time without an
    /// ejection takes one back. Default: `30s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub base_time: Duration,
    /// How long an ejection lasts at most. Default: `5m`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub max_time: Duration,
    /// The share of the endpoints that may be ejected at the same time, in percent; one may always be, and the last one
    /// that is available never is. Default: `50`.
    pub max_ejected_percent: f64,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            failure_percent: Some(85.0),
            window: Duration::from_secs(10),
            minimum_calls: 50,
            base_time: Duration::from_secs(30),
            max_time: Duration::from_secs(300),
            max_ejected_percent: 50.0,
        }
    }
}

impl OutlierConfig {
    /// One that never ejects.
    pub fn never() -> Self {
        Self { consecutive_failures: None, failure_percent: None, ..Self::default() }
    }

    /// Whether a balancer can work with it.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = InvalidConfig::unless;
        unless(self.consecutive_failures != Some(0), "outlier.consecutive_failures", "at least 1")?;
        let holds = self.failure_percent.is_none_or(|percent| percent > 0.0 && percent <= 100.0);
        unless(holds, "outlier.failure_percent", "above 0, at most 100")?;
        let holds = (Duration::from_secs(1)..=SPAN_MAX).contains(&self.window);
        unless(holds, "outlier.window", "from 1s to 1h")?;
        unless(self.minimum_calls >= 1, "outlier.minimum_calls", "at least 1")?;
        unless(!self.base_time.is_zero(), "outlier.base_time", "longer than nothing")?;
        let holds = self.max_time >= self.base_time && self.max_time <= SPAN_MAX;
        unless(holds, "outlier.max_time", "at least as long as base_time, at most 1h")?;
        let holds = (0.0..=100.0).contains(&self.max_ejected_percent);
        unless(holds, "outlier.max_ejected_percent", "from 0 to 100")
    }
}

impl fmt::Display for OutlierConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut when = Vec::new();
        if let Some(failures) = self.consecutive_failures {
            when.push(format!("{failures} failures in a row"));
        }
        if let Some(percent) = self.failure_percent {
            when.push(format!("{percent}% failed in {} (from {})", text(self.window), self.minimum_calls));
        }
        if when.is_empty() {
            return f.write_str("ejects nothing");
        }
        write!(
            f,
            "ejects after {}, for {} to {}, at most {}%",
            when.join(" or "),
            text(self.base_time),
            text(self.max_time),
            self.max_ejected_percent
        )
    }
}
