//! What is said about a hook in a file.

use std::time::Duration;

use http::HeaderName;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::External;
use crate::config::{InvalidConfig, duration_schema};
use crate::limits::{HELD_BODY_BYTES_MAX, HOOK_HEADERS_MAX, HOOK_TIMEOUT_MAX};
use crate::names;

/// A hook that is asked about every request of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalConfig {
    /// The service that answers, by its name in this file.
    pub service: String,
    /// The path that is asked there. Default: `/`.
    pub path: String,
    /// How long it may take. Default: `200ms`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub timeout: Duration,
    /// The headers of the request that it is shown. Default: none.
    pub headers: Vec<String>,
    /// Shows it bodies with at most so many bytes; longer ones are refused. Default: it sees no bodies, and they are
    /// not held.
    pub body_bytes: Option<usize>,
    /// What happens where it does not answer, or not in the right form. Default: `deny`.
    pub on_failure: OnFailure,
}

/// What happens where a hook fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The request is refused.
    #[default]
    Deny,
    /// The request goes on as it is.
    Allow,
}

impl Default for ExternalConfig {
    fn default() -> Self {
        Self {
            service: String::new(),
            path: "/".to_owned(),
            timeout: Duration::from_millis(200),
            headers: Vec::new(),
            body_bytes: None,
            on_failure: OnFailure::default(),
        }
    }
}

impl ExternalConfig {
    /// Whether it can be done. Whether the service is there, only the whole file can say.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        External::new(self).map(drop)
    }

    pub(super) fn read_headers(&self) -> Result<Vec<HeaderName>, InvalidConfig> {
        let unless = InvalidConfig::unless;
        unless(!self.service.is_empty(), "service", "the name of a service")?;
        let is_path = self.path.starts_with('/') && PathAndQuery::try_from(self.path.as_str()).is_ok();
        unless(is_path, "path", "begins with `/`")?;
        let in_bounds = !self.timeout.is_zero() && self.timeout <= HOOK_TIMEOUT_MAX;
        unless(in_bounds, "timeout", "longer than nothing, at most 30s")?;
        let in_bounds = self.body_bytes.is_none_or(|bytes| (1..=HELD_BODY_BYTES_MAX).contains(&bytes));
        unless(in_bounds, "body_bytes", "from 1 to 1048576")?;
        unless(self.headers.len() <= HOOK_HEADERS_MAX, "headers", &format!("at most {HOOK_HEADERS_MAX}"))?;
        let name = |(at, name): (usize, &String)| {
            names::parse(name).map_err(|problem| {
                InvalidConfig::new(format!("headers[{at}]"), format!("`{name}` {problem}"))
            })
        };
        self.headers.iter().enumerate().map(name).collect()
    }
}
