//! Which certificate is for which host: an exact name first, then a star for its first label, as certificates mean it
//! (RFC 6125, 6.4.3).

use std::collections::HashMap;
use std::fmt;

use crate::limits::{HOST_BYTES, LABEL_BYTES};

/// The name of a host, or of all hosts with one more label. Compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `shop.example`.
    Exact(String),
    /// `*.shop.example` is kept as `shop.example`: whatever stands for the star is one label.
    OneLabelBefore(String),
}

/// A text that is no name of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no host: say a name such as `shop.example` or `*.shop.example`, without scheme, port and path"
)]
pub struct InvalidHost(pub String);

impl HostPattern {
    /// Reads `shop.example` or `*.shop.example`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        let rest = text.strip_prefix("*.");
        let name = rest.unwrap_or(text).to_ascii_lowercase();
        let fits = !name.is_empty() && text.len() <= HOST_BYTES;
        // A star before a single label would be for a whole top-level domain.
        let dotted = rest.is_none() || name.contains('.');
        if !fits || !dotted || !name.split('.').all(is_label) {
            return Err(invalid());
        }
        Ok(if rest.is_some() { Self::OneLabelBefore(name) } else { Self::Exact(name) })
    }

    /// Whether a certificate with this name is good for all hosts of `other`.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::OneLabelBefore(of), Self::Exact(name)) => after_first_label(name) == Some(of),
            _ => self == other,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::OneLabelBefore(of) => write!(f, "*.{of}"),
        }
    }
}

fn is_label(label: &str) -> bool {
    let of = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LABEL_BYTES).contains(&label.len()) && label.bytes().all(of)
}

fn after_first_label(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest)
}

/// What is for which hosts; several may be for one. Two look-ups at the most, whatever its size.
#[derive(Debug)]
pub(super) struct HostTable<T> {
    exact: HashMap<String, Vec<T>>,
    one_label_before: HashMap<String, Vec<T>>,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), one_label_before: HashMap::new() }
    }
}

impl<T> HostTable<T> {
    /// All that is for just this pattern, to be added to.
    pub(super) fn entry(&mut self, pattern: &HostPattern) -> &mut Vec<T> {
        match pattern {
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::OneLabelBefore(of) => self.one_label_before.entry(of.clone()).or_default(),
        }
    }

    /// All that is for `host`; empty when nothing is.
    pub(super) fn find(&self, host: &str) -> &[T] {
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.find_lowercase(&host.to_ascii_lowercase());
        }
        self.find_lowercase(host)
    }

    fn find_lowercase(&self, host: &str) -> &[T] {
        let wild = || after_first_label(host).and_then(|of| self.one_label_before.get(of));
        self.exact.get(host).or_else(wild).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_is_a_host_or_a_star_before_one() {
        for text in ["shop.example", "*.shop.example", "localhost", "a-b_c.example", "xn--f-tja.example"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("*.Shop.Example").to_string(), "*.shop.example");
        let long = "a".repeat(64);
        for text in [
            "",
            "*",
            "*.",
            "*.example",
            "a.*.b",
            "a..b",
            ".a",
            "a.",
            "a:443",
            "https://a",
            "a/b",
            "ñ.b",
            &long,
        ] {
            assert_eq!(HostPattern::parse(text), Err(InvalidHost(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_one_label() {
        for (certificate, host, covers) in [
            ("shop.example", "shop.example", true),
            ("SHOP.example", "shop.EXAMPLE", true),
            ("*.shop.example", "a.shop.example", true),
            ("*.shop.example", "shop.example", false),
            ("*.shop.example", "a.b.shop.example", false),
            ("*.shop.example", "*.shop.example", true),
            ("a.shop.example", "*.shop.example", false),
            ("*.shop.example", "*.a.shop.example", false),
        ] {
            assert_eq!(pattern(certificate).covers(&pattern(host)), covers, "{certificate} for {host}");
        }
    }

    #[test]
    fn the_exact_name_comes_before_the_star() {
        let mut table = HostTable::default();
        for (text, value) in
            [("*.shop.example", 1), ("a.shop.example", 2), ("shop.example", 3), ("shop.example", 4)]
        {
            table.entry(&pattern(text)).push(value);
        }
        for (host, found) in [
            ("a.shop.example", &[2][..]),
            ("A.Shop.Example", &[2]),
            ("b.shop.example", &[1]),
            ("shop.example", &[3, 4]),
            ("x.b.shop.example", &[]),
            ("example", &[]),
            ("", &[]),
            (".shop.example", &[1]),
        ] {
            assert_eq!(table.find(host), found, "{host}");
        }
    }
}
