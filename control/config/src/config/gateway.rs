//! A route that holds together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mamparo_context::Criticality;
use mamparo_http_cache::HttpCacheConfig;
use mamparo_policy::hedge::HedgeConfig;
use mamparo_policy::rate_limit::KeyedRateLimitConfig;
use mamparo_policy::retry::RetryConfig;
use mamparo_policy::stack::AdmissionConfig;
use mamparo_transform::TransformConfig;
use serde::Serialize;

use super::service::{RequestKey, Service, ServiceProtocol};

/// One route. Nothing is required of its caller: a route that requires something is not loaded yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    /// What it is called in logs and metrics; no two routes have the same name.
    pub name: String,
    /// Which requests it takes; one of these must hold. Never empty.
    pub matches: Vec<RouteMatch>,
    /// Where it leads.
    pub target: RouteTarget,
    /// The whole request, answer included; over zero.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub timeout: Duration,
    /// Until the header of the answer; over zero.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub answer_timeout: Duration,
    /// Largest body of a request, in bytes; `None` for the one of the gateway.
    pub body: Option<u64>,
    /// What a request must pass before it goes to the service.
    pub policies: Option<Box<AdmissionConfig>>,
    /// What each client may ask for in a time.
    pub rate_limits: Vec<ClientRateLimit>,
    /// How much its requests matter.
    pub criticality: Option<Criticality>,
    /// When a request that takes long is sent a second time; never beside `retry`.
    pub hedge: Option<HedgeConfig>,
    /// What is kept of the answers of its services.
    pub cache: Option<Box<HttpCacheConfig>>,
    /// When a request that failed is sent again.
    pub retry: Option<RetryConfig>,
    /// How much of a body is kept so that it can be sent again, in bytes.
    pub replay: u64,
    /// What is changed about requests and answers on their way.
    pub transform: Option<Box<TransformConfig>>,
    /// Whether answers say how long they took.
    pub server_timing: bool,
    /// Whether interim answers of its services go on to the client.
    pub early_hints: bool,
}

/// What each client of a route may ask for in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientRateLimit {
    /// How clients are told apart; never by the path.
    pub by: RequestKey,
    /// So much.
    pub limit: KeyedRateLimitConfig,
}

/// TLS connections that are passed on as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passthrough {
    /// Lower case, `*.` before it for all below a domain; no host stands in two of these. Never empty.
    pub hosts: Vec<String>,
    /// It is in [`Config::services`](crate::Config::services).
    pub service: String,
}

/// Which requests a route takes; all of it must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteMatch {
    /// Lower case, without a port, `*.` before it for all below a domain; empty for every host.
    pub hosts: BTreeSet<String>,
    /// The path.
    pub path: RoutePath,
    /// Empty for every method.
    pub methods: BTreeSet<&'static str>,
    /// By name, in lower case.
    pub headers: BTreeMap<String, ValueMatch>,
    /// Parameters by name, decoded.
    pub query: BTreeMap<String, ValueMatch>,
}

/// Which paths a route takes. All but the expression begin with `/` and are in their normal form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoutePath {
    /// This path only.
    Exact(String),
    /// A path with variables.
    Template(String),
    /// It has no `/` at its end unless it is `/` itself; takes what lies below it, too.
    Prefix(String),
    /// A regular expression for the whole path.
    Regex(String),
}

/// What is asked of a header or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueMatch {
    /// That it is there.
    Present,
    /// That it is this text.
    Exact(String),
    /// That this regular expression takes it whole.
    Regex(String),
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteTarget {
    /// To services.
    Services(RouteServices),
    /// To another address.
    Redirect(RouteRedirect),
    /// To an answer of the gateway's own.
    Answer(RouteAnswer),
}

/// The services of a route; all are in [`Config::services`](crate::Config::services).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteServices {
    /// Services and their weights, of which at least one is over zero.
    pub choice: Vec<(String, u32)>,
    /// Who stands in for one without endpoints.
    pub failover: Option<String>,
    /// Who gets a copy of how many requests in a hundred.
    pub mirror: Option<(String, f64)>,
    /// The host they are asked for.
    pub host: Option<String>,
    /// The path they are asked for.
    pub path: Option<PathRewrite>,
}

impl RouteServices {
    /// The first of its services, the one that stands in among them, that is spoken to so.
    pub(crate) fn spoken_to_by(
        &self,
        protocol: ServiceProtocol,
        services: &BTreeMap<String, Service>,
    ) -> Option<&String> {
        let mut names = self.choice.iter().map(|(name, _)| name).chain(&self.failover);
        names.find(|name| services.get(*name).is_some_and(|service| service.protocol == protocol))
    }
}

/// Which path takes the place of the one that was matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathRewrite {
    /// This one instead of the prefix that was matched: every match has one.
    Prefix(String),
    /// This one instead of the whole; its variables are in the template of every match.
    Full(String),
}

/// Another address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteRedirect {
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
    /// The host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteAnswer {
    /// 200 to 599.
    pub status: u16,
    /// By name; each can be a header.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}
