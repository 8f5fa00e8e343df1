//! What a file says of the cache of a route.

use std::time::Duration;

use http::HeaderName;
use mamparo_context::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::core::address::QueryRule;
use crate::core::storable;
use crate::limits::{
    CAPACITY_BYTES_MAX, DURATION_MAX, NAMES_MAX, OBJECT_BYTES_MAX, OBJECTS_AT_LEAST, VARY_NAMES_MAX, WAIT_MAX,
};

/// The cache of a route: answers of its service are kept and served as RFC 9111 has it for a cache that is shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCacheConfig {
    /// Bytes that it holds at the most: addresses, headers and bodies. Default: `67108864` (64 MiB).
    pub capacity_bytes: u64,
    /// Bytes of the largest body that is kept; eight of them must fit. Default: `1048576` (1 MiB).
    pub object_bytes_max: u64,
    /// How long a success or a permanent redirect is fresh that says nothing about it; with `0s`, it is kept only to be
    /// asked for again. Default: `0s`.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration_schema")]
    pub default_ttl: Duration,
    /// Where `default_ttl` is `0s`: of the time since `Last-Modified`, so many hundredths count as fresh, a day at the
    /// most. Default: `0`.
    pub heuristic_percent: u32,
    /// How long after it was fresh an answer that does not say so itself is served while it is fetched again.
    /// Default: `0s`.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration_schema")]
    pub stale_while_revalidate: Duration,
    /// How long after it was fresh an answer that does not say so itself is served in place of an error of the service.
    /// Default: `0s`.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration_schema")]
    pub stale_if_error: Duration,
    /// How long a request waits for another that fetches the same; then it fetches by itself. Default: `3s`.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration_schema")]
    pub wait: Duration,
    /// Whether the query is part of the address. Default: `true`.
    pub query: bool,
    /// Parameters of the query that make no difference; a `*` at the end stands for any end, as in `utm_*`. They are
    /// forwarded all the same. Default: none.
    pub ignored_params: Vec<String>,
    /// Headers of the request by which answers differ, whether they say so with `Vary` or not. Default: none.
    pub key_headers: Vec<String>,
    /// Headers of an answer that name its tags, by which it can be purged. They are not sent to clients.
    /// Default: `cache-tag`, `surrogate-key`.
    pub tag_headers: Vec<String>,
    /// Headers of an answer that stand in for its `Cache-Control` here (RFC 9213), the nearest first.
    /// Default: `cdn-cache-control`.
    pub targeted_headers: Vec<String>,
    /// Whether a client's `Cache-Control` and `Pragma` are listened to. Where they are, a client can have its answer
    /// fetched anew. Default: `true`.
    pub request_directives: bool,
    /// Whether answers say what the cache did with them, in `Cache-Status` (RFC 9211). Default: `true`.
    pub status_header: bool,
    /// Whether answers that set a cookie are kept, and the cookie is given to everybody. Default: `false`.
    pub store_set_cookie: bool,
}

impl Default for HttpCacheConfig {
    fn default() -> Self {
        Self {
            capacity_bytes: 64 << 20,
            object_bytes_max: 1 << 20,
            default_ttl: Duration::ZERO,
            heuristic_percent: 0,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            wait: Duration::from_secs(3),
            query: true,
            ignored_params: Vec::new(),
            key_headers: Vec::new(),
            tag_headers: vec!["cache-tag".into(), "surrogate-key".into()],
            targeted_headers: vec!["cdn-cache-control".into()],
            request_directives: true,
            status_header: true,
            store_set_cookie: false,
        }
    }
}

/// A value that a cache cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cache: {field}: {problem}")]
pub struct InvalidConfig {
    /// Which value.
    pub field: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl InvalidConfig {
    fn unless(holds: bool, field: &'static str, problem: &str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { field, problem: problem.to_owned() }) }
    }
}

/// A configuration in the form in which it is worked with.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) storing: storable::Rules,
    pub(crate) query: QueryRule,
    pub(crate) key_headers: Vec<HeaderName>,
    pub(crate) tag_headers: Vec<HeaderName>,
    pub(crate) object_bytes_max: usize,
    pub(crate) obeys_requests: bool,
    pub(crate) says_status: bool,
}

impl HttpCacheConfig {
    /// Whether a cache can work with it.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        self.rules().map(drop)
    }

    pub(crate) fn rules(&self) -> Result<Rules, InvalidConfig> {
        let unless = InvalidConfig::unless;
        unless((1..=CAPACITY_BYTES_MAX).contains(&self.capacity_bytes), "capacity_bytes", "from 1 to 2^40")?;
        let object = self.object_bytes_max;
        unless((1..=OBJECT_BYTES_MAX).contains(&object), "object_bytes_max", "from 1 to 268435456")?;
        let fits = object.saturating_mul(OBJECTS_AT_LEAST) <= self.capacity_bytes;
        unless(fits, "object_bytes_max", "at most an eighth of capacity_bytes")?;
        unless(self.heuristic_percent <= 100, "heuristic_percent", "at most 100")?;
        for (field, value) in [
            ("default_ttl", self.default_ttl),
            ("stale_while_revalidate", self.stale_while_revalidate),
            ("stale_if_error", self.stale_if_error),
        ] {
            unless(value <= DURATION_MAX, field, "a year at the most")?;
        }
        unless(self.wait <= WAIT_MAX, "wait", "at most 60s")?;
        let ignored = &self.ignored_params;
        let are_names = ignored.iter().all(|name| !name.is_empty() && !name.contains(['&', '=', '#']));
        unless(are_names, "ignored_params", "names of parameters, such as utm_*")?;
        unless(ignored.len() <= NAMES_MAX, "ignored_params", "at most 64")?;
        unless(ignored.is_empty() || self.query, "ignored_params", "only with query: true")?;
        let key_headers = names("key_headers", &self.key_headers)?;
        unless(key_headers.len() <= VARY_NAMES_MAX, "key_headers", "at most 16")?;
        let object = usize::try_from(object).unwrap_or(usize::MAX);
        Ok(Rules {
            storing: storable::Rules {
                default_ttl: self.default_ttl,
                heuristic_percent: self.heuristic_percent,
                stale_while_revalidate: self.stale_while_revalidate,
                stale_if_error: self.stale_if_error,
                keeps_cookies: self.store_set_cookie,
                targeted: names("targeted_headers", &self.targeted_headers)?,
            },
            query: QueryRule { counts: self.query, ignored: ignored.clone() },
            key_headers,
            tag_headers: names("tag_headers", &self.tag_headers)?,
            object_bytes_max: object,
            obeys_requests: self.request_directives,
            says_status: self.status_header,
        })
    }
}

fn names(field: &'static str, names: &[String]) -> Result<Vec<HeaderName>, InvalidConfig> {
    InvalidConfig::unless(names.len() <= NAMES_MAX, field, "at most 64")?;
    let read = |name: &String| {
        let problem = format!("{name:?} is no name of a header");
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidConfig { field, problem })
    };
    names.iter().map(read).collect()
}

/// A time span in a file, such as `250ms`.
fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "duration", "pattern": "^[0-9]+(us|ms|s|m|h|d)$" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_the_same_and_nothing_that_is_unknown() {
        let text =
            r#"{"capacity_bytes": 1000000, "object_bytes_max": 1000, "default_ttl": "5m", "query": false}"#;
        let config: HttpCacheConfig = serde_json::from_str(text).unwrap();
        assert_eq!((config.default_ttl, config.query), (Duration::from_secs(300), false));
        assert_eq!(config.check(), Ok(()));
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<HttpCacheConfig>(&again).unwrap(), config);
        assert!(serde_json::from_str::<HttpCacheConfig>(r#"{"ttl": "5m"}"#).is_err());
        let schema = serde_json::to_value(schemars::schema_for!(HttpCacheConfig)).unwrap();
        assert_eq!(schema["properties"]["wait"]["format"], "duration");
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let change = |change: fn(&mut HttpCacheConfig)| {
            let mut config = HttpCacheConfig::default();
            change(&mut config);
            config.check().err().map(|error| error.field)
        };
        assert_eq!(change(|_| {}), None);
        assert_eq!(change(|config| config.capacity_bytes = 0), Some("capacity_bytes"));
        assert_eq!(change(|config| config.object_bytes_max = 0), Some("object_bytes_max"));
        assert_eq!(change(|config| config.object_bytes_max = (8 << 20) + 1), Some("object_bytes_max"));
        assert_eq!(change(|config| config.object_bytes_max = 8 << 20), None);
        assert_eq!(change(|config| config.heuristic_percent = 101), Some("heuristic_percent"));
        assert_eq!(change(|config| config.stale_if_error = Duration::MAX), Some("stale_if_error"));
        assert_eq!(change(|config| config.wait = Duration::from_secs(61)), Some("wait"));
        assert_eq!(change(|config| config.ignored_params = vec!["a=b".into()]), Some("ignored_params"));
        assert_eq!(change(|config| config.key_headers = vec!["a b".into()]), Some("key_headers"));
        assert_eq!(change(|config| config.tag_headers = vec!["".into()]), Some("tag_headers"));
        assert_eq!(change(|config| config.targeted_headers = vec!["ä".into()]), Some("targeted_headers"));
    }
}
