//! Where a request comes from, behind hops that are trusted or not. Decided once, before there is a route: routes may
//! ask for what services are told about it, and logs, keys of balancers and rules of routes go by the address that is
//! found here.

use http::header::{self, HeaderMap, HeaderValue};
use mamparo_transform::forwarded::{Forwarded, Hop};

use crate::accept::Peer;
use crate::options::Door;

/// Who is believed, by the door that a request came in.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    edge: Forwarded,
    /// Services call from where they are: nobody stands before them.
    mesh: Forwarded,
}

/// The client, where it is another one than the peer of the connection, or came in another way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its address, as a header says it.
    pub(crate) address: HeaderValue,
    /// Whether it came over TLS.
    pub(crate) tls: bool,
    /// The host that it asked.
    pub(crate) host: Option<HeaderValue>,
}

impl Origins {
    pub(crate) fn new(rules: Forwarded) -> Self {
        Self { mesh: rules.trusting_nobody(), edge: rules }
    }

    /// Finds the client and replaces what the headers claim by what is known. Nothing where the client is the peer;
    /// then nothing is allocated either.
    pub(crate) fn find(&self, peer: &Peer, headers: &mut HeaderMap) -> Option<Box<Origin>> {
        let rules = match peer.door {
            Door::Edge | Door::Both => &self.edge,
            Door::Mesh => &self.mesh,
        };
        let (connection, host) = (&peer.client, headers.get(header::HOST).cloned());
        let hop = Hop {
            peer: connection.ip,
            tls: connection.tls.is_some(),
            host: host.as_ref(),
            port: connection.port.number,
            texts: Some((&connection.address, &connection.port.text)),
        };
        let client = rules.apply(headers, &hop);
        if client.via.is_empty() && client.tls == hop.tls && client.host.as_ref() == hop.host {
            return None;
        }
        let address = match client.via.is_empty() {
            true => connection.address.clone(),
            false => HeaderValue::try_from(client.address.to_string()).ok()?,
        };
        Some(Box::new(Origin { address, tls: client.tls, host: client.host }))
    }
}
