//! The shape of a service.

use mamparo_balance::BalanceConfig;
use mamparo_tls::UpstreamTlsConfig;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Address, Span};

/// A service that requests can be sent to. Where its instances listen is said by one of `address`, `endpoints` and
/// `dns`, or not at all when an application serves it: `mamparo up` then picks a free port once and keeps it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    /// Where it listens.
    pub(crate) address: Option<Address>,
    /// Where its instances listen, when there are several.
    pub(crate) endpoints: Option<Vec<Endpoint>>,
    /// The name that its instances are found under.
    pub(crate) dns: Option<Dns>,
    /// What it speaks. `http2` is spoken from the first byte on, as gRPC needs it; over TLS it is agreed on in the
    /// handshake. Default: `http1`.
    pub(crate) protocol: Option<Protocol>,
    /// TLS towards it; its certificate is always verified, for the name of the service unless `name` says another. What
    /// is spoken inside follows from `protocol`. Default: none.
    pub(crate) tls: Option<UpstreamTlsConfig>,
    /// Which of its instances takes the next request, and how it is found out which of them work.
    pub(crate) balance: Option<BalanceConfig>,
    /// What requests have in common that are to reach the same instance, where `balance.algorithm` is `maglev`:
    /// `address` (of the client), `path`, `header:<name>` or `cookie:<name>`. Default: `address`.
    pub(crate) key: Option<String>,
}

/// An instance of a service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoint {
    /// Where it listens.
    pub(crate) address: Address,
    /// How much it takes in proportion to the others; `0` takes nothing. Default: `1`.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) weight: Option<u32>,
    /// Where it stands. Default: nowhere in particular.
    pub(crate) zone: Option<String>,
}

/// The name that the instances of a service are found under. All addresses that it has are instances; a name that cannot
/// be looked up leaves them as they were.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dns {
    /// The name and the port, such as `orders.internal:8080`.
    pub(crate) name: String,
    /// How often it is looked up. Default: `5s`.
    pub(crate) every: Option<Span>,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    Http1,
    Http2,
}
