//! How an endpoint of a service is spoken to, and what was verified about it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mamparo_tls::UpstreamTls;

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, from the first byte on: what gRPC needs. Over TLS it must be agreed on in the handshake.
    Http2,
}

/// How the endpoints of a service are spoken to.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// What they speak.
    pub speaks: Speaks,
    /// Over TLS, if so. It is to offer the protocol above, and no other.
    pub tls: Option<VerifiedTls>,
}

/// TLS towards a service. Connections that were opened with it serve those who hold it, or a clone of it, and nobody
/// else: each has a number of its own.
#[derive(Clone)]
pub struct VerifiedTls {
    tls: Arc<UpstreamTls>,
    /// The host that is asked for where the TLS itself names none.
    host: Arc<str>,
    number: u64,
}

/// The number that the next one gets; 0 stands for no TLS.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl VerifiedTls {
    /// With the certificate verified for `host`, where `tls` names no other.
    pub fn new(tls: Arc<UpstreamTls>, host: &str) -> Self {
        Self { tls, host: host.into(), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// What verifies.
    pub fn tls(&self) -> &Arc<UpstreamTls> {
        &self.tls
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Debug for VerifiedTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTls").field("host", &self.host).field("number", &self.number).finish()
    }
}

/// What a connection leads to: nobody is given a connection that was opened for another identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) endpoint: SocketAddr,
    pub(crate) speaks: Speaks,
    /// The number of what was verified when it was opened; 0 where nothing was.
    pub(crate) identity: u64,
}

impl Hash for Lane {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Two lanes to one endpoint are rare, and told apart by comparison.
        self.endpoint.hash(state);
    }
}

impl Transport {
    pub(crate) fn lane(&self, endpoint: SocketAddr) -> Lane {
        let identity = self.tls.as_ref().map_or(0, |tls| tls.number);
        Lane { endpoint, speaks: self.speaks, identity }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }
}
