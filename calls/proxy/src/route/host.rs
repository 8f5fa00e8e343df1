//! Which hosts a route takes, and what the `host` header of a request says.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The domain under which services have their names on a listener of the mesh.
pub(crate) const MESH_SUFFIX: &str = ".mamparo";

/// The hosts that a route takes: one host, or all below a domain (`*.example.org`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// This host.
    Exact(String),
    /// Every host below this domain, which is written with its leading dot (`.example.org`).
    Below(String),
}

/// A text that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host: write api.example.org, or *.example.org for all hosts below a domain")]
pub struct InvalidHost(pub String);

impl FromStr for Host {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let domain = text.strip_prefix('*').unwrap_or(text);
        let labels = if domain.len() < text.len() { domain.strip_prefix('.') } else { Some(domain) };
        match labels {
            Some(labels) if is_name(labels) || labels.parse::<std::net::Ipv6Addr>().is_ok() => {
                let domain = domain.to_ascii_lowercase();
                Ok(if text.starts_with('*') { Self::Below(domain) } else { Self::Exact(domain) })
            }
            _ => Err(InvalidHost(text.to_owned())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(domain) => write!(f, "*{domain}"),
        }
    }
}

/// Whether it is a name as DNS has them, or an IPv4 address.
pub(super) fn is_name(labels: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    labels.len() <= 253 && labels.split('.').all(label)
}

/// The host that a `host` header or an authority names: without its port, in lower case, without the dot at its
/// end; `None` when it names none.
pub(crate) fn host_of(authority: &str) -> Option<Cow<'_, str>> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let at = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(at);
            let host = host.strip_suffix('.').unwrap_or(host);
            if !is_name(host) {
                return None;
            }
            (host, port)
        }
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => digits.is_empty() || digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    let lower = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    port_is_good.then(|| if lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_from_what_the_request_says() {
        for (authority, host) in [
            ("example.org", Some("example.org")),
            ("Example.ORG:8080", Some("example.org")),
            ("example.org.", Some("example.org")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("::1")),
            ("a_b:", Some("a_b")),
            ("", None),
            (":80", None),
            ("a b", None),
            ("user@example.org", None),
            ("a..b", None),
            ("example.org:x", None),
            ("example.org:99999", None),
            ("[::1", None),
            ("[x]", None),
            ("a,b", None),
            ("a/b", None),
        ] {
            assert_eq!(host_of(authority).as_deref(), host, "{authority}");
        }
    }

    #[test]
    fn a_host_of_a_route_is_a_name_or_a_domain() {
        assert_eq!("Api.Example.org".parse(), Ok(Host::Exact("api.example.org".into())));
        assert_eq!("*.Example.org".parse(), Ok(Host::Below(".example.org".into())));
        for bad in ["", "*", "*.", "a*.org", "*example.org", "a b", "a..b", "http://a", "a:80"] {
            assert_eq!(bad.parse::<Host>(), Err(InvalidHost(bad.into())), "{bad}");
        }
    }
}
