//! Who the client of a connection is, as a balancer says it before anything else: the PROXY protocol, versions 1 and 2
//! (haproxy's `proxy-protocol.txt`), read and written.
//!
//! Whoever sends such a header can claim any address. It is read from peers that are listed ([`TrustedPeers`]) and from
//! nobody else; and from those it is not guessed whether there is one: [`Parsed::Absent`] ends the connection, as
//! [`Parsed::Malformed`] does (section 2).

mod trusted;
mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

pub use trusted::{InvalidPeer, TrustedPeers};
pub use v1::write_v1;
pub use v2::write_v2;

/// Who connected to whom, on the far side of the one who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// They may become a header; more are needed.
    Incomplete,
    /// They are none, in either version.
    Absent,
    /// They begin with a header.
    Header {
        /// Who connected to whom; nothing where the sender speaks for itself (a health check), does not know, or speaks
        /// of something that is no IP: then the addresses of the connection itself count.
        addresses: Option<Addresses>,
        /// How many bytes it takes. What follows is the connection.
        consumed: usize,
    },
    /// They begin like a header and break its rules in this way.
    Malformed(&'static str),
}

/// Reads the first bytes of a connection. To be asked again with more of them while the answer is
/// [`Parsed::Incomplete`], which it is for at most 107 bytes of version 1, and 16 + 4,096 bytes of version 2.
pub fn parse(bytes: &[u8]) -> Parsed {
    if begins_alike(bytes, v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins_alike(bytes, v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Parsed::Absent
    }
}

/// Whether one begins with the other, as far as there are bytes.
fn begins_alike(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(byte, expected)| byte == expected)
}

impl Addresses {
    /// Both as addresses of one family: an IPv4 address beside an IPv6 one is written as IPv6 (`::ffff:a.b.c.d`).
    fn of_one_family(self) -> Self {
        let mapped = |address: SocketAddr| match address.ip() {
            IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
            IpAddr::V6(_) => address,
        };
        if self.source.is_ipv4() == self.destination.is_ipv4() {
            self
        } else {
            Self { source: mapped(self.source), destination: mapped(self.destination) }
        }
    }
}

#[cfg(test)]
mod tests;
