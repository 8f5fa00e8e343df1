//! Where a request can go: an address, how much it can take, and what is known of it beforehand.

use std::net::SocketAddr;
use std::sync::Arc;

/// Where a request can go.
///
/// ```
/// use mamparo_balance::Endpoint;
///
/// let endpoint = Endpoint::new("10.0.0.7:8080".parse()?).weight(3).zone("a");
/// assert_eq!(endpoint.weight, 3);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// How much it takes in proportion to the others. At 0 it takes nothing: it is being emptied.
    pub weight: u32,
    /// Where it stands.
    pub zone: Option<Arc<str>>,
    /// Who must answer there. An endpoint whose identity changes is another endpoint: nothing that was learnt of the
    /// old one holds for it.
    pub identity: Option<Arc<str>>,
}

impl Endpoint {
    /// An endpoint of weight 1, nowhere in particular.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, weight: 1, zone: None, identity: None }
    }

    /// The same with this weight.
    #[must_use]
    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// The same in this zone.
    #[must_use]
    pub fn zone(self, zone: &str) -> Self {
        Self { zone: Some(zone.into()), ..self }
    }

    /// The same with this identity.
    #[must_use]
    pub fn identity(self, identity: &str) -> Self {
        Self { identity: Some(identity.into()), ..self }
    }

    /// Whether what is known of `other` holds for it.
    pub(crate) fn is_same(&self, other: &Endpoint) -> bool {
        self.address == other.address && self.identity == other.identity
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::new(address)
    }
}
