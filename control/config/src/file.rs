//! The shape of the text. Every doc comment here is the manual: the schema and the reference are made of them.

mod entrance;
mod gateway;
mod one_or_many;
mod service;
mod wanted;

use std::collections::BTreeMap;

use mamparo_policy::shed::GuardConfig;
use mamparo_tls::TlsConfig;
use mamparo_transform::forwarded::ForwardedConfig;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Address, Size, Span};
pub(crate) use entrance::{Passthrough, ProxyProtocol};
pub(crate) use gateway::{Answer, Class, ClientRateLimit, Method, Redirect, Route, RouteMatch, Scheme};
pub(crate) use service::{Dns, Endpoint, Protocol, Service};
pub(crate) use wanted::Wanted;

/// The configuration of one installation of Mamparo.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The version of this format. There is one: `1`.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "the schema has compared it")]
    pub(crate) version: u32,
    /// The folder that holds everything that must survive. A relative path starts where the command is run.
    /// Default: `./.mamparo`.
    pub(crate) data: Option<String>,
    /// What this machine does. Default: every role.
    pub(crate) roles: Option<Vec<Role>>,
    /// The addresses that Mamparo itself listens on.
    #[serde(default)]
    pub(crate) listeners: Listeners,
    /// What is logged, and how.
    #[serde(default)]
    pub(crate) log: Log,
    /// Where traces go.
    #[serde(default)]
    pub(crate) telemetry: Telemetry,
    /// The gateway: which request goes to which service.
    #[serde(default)]
    pub(crate) gateway: Gateway,
    /// The services that requests can be sent to, by name. A service is reached by this name from the routes of
    /// the gateway, and from other services by the host `<name>.mamparo` on the address of `listeners.mesh`.
    #[serde(default)]
    pub(crate) services: BTreeMap<String, Service>,
    /// The queues and logs of the hub, by name. A message to a name that is not here is refused.
    #[serde(default)]
    pub(crate) topics: BTreeMap<String, Topic>,
    /// The programs that `mamparo up` starts and keeps running, by name.
    #[serde(default)]
    pub(crate) applications: BTreeMap<String, Application>,
    /// Options of the shop, the reference system that comes with Mamparo.
    #[serde(default)]
    pub(crate) shop: Shop,
}

/// What a node can do.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Takes requests from outside and forwards them to services.
    Gateway,
    /// Keeps queues and logs, and serves them to the services.
    Hub,
}

/// The addresses that Mamparo itself listens on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listeners {
    /// Where the gateway takes requests. Default: `127.0.0.1:8080`.
    pub(crate) gateway: Option<Address>,
    /// Where the gateway takes requests over TLS, with the certificates of `gateway.tls`. Default: nowhere.
    pub(crate) gateway_tls: Option<Address>,
    /// Where services reach each other by name: a request whose host is `<service>.mamparo` goes to that
    /// service, whoever sends it, therefore only a loopback address is accepted. Default: `127.0.0.1:9920`.
    pub(crate) mesh: Option<Address>,
    /// Where health, metrics and the configuration in force are read. It is read-only and demands no identity,
    /// therefore only a loopback address is accepted. Default: `127.0.0.1:9900`.
    pub(crate) admin: Option<Address>,
    /// Where the hub serves its queues and logs. It demands no identity, therefore only a loopback address is
    /// accepted. Default: `127.0.0.1:9910`.
    pub(crate) hub: Option<Address>,
}

/// What is logged, and how. The environment variable `MAMPARO_LOG` goes before `level`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// The least important level that is logged, or a filter such as `info,access=warn`. Default: `info`.
    pub(crate) level: Option<String>,
    /// Default: `auto`.
    pub(crate) format: Option<LogFormat>,
}

/// Where traces go. The environment variable `OTEL_EXPORTER_OTLP_ENDPOINT` goes before `otlp_endpoint`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// The base URL of a collector that takes spans by OTLP over HTTP in JSON, without TLS, such as
    /// `http://127.0.0.1:4318`; they are posted to `/v1/traces` below it. Applications find it as
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, with `OTEL_SERVICE_NAME`. Default: spans are not recorded.
    pub(crate) otlp_endpoint: Option<String>,
    /// The share of the traces that begin here which is recorded. One that a caller began is recorded when its
    /// `traceparent` says so. Default: `1.0`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) sample: Option<f64>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// `text` on a terminal, `json` otherwise.
    Auto,
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// The gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// The routes, in any order. Of all that take a request the most specific one is taken: by its host (exact, then
    /// the longest `*.`, then any); then by its path (exact, then `template`, of two the one that is literal where they
    /// first differ, then the longest prefix, then `regex`, then the prefix `/`); then one that names methods; then
    /// the one with more headers, then with more parameters; then the one that stands first. Two that ask for the
    /// same thing, and one that another never leaves anything, are errors.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// Threads that serve requests, each with its own connections. Default: one for each processor, at most 8.
    #[schemars(range(min = 1, max = 256))]
    pub(crate) workers: Option<usize>,
    /// How long the gateway goes on taking connections when it is to stop, while `/readyz` says already that it is
    /// not ready: as long as it takes a load balancer to notice. Default: `0s`.
    pub(crate) drain_delay: Option<Span>,
    /// How long requests under way may take when the gateway stops. Default: `5s`.
    pub(crate) drain: Option<Span>,
    /// How long requests under way may take in the old process after `mamparo upgrade`, while the new one serves.
    /// Default: `10m`.
    pub(crate) upgrade_drain: Option<Span>,
    /// How long the new program of `mamparo upgrade` may take until it is ready. One that is not ready then is killed,
    /// and the running one serves on. Default: `30s`.
    pub(crate) upgrade_ready: Option<Span>,
    /// What the gateway accepts from a client.
    #[serde(default)]
    pub(crate) limits: GatewayLimits,
    /// Whose word counts on where a request comes from, and what services are told about it. It decides whose address
    /// stands in logs and in `{client_ip}`. Requests to `<service>.mamparo` come from who sends them, whatever they
    /// claim. Default: nobody's, and every claim is replaced.
    #[serde(default)]
    pub(crate) forwarded: ForwardedConfig,
    /// Whether answers say in `server-timing` how long they took, `total`, and how much of that the service did,
    /// `service`, where a route does not say otherwise. Default: `false`.
    pub(crate) server_timing: Option<bool>,
    /// TLS at the address of `listeners.gateway_tls`. A certificate whose file changes is shown to new connections
    /// soon after.
    pub(crate) tls: Option<TlsConfig>,
    /// Load balancers in front of the gateway that say who a client is. Default: nobody is believed.
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// TLS connections at `listeners.gateway_tls` that are passed on to a service as they are, by the host that their
    /// client asks for. Default: all are terminated here.
    #[serde(default)]
    pub(crate) passthrough: Vec<Passthrough>,
    /// What of the machine shows that there is too much to do, for the routes that have `policies.shed`. Default: nothing.
    pub(crate) guard: Option<GuardConfig>,
    /// The lines about requests, which are part of the log, with the target `access`.
    #[serde(default)]
    pub(crate) access_log: AccessLog,
}

/// The lines about requests. They are written together, many at a time; `log.level: info,access=off` leaves them out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessLog {
    /// The share of requests that have a line. One that failed, with 5xx or broken off, always has. Default: `1.0`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) sample: Option<f64>,
    /// What a line says, of method, path, status, sent, received, duration_us, route, service, code, aborted, trace,
    /// protocol, client and cache; where the log is JSON. Default: all of it.
    pub(crate) fields: Option<Vec<String>>,
}

/// What the gateway accepts from a client.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayLimits {
    /// Connections at the same time, for each worker; one more is answered 503. Default: `4096`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) connections: Option<usize>,
    /// Request line and headers together; above it 431. Default: `64KiB`.
    pub(crate) header: Option<Size>,
    /// Body of a request; above it 413. Default: `8MiB`.
    pub(crate) body: Option<Size>,
    /// How long a client may take to send its headers; above it 408. Default: `10s`.
    pub(crate) header_time: Option<Span>,
    /// How long a body may stand still. Default: `30s`.
    pub(crate) body_idle: Option<Span>,
    /// How long a connection may rest between two requests. Default: `75s`.
    pub(crate) idle: Option<Span>,
    /// Connections from one address at the same time, for each worker; one more is answered 503. Not for a gateway
    /// behind a load balancer that does not say where connections come from. Default: no bound of their own.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) connections_per_source: Option<usize>,
    /// How long nothing may pass through a WebSocket. Default: `1h`.
    pub(crate) tunnel_idle: Option<Span>,
}

/// A queue or a log of the hub, or a name that only hands on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Topic {
    /// What it is.
    pub(crate) kind: TopicKind,
    /// Queues: after how many failed attempts a message becomes a dead letter. Default: `10`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) max_attempts: Option<u32>,
    /// Queues: how long a message is leased to the consumer that took it, if it asks for no other time.
    /// At most `12h`. Default: `30s`.
    pub(crate) visibility: Option<Span>,
    /// Queues: most messages, dead letters included; a publisher is told at once when it is full.
    /// Default: `1000000`.
    #[schemars(range(min = 1))]
    pub(crate) capacity: Option<u64>,
    /// Queues: most bytes, dead letters included. Default: `4GiB`.
    pub(crate) capacity_bytes: Option<Size>,
    /// Queues: how long the id of a message is remembered, so that a second one under the same id is dropped.
    /// Default: while the message is there.
    pub(crate) dedup: Option<Span>,
    /// Queues: the topics of which this queue gets a copy of every message. Default: none.
    #[serde(default)]
    pub(crate) subscribe: Vec<String>,
    /// Logs: in how many partitions the keys are spread. It cannot be changed later. Default: `4`.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) partitions: Option<u32>,
    /// Logs: records older than this are dropped. Default: none are.
    pub(crate) retention: Option<Span>,
    /// Logs: the oldest records are dropped while a partition holds more bytes. Default: none are.
    pub(crate) retention_bytes: Option<Size>,
    /// Logs: the oldest records are dropped while a partition holds more of them. Default: none are.
    pub(crate) retention_records: Option<u64>,
}

/// The kinds of topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TopicKind {
    /// Each message is leased to one consumer until it is acknowledged, then forgotten.
    Queue,
    /// Messages stay, in order by key, and each consumer group keeps its own place.
    Log,
    /// Keeps nothing: what is published to it reaches the queues that subscribe to it.
    Fanout,
}

/// A program that `mamparo up` starts and keeps running.
///
/// It finds in its environment: `MAMPARO_LISTEN` (where it must listen, if it serves a service), `MAMPARO_DATA`
/// (its own folder), `MAMPARO_MESH` and `MAMPARO_HUB` (where other services and the hub are reached),
/// `MAMPARO_CONFIG` (this file), `MAMPARO_NAME` (its name), and where traces are exported
/// `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME`. It should stop in good order when its
/// standard input closes or on SIGTERM; it is killed when it takes longer than `stop`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Application {
    /// The program and its arguments. `mamparo` is this program itself.
    #[schemars(length(min = 1))]
    pub(crate) command: Vec<String>,
    /// The service that it serves. Default: none.
    pub(crate) service: Option<String>,
    /// More environment variables.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// How long it may take to stop. Default: `5s`.
    pub(crate) stop: Option<Span>,
}

/// Options of the shop.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shop {
    /// The simulated provider that charges cards.
    #[serde(default)]
    pub(crate) card_provider: CardProvider,
    /// Whether the provider is asked behind policies: retry, bulkhead, breaker. Without, there is only a timeout.
    /// Default: `true`.
    pub(crate) card_policies: Option<bool>,
}

/// How the simulated card provider behaves. What it does to a charge depends only on the seed and the charge.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardProvider {
    /// How long an answer takes. Default: `5ms`.
    pub(crate) latency: Option<Span>,
    /// How many requests in a hundred are answered with an error. Default: `0`.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) error_percent: Option<u8>,
    /// How many requests in a hundred are never answered, although the card may have been charged.
    /// Default: `0`.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) timeout_percent: Option<u8>,
    /// The seed of its choices. Default: `1`.
    pub(crate) seed: Option<u64>,
}
