//! A service that holds together.

use std::net::SocketAddr;
use std::time::Duration;

use mamparo_balance::BalanceConfig;
use mamparo_tls::UpstreamTlsConfig;
use serde::Serialize;

/// A service that requests can be sent to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Service {
    /// Where it listens, if it was said.
    pub place: ServicePlace,
    /// What it speaks.
    pub protocol: ServiceProtocol,
    /// TLS towards it. It offers what is spoken, and nothing else.
    pub tls: Option<UpstreamTlsConfig>,
    /// Which of its instances takes the next request.
    pub balance: BalanceConfig,
    /// What requests have in common, such as those that are to reach the same instance.
    pub key: RequestKey,
}

/// Where the instances of a service listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServicePlace {
    /// Where the supervisor says: it picks the port of an application.
    Given,
    /// Here. Empty where there is no instance yet.
    Endpoints(Vec<ServiceEndpoint>),
    /// At all addresses of a name.
    Dns {
        /// The name and the port.
        name: String,
        /// How often it is looked up; over zero.
        #[serde(serialize_with = "mamparo_context::duration::serialize")]
        every: Duration,
    },
}

/// An instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceEndpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// How much it takes in proportion to the others.
    pub weight: u32,
    /// Where it stands.
    pub zone: Option<String>,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// What requests have in common, such as those that are to reach the same instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKey {
    /// The address of the client.
    #[default]
    Address,
    /// The path.
    Path,
    /// A header, in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
}

impl RequestKey {
    /// What a text says: `address`, `path`, `header:<name>` or `cookie:<name>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let token = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~!".contains(&b))
        };
        match text.split_once(':') {
            None if text == "address" => Some(Self::Address),
            None if text == "path" => Some(Self::Path),
            Some(("header", name)) if token(name) => Some(Self::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if token(name) => Some(Self::Cookie(name.to_owned())),
            _ => None,
        }
    }
}

impl std::fmt::Display for RequestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Path => f.write_str("path"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

impl Service {
    /// Its addresses, as far as they are written down.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let endpoints = match &self.place {
            ServicePlace::Endpoints(endpoints) => endpoints.as_slice(),
            ServicePlace::Given | ServicePlace::Dns { .. } => &[],
        };
        endpoints.iter().map(|endpoint| endpoint.address)
    }
}

impl Service {
    /// Its one address, if it has exactly one.
    pub fn address(&self) -> Option<SocketAddr> {
        let mut all = self.addresses();
        all.next().filter(|_| all.next().is_none())
    }

    /// Whether the supervisor says where it listens.
    pub const fn is_given(&self) -> bool {
        matches!(self.place, ServicePlace::Given)
    }
}

impl Default for Service {
    fn default() -> Self {
        Self {
            place: ServicePlace::Given,
            protocol: ServiceProtocol::default(),
            tls: None,
            balance: BalanceConfig::default(),
            key: RequestKey::default(),
        }
    }
}
