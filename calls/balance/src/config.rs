//! What a file says about balancing, and which values are wrong.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mamparo_context::duration::text;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::health::HealthConfig;
use crate::limits::SPAN_MAX;
use crate::outlier::OutlierConfig;

/// How the requests of one service are spread over its endpoints.
///
/// ```
/// use mamparo_balance::{Algorithm, BalanceConfig};
///
/// let config: BalanceConfig = serde_json::from_str(r#"{ "algorithm": "round-robin", "slow_start": "30s" }"#)?;
/// assert_eq!(config.algorithm, Algorithm::RoundRobin);
/// assert_eq!(config.outlier.consecutive_failures, Some(5));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceConfig {
    /// Which endpoint takes the next request. Default: `p2c`.
    pub algorithm: Algorithm,
    /// In which time the latency of an endpoint is forgotten to about a third, from 100ms to 1h. Default: `10s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub decay: Duration,
    /// What a failure counts as in the latency of an endpoint, if it did not take longer: what fails at once must not
    /// look fast. `0s` counts it as what it took. Default: `5s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub failure_penalty: Duration,
    /// In which time an endpoint that is new, or comes back, rises from a tenth of its weight to all of it. Consistent
    /// hashing has no slow start. Default: none, all of its weight at once.
    #[serde(with = "mamparo_context::duration::option")]
    #[schemars(schema_with = "optional_duration_schema")]
    pub slow_start: Option<Duration>,
    /// The zone of whoever sends: endpoints of the same zone are preferred. Default: none.
    pub zone: Option<Arc<str>>,
    /// The share of the endpoints of the own zone that must be available for all requests to stay in it, in percent;
    /// below it, a part of them goes to other zones. Default: `70`.
    pub zone_percent: f64,
    /// Below this share of available endpoints all are used, available or not, in percent: that so many have failed says
    /// less about them than about what they share, and the few that are left would be overrun. `0` never does so.
    /// Default: `50`.
    pub panic_percent: f64,
    /// When an endpoint is left out because of the answers that it gave.
    pub outlier: OutlierConfig,
    /// How endpoints are probed. Default: not at all.
    pub health: Option<HealthConfig>,
}

/// Which endpoint takes the next request. Each of them honours the weights of the endpoints.
///
/// ```
/// use mamparo_balance::Algorithm;
///
/// assert_eq!(Algorithm::default().as_str(), "p2c");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// One after the other.
    RoundRobin,
    /// Of two drawn at random, the one with fewer requests under way. For requests whose duration says nothing about the
    /// endpoint, such as streams.
    LeastRequest,
    /// Of two drawn at random, the one with the lower load: its latency, of which peaks count at once and fade with time,
    /// times the requests under way.
    #[default]
    P2c,
    /// Any.
    Random,
    /// By a key of the request, always the same as long as it is available (consistent hashing). A request without a key
    /// goes to any.
    Maglev,
}

impl Algorithm {
    /// The word for it in files and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::RoundRobin => "round-robin",
            Algorithm::LeastRequest => "least-request",
            Algorithm::P2c => "p2c",
            Algorithm::Random => "random",
            Algorithm::Maglev => "maglev",
        }
    }
}

/// A value that a balancer cannot work with.
///
/// ```
/// use mamparo_balance::BalanceConfig;
///
/// let wrong = BalanceConfig { panic_percent: 150.0, ..BalanceConfig::default() }.check().unwrap_err();
/// assert_eq!(wrong.to_string(), "balance: panic_percent: from 0 to 100");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("balance: {field}: {problem}")]
pub struct InvalidConfig {
    /// Which value.
    pub field: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl InvalidConfig {
    /// Fails with `problem` unless `holds`.
    pub(crate) fn unless(holds: bool, field: &'static str, problem: &str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { field, problem: problem.to_owned() }) }
    }
}

impl Default for BalanceConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            decay: Duration::from_secs(10),
            failure_penalty: Duration::from_secs(5),
            slow_start: None,
            zone: None,
            zone_percent: 70.0,
            panic_percent: 50.0,
            outlier: OutlierConfig::default(),
            health: None,
        }
    }
}

impl BalanceConfig {
    /// Whether a balancer can work with it.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = InvalidConfig::unless;
        let holds = (Duration::from_millis(100)..=SPAN_MAX).contains(&self.decay);
        unless(holds, "decay", "from 100ms to 1h")?;
        unless(self.failure_penalty <= SPAN_MAX, "failure_penalty", "at most 1h")?;
        let holds = self.slow_start.is_none_or(|span| !span.is_zero() && span <= SPAN_MAX);
        unless(holds, "slow_start", "longer than nothing, at most 1h")?;
        let holds = self.zone.as_deref().is_none_or(|zone| !zone.is_empty());
        unless(holds, "zone", "the name of a zone, or nothing at all")?;
        let holds = self.zone_percent > 0.0 && self.zone_percent <= 100.0;
        unless(holds, "zone_percent", "above 0, at most 100")?;
        unless((0.0..=100.0).contains(&self.panic_percent), "panic_percent", "from 0 to 100")?;
        self.outlier.check()?;
        self.health.as_ref().map_or(Ok(()), HealthConfig::check)
    }
}

impl fmt::Display for BalanceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.as_str())?;
        if let Some(span) = self.slow_start {
            write!(f, ", slow start {}", text(span))?;
        }
        if let Some(zone) = &self.zone {
            write!(f, ", zone {zone} from {}%", self.zone_percent)?;
        }
        write!(f, ", panic below {}%; {}", self.panic_percent, self.outlier)?;
        match &self.health {
            Some(health) => write!(f, "; {health}"),
            None => Ok(()),
        }
    }
}

/// A time span in a file, such as `250ms`.
pub(crate) fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "duration", "pattern": "^[0-9]+(us|ms|s|m|h|d)$" })
}

/// The same where nothing stands for none.
pub(crate) fn optional_duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "duration", "pattern": "^[0-9]+(us|ms|s|m|h|d)$" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, HttpCheck, StatusRange};

    #[test]
    fn what_cannot_work_names_its_field() {
        assert_eq!(BalanceConfig::default().check(), Ok(()));
        let change = |change: fn(&mut BalanceConfig)| {
            let mut config = BalanceConfig { health: Some(HealthConfig::default()), ..Default::default() };
            change(&mut config);
            config.check().map_err(|error| error.field)
        };
        assert_eq!(change(|_| {}), Ok(()));
        fn health(config: &mut BalanceConfig) -> &mut HealthConfig {
            config.health.get_or_insert_default()
        }
        fn http(config: &mut BalanceConfig, check: HttpCheck) {
            health(config).check = Check::Http(check);
        }
        for (field, wrong) in [
            ("decay", (|c| c.decay = Duration::ZERO) as fn(&mut BalanceConfig)),
            ("failure_penalty", |c| c.failure_penalty = Duration::MAX),
            ("slow_start", |c| c.slow_start = Some(Duration::ZERO)),
            ("zone", |c| c.zone = Some("".into())),
            ("zone_percent", |c| c.zone_percent = 0.0),
            ("panic_percent", |c| c.panic_percent = f64::NAN),
            ("outlier.consecutive_failures", |c| c.outlier.consecutive_failures = Some(0)),
            ("outlier.failure_percent", |c| c.outlier.failure_percent = Some(101.0)),
            ("outlier.window", |c| c.outlier.window = Duration::ZERO),
            ("outlier.minimum_calls", |c| c.outlier.minimum_calls = 0),
            ("outlier.base_time", |c| c.outlier.base_time = Duration::ZERO),
            ("outlier.max_time", |c| c.outlier.max_time = Duration::from_secs(1)),
            ("outlier.max_ejected_percent", |c| c.outlier.max_ejected_percent = -1.0),
            ("health.interval", |c| health(c).interval = Duration::ZERO),
            ("health.timeout", |c| health(c).timeout = Duration::from_secs(6)),
            ("health.healthy", |c| health(c).healthy = 0),
            ("health.unhealthy", |c| health(c).unhealthy = 101),
            ("health.jitter", |c| health(c).jitter = 1.5),
            ("health.check.http.path", |c| http(c, HttpCheck { path: "a".into(), ..Default::default() })),
            ("health.check.http.path", |c| http(c, HttpCheck { path: "/a b".into(), ..Default::default() })),
            ("health.check.http.status", |c| {
                http(c, HttpCheck { status: StatusRange { from: 300, to: 200 }, ..Default::default() })
            }),
            ("health.check.grpc.service", |c| health(c).check = Check::Grpc { service: "a\nb".into() }),
        ] {
            assert_eq!(change(wrong), Err(field));
        }
    }

    #[test]
    fn a_file_may_leave_out_everything_and_nothing_may_be_misspelt() {
        let read = |text: &str| serde_json::from_str::<BalanceConfig>(text);
        assert_eq!(read("{}").unwrap(), BalanceConfig::default());
        assert!(read(r#"{ "algoritm": "p2c" }"#).is_err());
        let whole = BalanceConfig {
            algorithm: Algorithm::Maglev,
            slow_start: Some(Duration::from_secs(30)),
            zone: Some("a".into()),
            health: Some(HealthConfig::default()),
            ..Default::default()
        };
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(read(&text).unwrap(), whole);
        let health =
            read(r#"{ "health": { "check": { "grpc": { "service": "orders" } } } }"#).unwrap().health;
        assert_eq!(health.unwrap().check, Check::Grpc { service: "orders".into() });
        for algorithm in ["round-robin", "least-request", "p2c", "random", "maglev"] {
            let read: Algorithm = serde_json::from_str(&format!("\"{algorithm}\"")).unwrap();
            assert_eq!(read.as_str(), algorithm);
        }
    }

    #[test]
    fn it_describes_itself_in_a_line() {
        let config = BalanceConfig { health: Some(HealthConfig::default()), ..Default::default() };
        assert_eq!(
            config.to_string(),
            "p2c, panic below 50%; ejects after 5 failures in a row or 85% failed in 10s (from 50), for 30s to 300s, \
             at most 50%; probes http / every 5s, healthy after 2, unhealthy after 3"
        );
    }
}
