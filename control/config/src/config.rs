//! The checked configuration: what the rest of the program sees. Every name in it refers to something that is
//! there.

mod gateway;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mamparo_policy::shed::GuardConfig;
use mamparo_tls::TlsConfig;
use mamparo_tls::proxy_protocol::TrustedPeers;
use mamparo_transform::forwarded::ForwardedConfig;
use serde::Serialize;

pub use gateway::{
    ClientRateLimit, Passthrough, PathRewrite, Route, RouteAnswer, RouteMatch, RoutePath, RouteRedirect,
    RouteServices, RouteTarget, ValueMatch,
};
pub use service::{RequestKey, Service, ServiceEndpoint, ServicePlace, ServiceProtocol};

/// A configuration that holds together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// The folder of everything that must survive; as written, relative to where the command is run.
    pub data: PathBuf,
    /// What this machine does; never empty.
    pub roles: BTreeSet<Role>,
    /// The addresses of Mamparo itself.
    pub listeners: Listeners,
    /// What is logged, and how.
    pub log: LogOptions,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// The gateway.
    pub gateway: Gateway,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// Queues and logs by name.
    pub topics: BTreeMap<String, Topic>,
    /// Applications by name.
    pub applications: BTreeMap<String, Application>,
    /// Options of the shop.
    pub shop: Shop,
}

/// What a node can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Takes requests from outside and forwards them to services.
    Gateway,
    /// Keeps queues and logs.
    Hub,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 2] = [Role::Gateway, Role::Hub];

    /// The role as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Hub => "hub",
        }
    }
}

/// The addresses of Mamparo itself; all different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Listeners {
    /// Where the gateway takes requests.
    pub gateway: SocketAddr,
    /// Where the gateway takes requests over TLS.
    pub gateway_tls: Option<SocketAddr>,
    /// Where services reach each other by name; loopback.
    pub mesh: SocketAddr,
    /// Where health, metrics and the configuration are read; loopback.
    pub admin: SocketAddr,
    /// Where the hub serves; loopback.
    pub hub: SocketAddr,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogOptions {
    /// A level or a filter.
    pub level: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Telemetry {
    /// An `http` URL with a host, without a query and a `/` at its end; `None` where spans are not recorded.
    pub otlp_endpoint: Option<String>,
    /// The share of traces that is recorded, 0 to 1.
    pub sample: f64,
}

impl Telemetry {
    /// The endpoint that `text` names: a base URL such as `http://127.0.0.1:4318`, without a `/` at its end. `None`
    /// when it is no such URL, or one that wants TLS.
    pub fn endpoint(text: &str) -> Option<String> {
        let base = text.trim().trim_end_matches('/');
        let rest = base.strip_prefix("http://")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let sound = rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@'));
        (sound && !authority.is_empty() && !authority.starts_with(':')).then(|| base.to_owned())
    }
}

/// The gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gateway {
    /// Routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Threads that serve; `None` leaves the number to the machine.
    pub workers: Option<usize>,
    /// How long it goes on taking connections when it is to stop.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub drain_delay: Duration,
    /// How long requests under way may take when the gateway stops.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub drain: Duration,
    /// How long requests under way may take in the old process after an upgrade.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub upgrade_drain: Duration,
    /// How long the new program of an upgrade may take until it is ready.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub upgrade_ready: Duration,
    /// What it accepts from a client.
    pub limits: GatewayLimits,
    /// Whose word counts on where a request comes from.
    pub forwarded: ForwardedConfig,
    /// TLS at [`Listeners::gateway_tls`]; there if that is.
    pub tls: Option<TlsConfig>,
    /// Whose word about a client is believed.
    pub proxy_protocol: TrustedPeers,
    /// Which TLS connections are passed on as they are; none where nothing listens for TLS.
    pub passthrough: Vec<Passthrough>,
    /// What of the machine shows that there is too much to do.
    pub guard: Option<GuardConfig>,
    /// The lines about requests.
    pub access_log: AccessLog,
}

/// The lines about requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AccessLog {
    /// The share of requests that have a line, 0 to 1; `None` for all.
    pub sample: Option<f64>,
    /// What a line says; `None` for all of it.
    pub fields: Option<Vec<String>>,
}

/// What the gateway accepts from a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatewayLimits {
    /// Connections at the same time, for each worker.
    pub connections: usize,
    /// Request line and headers, in bytes.
    pub header: u64,
    /// Body of a request, in bytes.
    pub body: u64,
    /// How long a client may take to send its headers.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub header_time: Duration,
    /// How long a body may stand still.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub body_idle: Duration,
    /// How long a connection may rest between two requests.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub idle: Duration,
    /// Connections from one address at the same time, for each worker.
    pub connections_per_source: Option<usize>,
    /// How long nothing may pass through a WebSocket.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub tunnel_idle: Duration,
}

/// A queue or a log of the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Topic {
    /// Each message is leased to one consumer.
    Queue(QueueTopic),
    /// Messages stay, in order by key.
    Log(LogTopic),
    /// Keeps nothing, and reaches the queues that subscribe to it.
    Fanout,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueTopic {
    /// Failed attempts until a message becomes a dead letter.
    pub max_attempts: u32,
    /// How long a lease lasts; over zero.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub visibility: Duration,
    /// Most messages it holds.
    pub capacity: u64,
    /// Most bytes it holds.
    pub capacity_bytes: u64,
    /// How long ids are remembered beyond the life of their message.
    #[serde(serialize_with = "mamparo_context::duration::option::serialize")]
    pub dedup: Option<Duration>,
    /// Topics of which it gets a copy of every message; they are in [`Config::topics`].
    pub subscribe: Vec<String>,
}

/// A log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogTopic {
    /// In how many partitions the keys are spread.
    pub partitions: u32,
    /// How long records are kept.
    #[serde(serialize_with = "mamparo_context::duration::option::serialize")]
    pub retention: Option<Duration>,
    /// Bytes that a partition keeps.
    pub retention_bytes: Option<u64>,
    /// Records that a partition keeps.
    pub retention_records: Option<u64>,
}

/// A program that the supervisor keeps running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Application {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// The service it serves; it is in [`Config::services`].
    pub service: Option<String>,
    /// More environment variables; they may hold secrets and are never printed.
    #[serde(skip)]
    pub env: BTreeMap<String, String>,
    /// How long it may take to stop.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub stop: Duration,
}

/// Options of the shop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shop {
    /// The simulated card provider.
    pub card_provider: CardProvider,
    /// Whether the provider is asked behind policies.
    pub card_policies: bool,
}

/// How the simulated card provider behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CardProvider {
    /// How long an answer takes.
    #[serde(serialize_with = "mamparo_context::duration::serialize")]
    pub latency: Duration,
    /// Requests in a hundred answered with an error.
    pub error_percent: u8,
    /// Requests in a hundred never answered; together with the errors at most 100.
    pub timeout_percent: u8,
    /// The seed of its choices.
    pub seed: u64,
}
