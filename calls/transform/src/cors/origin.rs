//! Which origins are allowed. An origin is compared as the bytes that a browser writes: scheme, host and port in
//! their one form (<https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin>).

use crate::config::InvalidConfig;
use crate::limits::{ORIGIN_BYTES_MAX, ORIGINS_MAX};

/// The origins that a file names.
#[derive(Clone, Debug)]
pub(super) enum Origins {
    Any,
    Listed { exact: Vec<String>, below: Vec<Below> },
}

/// All hosts below one: `https://*.shop.example:8443`.
#[derive(Clone, Debug)]
pub(super) struct Below {
    /// `https://`
    scheme: String,
    /// `.shop.example:8443`
    tail: String,
}

impl Origins {
    pub(super) fn read(texts: &[String]) -> Result<Self, InvalidConfig> {
        InvalidConfig::unless(!texts.is_empty(), "origins", "at least one")?;
        InvalidConfig::unless(texts.len() <= ORIGINS_MAX, "origins", &format!("at most {ORIGINS_MAX}"))?;
        let (mut exact, mut below) = (Vec::new(), Vec::new());
        for (at, text) in texts.iter().enumerate() {
            let field = format!("origins[{at}]");
            if text == "*" {
                InvalidConfig::unless(texts.len() == 1, &field, "`*` stands alone, or not at all")?;
                return Ok(Self::Any);
            }
            match read(text).map_err(|problem| InvalidConfig::new(field, format!("`{text}` {problem}")))? {
                Read::Exact => exact.push(text.clone()),
                Read::Below(one) => below.push(one),
            }
        }
        Ok(Self::Listed { exact, below })
    }

    pub(super) fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    pub(super) fn allow(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Listed { exact, below } => {
                origin.len() <= ORIGIN_BYTES_MAX
                    && (exact.iter().any(|one| one.as_bytes() == origin)
                        || below.iter().any(|one| one.covers(origin)))
            }
        }
    }
}

impl Below {
    fn covers(&self, origin: &[u8]) -> bool {
        let labels = origin
            .strip_prefix(self.scheme.as_bytes())
            .and_then(|rest| rest.strip_suffix(self.tail.as_bytes()));
        labels.is_some_and(|labels| labels.split(|byte| *byte == b'.').all(is_label))
    }
}

enum Read {
    Exact,
    Below(Below),
}

fn read(text: &str) -> Result<Read, &'static str> {
    if text == "null" {
        return Ok(Read::Exact);
    }
    let (scheme, authority) =
        text.split_once("://").ok_or("is not an origin such as https://shop.example")?;
    let scheme_is_good =
        scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(is_scheme_byte);
    if !scheme_is_good {
        return Err("has a scheme that no browser writes so: lower case");
    }
    let (wild, authority) = match authority.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, authority),
    };
    let (host, port) = split_port(authority)?;
    match (scheme, port) {
        ("http", Some(80)) | ("https", Some(443)) => return Err("names a port that browsers leave out"),
        _ => {}
    }
    let is_v6 = host.starts_with('[') && host.ends_with(']') && !wild && is_v6_text(host);
    if !is_v6 && !host.split('.').all(|label| is_label(label.as_bytes())) {
        return Err("has a host that no browser writes so: lower case, no path, no `*` but `*.` in front");
    }
    if !wild {
        return Ok(Read::Exact);
    }
    if !host.contains('.') && host != "localhost" {
        return Err("would allow nearly everyone");
    }
    Ok(Read::Below(Below { scheme: format!("{scheme}://"), tail: format!(".{authority}") }))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_host = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority.get(after_host..).and_then(|rest| rest.find(':')) else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_host + colon);
    let port = port.trim_start_matches(':');
    let number: u16 = port.parse().map_err(|_| "has a port that is no number")?;
    if number.to_string() == port {
        Ok((host, Some(number)))
    } else {
        Err("has a port that no browser writes so")
    }
}

fn is_v6_text(host: &str) -> bool {
    let inner = host.trim_start_matches('[').trim_end_matches(']');
    inner.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.to_string() == inner)
}

fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
}

fn is_label(label: &[u8]) -> bool {
    let is_good =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.len() <= 63 && label.iter().all(is_good)
}
