//! What a file says about TLS: the certificates of a listener, and how a service is reached over TLS.

mod listener;
mod upstream;
mod version;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use listener::{CertificateConfig, ClientAuth, TlsConfig, UnknownHost};
pub use upstream::{CertificateAuthority, UpstreamTlsConfig};
pub use version::TlsVersion;

/// A value that TLS cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfig {
    /// Which value, as a path such as `certificates[0].hosts[1]`.
    pub field: String,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl InvalidConfig {
    /// Fails with `problem` unless `holds`.
    fn unless(holds: bool, field: impl Into<String>, problem: impl Into<String>) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { field: field.into(), problem: problem.into() }) }
    }
}

/// What is spoken inside of TLS, as ALPN names it (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP/2.
    #[serde(rename = "h2")]
    Http2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
}

impl Protocol {
    /// Its name on the wire and in a file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http2 => "h2",
            Self::Http1 => "http/1.1",
        }
    }

    /// The one with this name on the wire.
    pub fn from_wire(name: &[u8]) -> Option<Self> {
        [Self::Http2, Self::Http1].into_iter().find(|protocol| protocol.as_str().as_bytes() == name)
    }

    /// All of them, the newest first.
    fn all() -> Vec<Self> {
        vec![Self::Http2, Self::Http1]
    }

    /// The list as rustls takes it.
    pub(crate) fn on_the_wire(list: &[Self]) -> Vec<Vec<u8>> {
        list.iter().map(|protocol| protocol.as_str().as_bytes().to_vec()).collect()
    }
}

fn check_protocols(alpn: &[Protocol]) -> Result<(), InvalidConfig> {
    let twice = (1..alpn.len()).find(|at| alpn[..*at].contains(&alpn[*at]));
    InvalidConfig::unless(twice.is_none(), format!("alpn[{}]", twice.unwrap_or(0)), "each protocol once")
}

#[cfg(test)]
mod tests;
