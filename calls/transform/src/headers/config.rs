//! The rules for headers as a file holds them.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Headers;
use crate::config::{InvalidConfig, duration_schema};

/// What is changed about the headers of requests and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// On requests, on their way to the service.
    pub request: HeaderRules,
    /// On answers, on their way to the client.
    pub answer: HeaderRules,
    /// Headers by which answers ask browsers for care. What the service says itself stays.
    pub security: SecurityConfig,
}

/// Changes, in the order in which they stand here. Headers of the connection and of the framing (`connection`, `host`,
/// `content-length`, `transfer-encoding`, ...) cannot be changed, nor can those that begin with `mamparo-`.
///
/// A value may hold `{client_ip}`, `{host}`, `{path}`, `{request_id}`, `{route}`, `{scheme}`, and the captures of the
/// path of the route by their names; `{{` and `}}` are braces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderRules {
    /// Old names and new ones; values that stood under the new name go.
    pub rename: BTreeMap<String, String>,
    /// Names of headers to remove.
    pub remove: Vec<String>,
    /// Names and values; values that stood under the name go.
    pub set: BTreeMap<String, String>,
    /// Names and values that come on top of those that are there.
    pub add: BTreeMap<String, String>,
}

/// Headers by which answers ask browsers for care.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// `strict-transport-security`: browsers come back over TLS only. Written only where they came over TLS.
    pub hsts: Option<HstsConfig>,
    /// `x-frame-options`: who may show the page in a frame.
    pub frame_options: Option<FrameOptions>,
    /// `x-content-type-options: nosniff`: content is what its type says. Default: `false`.
    pub content_type_options: bool,
    /// `referrer-policy`: what a page tells about itself to those it links to.
    pub referrer_policy: Option<ReferrerPolicy>,
    /// `content-security-policy`: what a page may load and do, as a browser reads it.
    pub content_security_policy: Option<String>,
}

/// For how long browsers insist on TLS (RFC 6797).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HstsConfig {
    /// How long, from each answer on. Default: `365d`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub max_age: Duration,
    /// Also for all hosts below this one. Default: `false`.
    pub include_subdomains: bool,
    /// Lets the host into the lists that browsers are built with. Asks for a year and for all hosts below.
    /// Default: `false`.
    pub preload: bool,
}

impl Default for HstsConfig {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(365 * 86_400), include_subdomains: false, preload: false }
    }
}

/// Who may show a page in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FrameOptions {
    /// Nobody.
    Deny,
    /// Pages of the same origin.
    Sameorigin,
}

/// What a page tells about itself to those it links to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReferrerPolicy {
    /// Nothing.
    NoReferrer,
    /// Its address, but not from TLS to plain text.
    NoReferrerWhenDowngrade,
    /// Its origin.
    Origin,
    /// Its address to the same origin, else its origin.
    OriginWhenCrossOrigin,
    /// Its address to the same origin, else nothing.
    SameOrigin,
    /// Its origin, but not from TLS to plain text.
    StrictOrigin,
    /// Its address to the same origin, else its origin, but not from TLS to plain text.
    StrictOriginWhenCrossOrigin,
    /// Its address.
    UnsafeUrl,
}

impl HeadersConfig {
    /// Whether it can be done.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        Headers::new(self).map(drop)
    }
}
