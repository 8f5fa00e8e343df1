//! How an endpoint of a service is spoken to.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, from the first byte on: what gRPC needs.
    Http2,
}

/// How the endpoints of a service are spoken to.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// What they speak.
    pub speaks: Speaks,
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
        Lane { endpoint, speaks: self.speaks, identity: 0 }
    }
}
