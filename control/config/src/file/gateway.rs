//! The shape of a route.

use std::collections::BTreeMap;

use mamparo_http_cache::HttpCacheConfig;
use mamparo_policy::Mode;
use mamparo_policy::hedge::HedgeConfig;
use mamparo_policy::retry::RetryConfig;
use mamparo_policy::stack::AdmissionConfig;
use mamparo_transform::TransformConfig;
use schemars::JsonSchema;
use serde::Deserialize;

use super::one_or_many::OneOrMany;
use super::wanted::Wanted;
use crate::units::{Size, Span};

/// One route: which requests it takes, who may use it, and where it leads. It either says what it requires or
/// `public: true`; a route that says neither does not load. It leads to a `service` or to `services`, or it is a
/// `redirect` or an `answer`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// What is large and few routes have is boxed: of thousands of routes the rest is moved about while a file is read.
pub(crate) struct Route {
    /// What it is called in logs and metrics. Default: what it matches.
    pub(crate) name: Option<String>,
    /// Which requests it takes: one description, or a list of which one must hold.
    #[serde(rename = "match")]
    pub(crate) matches: OneOrMany<RouteMatch>,
    /// The service they go to.
    pub(crate) service: Option<String>,
    /// The services they go to, each as often as its weight says.
    pub(crate) services: Option<Vec<WeightedService>>,
    /// The service that takes the requests of one that has no endpoint. Default: none, so that they are answered 503.
    pub(crate) failover: Option<String>,
    /// Who gets a copy of some requests. Nobody waits for its answers, and requests with a body are not copied.
    pub(crate) mirror: Option<Mirror>,
    /// What is changed in a request on its way to the service.
    pub(crate) rewrite: Option<Rewrite>,
    /// The address that the client is sent to instead. What is not named stays as the client has it; the query stays
    /// always.
    pub(crate) redirect: Option<Redirect>,
    /// An answer of the gateway's own.
    pub(crate) answer: Option<Answer>,
    /// `true` when nothing is required of the caller.
    pub(crate) public: Option<bool>,
    /// What is required of the caller.
    pub(crate) require: Option<Require>,
    /// How long the whole request may take, answer included. A client may ask for less, never for more.
    /// Default: `30s`.
    pub(crate) timeout: Option<Span>,
    /// How long the service may take until the header of its answer. Default: `15s`.
    pub(crate) answer_timeout: Option<Span>,
    /// Largest body of a request. Default: the one of `gateway.limits.body`.
    pub(crate) body: Option<Size>,
    /// What a request must pass before it goes to the service. Default: nothing.
    pub(crate) policies: Option<Box<AdmissionConfig>>,
    /// What each client may ask for in a time: all of these hold, before anything else of the route. At most 8.
    /// Default: there is no such bound.
    #[serde(default)]
    pub(crate) rate_limits: Vec<ClientRateLimit>,
    /// How much its requests matter when not all can be served (`policies.shed`): services are told by the header
    /// `mamparo-criticality`. A client may say less of its own request by that header, never more. Default: `critical`.
    pub(crate) criticality: Option<Class>,
    /// When a request that takes longer than most, or fails, is sent a second time, out of a budget that all requests of the route
    /// share: the first answer counts. GET, HEAD, OPTIONS, PUT and DELETE count as harmless to repeat, others by `repeat`;
    /// one with a body is sent once. Not together with `retry`. Default: none is.
    pub(crate) hedge: Option<HedgeConfig>,
    /// What is kept of the answers of its services, for whoever asks next. A request that is answered from it passes no
    /// policy but `rate_limit`. Default: nothing.
    pub(crate) cache: Option<Box<HttpCacheConfig>>,
    /// When a request that failed is sent again, out of a budget that all requests of the route share. `answer_timeout`
    /// is the time of each attempt. GET, HEAD, OPTIONS, PUT and DELETE count as harmless to repeat; others are repeated
    /// where it is certain that nothing has happened, or as `repeat` says. Default: only what nobody has seen.
    pub(crate) retry: Option<RetryConfig>,
    /// How much of a body is kept so that it can be sent again; a larger one is sent once. At most `8MiB`.
    /// Default: `64KiB`.
    pub(crate) replay: Option<Size>,
    /// What is changed about requests and answers on their way: headers, pages of other origins, compression, gRPC-Web,
    /// bodies put together anew, and a hook that is asked. Where a route keeps answers, what the service says is kept,
    /// and changed for each client. A `redirect` or an `answer` has `headers` and `cors` only. Default: nothing.
    pub(crate) transform: Option<Box<TransformConfig>>,
    /// Whether answers say in `server-timing` how long they took. Default: as `gateway.server_timing` says.
    pub(crate) server_timing: Option<bool>,
    /// Whether what a service says before its answer (103 Early Hints, 102) goes on to the client while it waits. Where
    /// both speak HTTP/1.1: to a client of HTTP/2 or HTTP/1.0 it is not said, and a client that takes no bytes misses it. Up
    /// to eight of them, 16 KiB at a time. Default: `false`.
    pub(crate) early_hints: Option<bool>,
}

/// Which requests a route takes. All that is named must hold; of `path`, `template` and `regex` one is named, and none
/// means every path. A path is compared in its normal form, which is also what the service is asked for: `//a/./%62`
/// is `/a/b`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteMatch {
    /// The host, without the port, or `*.example.org` for all below a domain; or a list of them. Default: every host.
    pub(crate) host: Option<OneOrMany<String>>,
    /// This path and everything below it: `/orders` takes `/orders` and `/orders/7`, not `/orders-old`.
    pub(crate) path: Option<String>,
    /// Only this path, and nothing below it. Default: `false`.
    #[serde(default)]
    pub(crate) exact: bool,
    /// A path of which some segments are variables: `/orders/{id}/lines/{line}`. A variable stands for one segment that
    /// is not empty.
    pub(crate) template: Option<String>,
    /// A regular expression that takes the path from its first byte to its last. Its classes are those of ASCII. All
    /// expressions of a host are tried in one pass, whose cost is linear in the path; at most 256 of them.
    pub(crate) regex: Option<String>,
    /// The methods. Default: every method.
    pub(crate) methods: Option<Vec<Method>>,
    /// The headers, by name: a text is the value, `{regex: ...}` takes it whole, `{present: true}` asks that it be there.
    /// A header of several lines is compared as one line with `, ` between them. Default: none is asked for.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Wanted>,
    /// The parameters of the query, by name, like the headers; both name and value are compared decoded, and of one that
    /// stands there twice the first counts. Default: none is asked for.
    #[serde(default)]
    pub(crate) query: BTreeMap<String, Wanted>,
}

/// What each client may ask for in a time. Nobody waits: one that asks for more is answered 429, with the time after which
/// it may come again. What is given back is given back by and by, as in a token bucket.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientRateLimit {
    /// How clients are told apart: `address`, `header:<name>` or `cookie:<name>`. A network of IPv6 (`/64`) is one client.
    /// A request without the header or the cookie counts for its address.
    pub(crate) by: String,
    /// Requests in each period.
    #[schemars(range(min = 1))]
    pub(crate) rate: u32,
    /// The period. Default: `1s`.
    pub(crate) per: Option<Span>,
    /// Requests at once after a time of rest. Default: as many as the rate.
    #[schemars(range(min = 1))]
    pub(crate) burst: Option<u32>,
    /// Clients that are remembered at the same time, at about 32 bytes each; those beyond share what one has.
    /// Default: `65536`.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub(crate) clients: Option<usize>,
    /// Whether it acts: `off`, `shadow` (it only counts what it would refuse) or `enforce`. Default: `enforce`.
    #[serde(default)]
    pub(crate) mode: Mode,
}

/// How much requests matter.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// They may be refused at any time, such as those of a batch.
    Sheddable,
    /// They are refused before others, such as those of a refresh that nobody waits for.
    SheddablePlus,
    /// Somebody waits for them.
    Critical,
    /// Everybody feels their loss, such as that of a payment under way.
    CriticalPlus,
}

/// A request method.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// A service and its part of the requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightedService {
    /// The service.
    pub(crate) service: String,
    /// Its part, in relation to the sum of all weights; a service of weight `0` gets none. Default: `1`.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) weight: Option<u32>,
}

/// Who gets a copy of some requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mirror {
    /// The service.
    pub(crate) service: String,
    /// How many requests in a hundred are copied; `0.1` is one in a thousand. Default: `100`.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub(crate) percent: Option<f64>,
}

/// What is changed in a request on its way to the service. At most one of `path`, `replace_prefix` and `strip_prefix`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rewrite {
    /// The host that the service is asked for. Default: the one that the client named.
    pub(crate) host: Option<String>,
    /// The whole path. Variables of `match.template` are filled in: `/v2/{id}`. Default: the path that was matched.
    pub(crate) path: Option<String>,
    /// What takes the place of `match.path`: with `/v2`, `/orders/7` that was matched by `/orders` becomes `/v2/7`.
    pub(crate) replace_prefix: Option<String>,
    /// Whether `match.path` is cut off: `/orders/7` that was matched by `/orders` becomes `/7`. Default: `false`.
    #[serde(default)]
    pub(crate) strip_prefix: bool,
}

/// The address that a client is sent to. At most one of `path` and `replace_prefix`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redirect {
    /// How it is to speak; with it and without `port`, the port is the usual one. Default: as before.
    pub(crate) scheme: Option<Scheme>,
    /// The host. Default: the one that the client named.
    pub(crate) host: Option<String>,
    /// The port. Default: the one that the client named.
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Option<u16>,
    /// The whole path. Variables of `match.template` are filled in. Default: the path that was matched.
    pub(crate) path: Option<String>,
    /// What takes the place of `match.path`.
    pub(crate) replace_prefix: Option<String>,
    /// `301`, `302`, `303`, `307` or `308`. Default: `302`.
    #[schemars(range(min = 301, max = 308))]
    pub(crate) status: Option<u16>,
}

/// How a client is to speak.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// An answer of the gateway's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// Its status. Default: `200`.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: Option<u16>,
    /// Its headers, by name; its length is added. Default: none.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body. Default: empty.
    #[serde(default)]
    pub(crate) body: String,
}

/// What is required of a caller. This version of Mamparo cannot prove who calls yet, so that a route which
/// requires it is refused instead of being left open.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Require {
    /// Whether the caller must have proven who it is.
    #[expect(dead_code, reason = "refused whatever it says, until an identity can be proven")]
    pub(crate) identity: bool,
}
