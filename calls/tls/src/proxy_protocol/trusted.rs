//! Whose word about a client's address is believed.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::TRUSTED_NETWORKS_MAX;

/// The peers that may say who a client is: networks (`10.0.0.0/8`) and addresses (`192.0.2.1`). Default: nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[schemars(with = "Vec<String>")]
pub struct TrustedPeers(Vec<IpNet>);

/// A text that is neither a network nor an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeer {
    /// It is neither.
    #[error("`{0}` is neither a network such as `10.0.0.0/8` nor an address such as `192.0.2.1`")]
    Neither(String),
    /// It has bits beyond its prefix: one of both is not what was meant.
    #[error("`{text}` has bits beyond its prefix; say `{network}`, or `{address}` for the one address")]
    BitsBeyondPrefix {
        /// What was said.
        text: String,
        /// The network that it lies in.
        network: IpNet,
        /// The address in it.
        address: IpAddr,
    },
    /// There are too many.
    #[error("at most 1024 networks")]
    TooMany,
}

impl TrustedPeers {
    /// Reads networks and addresses.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, InvalidPeer> {
        if texts.len() > TRUSTED_NETWORKS_MAX {
            return Err(InvalidPeer::TooMany);
        }
        texts.iter().map(|text| network(text.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `peer` is one of them. An IPv4 address that a socket for both families shows as `::ffff:a.b.c.d` is
    /// that IPv4 address. Looks through all networks.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn network(text: &str) -> Result<IpNet, InvalidPeer> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text.parse().map_err(|_| InvalidPeer::Neither(text.to_owned()))?;
    if network.trunc() != network {
        let (text, address) = (text.to_owned(), network.addr());
        return Err(InvalidPeer::BitsBeyondPrefix { text, network: network.trunc(), address });
    }
    Ok(network)
}

impl TryFrom<Vec<String>> for TrustedPeers {
    type Error = InvalidPeer;

    fn try_from(texts: Vec<String>) -> Result<Self, InvalidPeer> {
        Self::parse(&texts)
    }
}

impl From<TrustedPeers> for Vec<String> {
    fn from(peers: TrustedPeers) -> Self {
        peers.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_networks_and_addresses() {
        let peers = TrustedPeers::parse(&["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:198.51.100.7"])
            .unwrap();
        for (address, contained) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:192.0.2.2", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("198.51.100.7", true),
            ("::1", false),
        ] {
            assert_eq!(peers.contains(address.parse().unwrap()), contained, "{address}");
        }
        assert!(TrustedPeers::default().is_empty());
        assert!(
            !TrustedPeers::default().contains("127.0.0.1".parse().unwrap()),
            "nobody is trusted by default"
        );
    }

    #[test]
    fn what_is_no_peer_is_told() {
        for (text, problem) in [
            ("a", "`a` is neither a network such as `10.0.0.0/8` nor an address such as `192.0.2.1`"),
            (
                "10.0.0.0/33",
                "`10.0.0.0/33` is neither a network such as `10.0.0.0/8` nor an address such as `192.0.2.1`",
            ),
            ("", "`` is neither a network such as `10.0.0.0/8` nor an address such as `192.0.2.1`"),
            (
                "10.0.0.1/8",
                "`10.0.0.1/8` has bits beyond its prefix; say `10.0.0.0/8`, or `10.0.0.1` for the one address",
            ),
        ] {
            assert_eq!(TrustedPeers::parse(&[text]).unwrap_err().to_string(), problem);
        }
        assert_eq!(TrustedPeers::parse(&vec!["10.0.0.1"; 1025]), Err(InvalidPeer::TooMany));
    }

    #[test]
    fn a_file_holds_a_list_of_texts() {
        let peers: TrustedPeers = serde_json::from_str(r#"["10.0.0.0/8", "::1"]"#).unwrap();
        assert_eq!(serde_json::to_string(&peers).unwrap(), r#"["10.0.0.0/8","::1/128"]"#);
        assert!(serde_json::from_str::<TrustedPeers>(r#"["10.0.0.1/8"]"#).is_err());
    }
}
