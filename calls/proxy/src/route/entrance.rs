//! What is said of connections before anything in them is a request: whose word about their client is believed, and
//! which are passed on as they are, by the host that a TLS client asks for.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use mamparo_tls::proxy_protocol::TrustedPeers;

use super::{Host, RoutingError};

/// Which TLS connections are passed on without a look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The hosts that their clients ask for; not empty.
    pub hosts: Vec<Host>,
    /// The service that they lead to. It gets the bytes of the client, its handshake included.
    pub service: String,
}

/// What is said of connections to the edge.
#[derive(Debug, Default)]
pub(crate) struct Entrance {
    peers: TrustedPeers,
    exact: HashMap<String, usize>,
    /// By a domain with its leading dot.
    below: HashMap<String, usize>,
    services: HashSet<usize>,
}

impl Entrance {
    /// `number` gives the number of a service.
    pub(super) fn new(
        peers: TrustedPeers,
        passages: Vec<Passage>,
        number: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, RoutingError> {
        let mut entrance = Self { peers, ..Self::default() };
        for Passage { hosts, service } in passages {
            let Some(to) = number(&service) else { return Err(RoutingError::PassedNowhere(service)) };
            entrance.services.insert(to);
            for host in hosts {
                let text = host.to_string();
                let before = match host {
                    Host::Exact(host) => entrance.exact.insert(host, to),
                    Host::Below(domain) => entrance.below.insert(domain, to),
                };
                if before.is_some() {
                    return Err(RoutingError::PassedTwice(text));
                }
            }
        }
        Ok(entrance)
    }

    /// Whether connections from `peer` begin with what it says of their client.
    pub(crate) fn is_told_by(&self, peer: IpAddr) -> bool {
        !self.peers.is_empty() && self.peers.contains(peer)
    }

    /// Whether any connection is passed on.
    pub(crate) fn passes_some(&self) -> bool {
        !self.services.is_empty()
    }

    /// The number of the service that a connection is passed on to whose client asks for `host`, in lower case: that of
    /// the exact host before that of the longest domain.
    pub(crate) fn passes(&self, host: &str) -> Option<usize> {
        if let Some(to) = self.exact.get(host) {
            return Some(*to);
        }
        let dots = host.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
        dots.filter_map(|at| host.get(at..)).find_map(|domain| self.below.get(domain)).copied()
    }

    /// Whether connections are passed on to the service of this number.
    pub(crate) fn leads_to(&self, service: usize) -> bool {
        self.services.contains(&service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(hosts: &[&str], service: &str) -> Passage {
        Passage { hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), service: service.into() }
    }

    fn entrance(passages: Vec<Passage>) -> Result<Entrance, RoutingError> {
        Entrance::new(TrustedPeers::default(), passages, |name| {
            ["a", "b", "c"].iter().position(|s| *s == name)
        })
    }

    #[test]
    fn the_exact_host_comes_before_the_longest_domain() {
        let entrance =
            entrance(vec![passage(&["*.example", "x.deep.example"], "a"), passage(&["*.deep.example"], "b")])
                .unwrap();
        for (host, to) in [
            ("x.deep.example", Some(0)),
            ("y.deep.example", Some(1)),
            ("z.y.deep.example", Some(1)),
            ("deep.example", Some(0)),
            ("example", None),
            (".example", None),
            ("other", None),
            ("", None),
        ] {
            assert_eq!(entrance.passes(host), to, "{host}");
        }
        assert!(entrance.leads_to(0) && entrance.leads_to(1) && !entrance.leads_to(2));
        assert!(entrance.passes_some() && !Entrance::default().passes_some());
    }

    #[test]
    fn a_host_is_passed_on_to_one_service_that_is_there() {
        let error = |passages| entrance(passages).unwrap_err().to_string();
        assert_eq!(
            error(vec![passage(&["x.example"], "d")]),
            "connections are passed on to the service \"d\", which is not there"
        );
        assert_eq!(
            error(vec![passage(&["*.x.example"], "a"), passage(&["*.X.example"], "b")]),
            "connections for *.x.example are passed on twice"
        );
    }

    #[test]
    fn only_the_word_of_listed_peers_counts() {
        let peers = TrustedPeers::parse(&["10.0.0.0/8"]).unwrap();
        let entrance = Entrance::new(peers, Vec::new(), |_| None).unwrap();
        assert!(entrance.is_told_by("10.1.1.1".parse().unwrap()));
        assert!(!entrance.is_told_by("11.1.1.1".parse().unwrap()));
        assert!(!Entrance::default().is_told_by("10.1.1.1".parse().unwrap()));
    }
}
