//! How endpoints are probed, and how many answers change what is thought of one.

use std::fmt;
use std::time::Duration;

use mamparo_context::duration::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema};
use crate::limits::{CHECK_TEXT_BYTES_MAX, CHECK_THRESHOLD_MAX, SPAN_MAX};

/// How endpoints are probed, and how many answers change what is thought of one.
///
/// ```
/// use mamparo_balance::health::HealthConfig;
///
/// let text = r#"{ "check": { "http": { "path": "/healthz" } }, "interval": "2s" }"#;
/// let read: HealthConfig = serde_json::from_str(text)?;
/// assert_eq!(read.to_string(), "probes http /healthz every 2s, healthy after 2, unhealthy after 3");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// What is asked. Default: `http`, for the path `/`.
    pub check: Check,
    /// How long from one probe of an endpoint to the next, from 10ms to 1h. Default: `5s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub interval: Duration,
    /// A probe that has not been answered within this time has failed; at most the interval. Default: `1s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub timeout: Duration,
    /// Good answers in a row that make an unhealthy endpoint healthy. Default: `2`.
    pub healthy: u32,
    /// Bad answers in a row that make a healthy endpoint unhealthy. Default: `3`.
    pub unhealthy: u32,
    /// How much longer an interval may be drawn, as a share of it from 0 to 1: probes of many processes must not come
    /// together. Default: `0.1`.
    pub jitter: f64,
}

/// What a probe asks.
///
/// ```
/// use mamparo_balance::health::Check;
///
/// assert_eq!(serde_json::from_str::<Check>(r#""tcp""#)?, Check::Tcp);
/// assert_eq!(serde_json::from_str::<Check>(r#"{ "grpc": {} }"#)?, Check::Grpc { service: String::new() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// `GET` of a path over HTTP.
    Http(HttpCheck),
    /// Whether a connection can be opened.
    Tcp,
    /// The [health service of gRPC](https://grpc.io/docs/guides/health-checking/).
    Grpc {
        /// For which service; empty for the server as a whole.
        #[serde(default)]
        service: String,
    },
}

/// `GET` of a path over HTTP.
///
/// ```
/// use mamparo_balance::health::HttpCheck;
///
/// let read: HttpCheck = serde_json::from_str(r#"{ "path": "/ready", "status": { "to": 399 } }"#)?;
/// assert!(read.status.contains(200) && read.status.contains(301) && !read.status.contains(404));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCheck {
    /// Which path. Default: `/`.
    pub path: String,
    /// Which answers are good. Default: from `200` to `299`.
    pub status: StatusRange,
}

/// The statuses from one to another, both included.
///
/// ```
/// use mamparo_balance::health::StatusRange;
///
/// assert!(StatusRange::default().contains(204) && !StatusRange::default().contains(503));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatusRange {
    /// The lowest. Default: `200`.
    pub from: u16,
    /// The highest. Default: `299`.
    pub to: u16,
}

impl StatusRange {
    /// Whether `status` is in it.
    pub fn contains(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

impl Default for StatusRange {
    fn default() -> Self {
        Self { from: 200, to: 299 }
    }
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self { path: "/".into(), status: StatusRange::default() }
    }
}

impl Default for Check {
    fn default() -> Self {
        Check::Http(HttpCheck::default())
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            check: Check::default(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy: 2,
            unhealthy: 3,
            jitter: 0.1,
        }
    }
}

impl HealthConfig {
    /// Whether endpoints can be probed with it.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = InvalidConfig::unless;
        self.check.check()?;
        let holds = (Duration::from_millis(10)..=SPAN_MAX).contains(&self.interval);
        unless(holds, "health.interval", "from 10ms to 1h")?;
        let holds = !self.timeout.is_zero() && self.timeout <= self.interval;
        unless(holds, "health.timeout", "longer than nothing, at most the interval")?;
        let is_threshold = |number: u32| (1..=CHECK_THRESHOLD_MAX).contains(&number);
        unless(is_threshold(self.healthy), "health.healthy", "from 1 to 100")?;
        unless(is_threshold(self.unhealthy), "health.unhealthy", "from 1 to 100")?;
        unless((0.0..=1.0).contains(&self.jitter), "health.jitter", "from 0 to 1")
    }
}

impl Check {
    fn check(&self) -> Result<(), InvalidConfig> {
        let unless = InvalidConfig::unless;
        let fits = |text: &str| {
            text.len() <= CHECK_TEXT_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match self {
            Check::Http(HttpCheck { path, status }) => {
                let holds = path.starts_with('/') && fits(path);
                unless(holds, "health.check.http.path", "a `/` and visible ASCII, at most 1024 bytes")?;
                let StatusRange { from, to } = *status;
                let holds = from >= 100 && from <= to && to <= 599;
                unless(holds, "health.check.http.status", "from 100 to 599, the lower first")
            }
            Check::Tcp => Ok(()),
            Check::Grpc { service } => {
                unless(fits(service), "health.check.grpc.service", "visible ASCII, at most 1024 bytes")
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Http(http) => write!(f, "http {}", http.path),
            Check::Tcp => f.write_str("tcp"),
            Check::Grpc { service } if service.is_empty() => f.write_str("grpc"),
            Check::Grpc { service } => write!(f, "grpc {service}"),
        }
    }
}

impl fmt::Display for HealthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (check, every) = (&self.check, text(self.interval));
        let (healthy, unhealthy) = (self.healthy, self.unhealthy);
        write!(f, "probes {check} every {every}, healthy after {healthy}, unhealthy after {unhealthy}")
    }
}
