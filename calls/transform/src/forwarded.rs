//! Where a request comes from, and what the service is told about it: `x-forwarded-for`, `-proto`, `-host`, `-port`,
//! and `forwarded` (RFC 7239).
//!
//! What a client says about hops before it is a claim. By default nobody is trusted, and every claim is replaced. With
//! trusted hops the claims are read from the nearest on, for as long as the hop that made them is trusted; the first
//! that is not is the client. What stands to the left of it is dropped, so that a service that takes the first of the
//! list takes the client too. This is decided for the listener, before there is a route: limits and logs go by the
//! address that is found here.

mod config;
mod element;
mod network;
mod node;

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

pub use config::{ClaimHeaders, ForwardedConfig};
pub use element::{Element, Malformed, parse};
pub use network::{InvalidNetwork, Network};
pub use node::node_address;

use crate::limits::{FORWARDED_BYTES_MAX, HOPS_MAX};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Who is trusted to say where a request comes from.
pub trait Trust {
    /// Whether the hop is: `hop` counts from 0, which is the peer of the connection.
    fn trusts(&self, hop: usize, address: IpAddr) -> bool;
}

impl<F: Fn(usize, IpAddr) -> bool> Trust for F {
    fn trusts(&self, hop: usize, address: IpAddr) -> bool {
        self(hop, address)
    }
}

/// What the proxy itself knows of a request.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The peer of the connection.
    pub peer: IpAddr,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// The host that was asked, as `host` or `:authority` says it.
    pub host: Option<&'a HeaderValue>,
    /// The port of the listener.
    pub port: u16,
    /// `peer` and `port` as headers say them, where somebody has them at hand: they are not written anew then.
    pub texts: Option<(&'a HeaderValue, &'a HeaderValue)>,
}

/// Where a request comes from, as far back as hops are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address of the client.
    pub address: IpAddr,
    /// Whether the client came over TLS, to us or to a hop that is trusted.
    pub tls: bool,
    /// The host that the client asked.
    pub host: Option<HeaderValue>,
    /// The port that the client asked, where it is known.
    pub port: Option<u16>,
    /// The hops after the client, the peer last. Empty where the peer is the client.
    pub via: Vec<IpAddr>,
}

/// The rules of a listener, read once.
#[derive(Clone, Debug)]
pub struct Forwarded {
    trusted_hops: usize,
    networks: Vec<Network>,
    read: ClaimHeaders,
    write_x_forwarded: bool,
    write_forwarded: bool,
}

impl Default for Forwarded {
    /// As [`ForwardedConfig::default`].
    fn default() -> Self {
        let (read, networks) = (ClaimHeaders::default(), Vec::new());
        Self { trusted_hops: 0, networks, read, write_x_forwarded: true, write_forwarded: false }
    }
}

impl Trust for Forwarded {
    fn trusts(&self, hop: usize, address: IpAddr) -> bool {
        hop < self.trusted_hops || self.networks.iter().any(|network| network.holds(address))
    }
}

impl Forwarded {
    /// The same, with nobody who is trusted.
    #[must_use]
    pub fn trusting_nobody(&self) -> Self {
        Self { trusted_hops: 0, networks: Vec::new(), ..self.clone() }
    }

    /// Finds the client and replaces what the request claims by what is known. To be called once for a request, after
    /// the headers of its connection were stripped and before anything goes by its address.
    pub fn apply(&self, headers: &mut HeaderMap, hop: &Hop<'_>) -> Client {
        let client = find(self.read, self, headers, hop);
        for name in [
            &X_FORWARDED_FOR,
            &X_FORWARDED_HOST,
            &X_FORWARDED_PORT,
            &X_FORWARDED_PROTO,
            &X_REAL_IP,
            &header::FORWARDED,
        ] {
            headers.remove(name);
        }
        if self.write_x_forwarded {
            write_x_forwarded(headers, &client, hop);
        }
        if self.write_forwarded {
            let elements = element::text(&client);
            if let Ok(value) = HeaderValue::try_from(elements) {
                headers.insert(header::FORWARDED, value);
            }
        }
        client
    }
}

/// Where a request comes from. Pure; headers that are malformed, or that stand twice where one may, claim nothing.
pub fn find(read: ClaimHeaders, trust: &impl Trust, headers: &HeaderMap, hop: &Hop<'_>) -> Client {
    let own = Client {
        address: hop.peer,
        tls: hop.tls,
        host: hop.host.cloned(),
        port: Some(hop.port),
        via: Vec::new(),
    };
    if !trust.trusts(0, hop.peer) {
        return own;
    }
    match read {
        ClaimHeaders::XForwarded => from_x_forwarded(trust, headers, own),
        ClaimHeaders::Forwarded => from_forwarded(trust, headers, own),
    }
}

/// Goes back through `claims`, the nearest first, while they come from hops that are trusted. Returns how many of them
/// hold; the last of these is the client.
fn go_back(trust: &impl Trust, claims: impl Iterator<Item = Option<IpAddr>>, client: &mut Client) -> usize {
    let mut held = 0;
    for claim in claims.take(HOPS_MAX) {
        // Nobody can say who made the claims before one that names no address.
        let Some(address) = claim else { break };
        client.via.insert(0, client.address);
        client.address = address;
        held += 1;
        if !trust.trusts(held, address) {
            break;
        }
    }
    held
}

fn from_x_forwarded(trust: &impl Trust, headers: &HeaderMap, own: Client) -> Client {
    let mut client = own;
    let lines: Vec<&str> = lines(headers, &X_FORWARDED_FOR).unwrap_or_default();
    let claims = lines.iter().rev().flat_map(|line| line.rsplit(',')).map(|claim| node_address(claim.trim()));
    go_back(trust, claims, &mut client);
    // What the peer says of these goes without a claim of an address too: it may not know one.
    let proto = single(headers, &X_FORWARDED_PROTO).and_then(is_https);
    if let Some(tls) = proto {
        client.tls = tls;
        client.port = None;
    }
    if let Some(host) = single(headers, &X_FORWARDED_HOST).filter(|host| is_authority(host)) {
        client.host = HeaderValue::from_str(host).ok();
        client.port = None;
    }
    if let Some(port) = single(headers, &X_FORWARDED_PORT).and_then(port) {
        client.port = Some(port);
    }
    client
}

fn from_forwarded(trust: &impl Trust, headers: &HeaderMap, own: Client) -> Client {
    let mut client = own;
    let elements = lines(headers, &header::FORWARDED).and_then(|lines| {
        let parsed: Result<Vec<_>, _> = lines.into_iter().map(parse).collect();
        parsed.ok().map(|elements| elements.concat())
    });
    let Some(elements) = elements.filter(|elements| !elements.is_empty()) else { return client };
    let claims = elements.iter().rev().map(|element| element.address());
    let held = go_back(trust, claims, &mut client);
    // Each element is of one hop: what the client asked stands in the one that names the client.
    let Some(element) = elements.iter().rev().nth(held.saturating_sub(1)) else { return client };
    if let Some(tls) = element.proto.as_deref().and_then(is_https) {
        client.tls = tls;
        client.port = None;
    }
    if let Some(host) = element.host.as_deref().filter(|host| is_authority(host)) {
        client.host = HeaderValue::from_str(host).ok();
        client.port = None;
    }
    client
}

/// All lines of a header; nothing where one of them is not text, or where they are too long.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    let mut length = 0;
    let mut lines = Vec::new();
    for value in headers.get_all(name) {
        length += value.len();
        lines.push(value.to_str().ok().filter(|_| length <= FORWARDED_BYTES_MAX)?);
    }
    Some(lines)
}

/// The value of a header that stands once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn is_https(proto: &str) -> Option<bool> {
    if proto.eq_ignore_ascii_case("https") {
        Some(true)
    } else if proto.eq_ignore_ascii_case("http") {
        Some(false)
    } else {
        None
    }
}

fn is_authority(host: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]%~".contains(&byte);
    !host.is_empty() && host.len() <= 260 && host.bytes().all(is_good)
}

/// A port from 1 to 65535, written in digits alone.
fn port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

fn write_x_forwarded(headers: &mut HeaderMap, client: &Client, hop: &Hop<'_>) {
    let texts = hop.texts.map(|(peer, port)| (peer.clone(), port.clone()));
    let (peer, port) = texts.unzip();
    if let Some(chain) = peer.filter(|_| client.via.is_empty()).or_else(|| chain(client)) {
        headers.insert(X_FORWARDED_FOR, chain);
    }
    let proto = if client.tls { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    if let Some(host) = &client.host {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    if let Some(said) = client.port {
        let ready = port.filter(|_| said == hop.port);
        headers.insert(X_FORWARDED_PORT, ready.unwrap_or_else(|| HeaderValue::from(said)));
    }
}

/// The client and the hops after it.
fn chain(client: &Client) -> Option<HeaderValue> {
    let mut chain = client.address.to_string();
    for hop in &client.via {
        chain.push_str(", ");
        chain.push_str(&hop.to_string());
    }
    HeaderValue::try_from(chain).ok()
}

#[cfg(test)]
mod tests;
