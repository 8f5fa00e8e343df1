//! Decides under which address an answer is kept: its URI, with the host in lower case, without the port that everybody
//! means, and without what of the query makes no difference.

use std::borrow::Cow;

use http::Uri;

use crate::limits::KEY_BYTES_MAX;

/// What of a query is part of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRule {
    /// Whether it is at all.
    pub counts: bool,
    /// Parameters that are not, by name; a `*` at the end stands for any end.
    pub ignored: Vec<String>,
}

impl Default for QueryRule {
    fn default() -> Self {
        Self { counts: true, ignored: Vec::new() }
    }
}

/// The address of a resource, such as `https://example.com/a?b=c`; `None` if it is none, or too long. No two resources
/// have the same: an authority has no slash in it, and a path begins with one.
pub fn address(
    scheme: &str,
    authority: &str,
    path: &str,
    query: Option<&str>,
    rule: &QueryRule,
) -> Option<String> {
    let authority = authority.strip_suffix(default_port(scheme)).unwrap_or(authority);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'\\');
    if authority.is_empty() || !authority.bytes().all(is_plain) || !path.starts_with('/') {
        return None;
    }
    let query = query.filter(|_| rule.counts);
    let length = scheme.len() + authority.len() + path.len() + query.map_or(0, str::len);
    if length > KEY_BYTES_MAX {
        return None;
    }
    let mut address = String::with_capacity(length + 4);
    address.push_str(scheme);
    address.push_str("://");
    address.push_str(authority);
    address.make_ascii_lowercase();
    address.push_str(path);
    if let Some(query) = query {
        write_query(&mut address, query, &rule.ignored);
    }
    Some(address)
}

fn default_port(scheme: &str) -> &'static str {
    if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" }
}

fn write_query(address: &mut String, query: &str, ignored: &[String]) {
    if ignored.is_empty() {
        address.push('?');
        address.push_str(query);
        return;
    }
    let mut mark = '?';
    for parameter in query.split('&') {
        let name = parameter.split('=').next().unwrap_or_default();
        let is_ignored = ignored.iter().any(|rule| match rule.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == rule,
        });
        if !is_ignored {
            address.push(mark);
            address.push_str(parameter);
            mark = '&';
        }
    }
}

/// The address that is written in a text such as an administrator gives.
pub fn address_of(text: &str, rule: &QueryRule) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    address(uri.scheme_str()?, uri.authority()?.as_str(), uri.path(), uri.query(), rule)
}

/// The address that `reference`, such as a `Location`, means beside the resource at `address`, if it is of the same
/// origin (RFC 9111, 4.4; RFC 3986, 5.2).
pub fn same_origin(address: &str, reference: &str, rule: &QueryRule) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let (scheme, rest) = address.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/')?);
    let origin = |other: &str| other.starts_with(&format!("{scheme}://{authority}/"));
    if reference.starts_with("//") {
        return address_of(&format!("{scheme}:{reference}"), rule).filter(|other| origin(other));
    }
    if has_scheme(reference) {
        return address_of(reference, rule).filter(|other| origin(other));
    }
    let path = path.split('?').next().unwrap_or_default();
    let (own_path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let merged: Cow<'_, str> = match own_path {
        "" => path.into(),
        absolute if absolute.starts_with('/') => absolute.into(),
        relative => format!("{}/{relative}", path.rsplit_once('/')?.0).into(),
    };
    self::address(scheme, authority, &without_dots(&merged), query, rule)
}

fn has_scheme(reference: &str) -> bool {
    let end = reference.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
    end.is_some_and(|end| end > 0 && reference[end..].starts_with(':'))
}

/// A path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => _ = kept.pop(),
            other => kept.push(other),
        }
    }
    let is_folder = path.ends_with("/.") || path.ends_with("/..");
    format!("/{}{}", kept.join("/"), if is_folder && !kept.is_empty() { "/" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_makes_a_resource_another_one() {
        let ignoring = QueryRule { counts: true, ignored: vec!["utm_*".into(), "gclid".into()] };
        let without = QueryRule { counts: false, ignored: vec![] };
        let all = QueryRule::default();
        for (scheme, authority, path, query, rule, expected) in [
            ("https", "A.Example", "/A", None, &all, Some("https://a.example/A")),
            ("https", "a:443", "/", Some("b=C"), &all, Some("https://a/?b=C")),
            ("https", "a:80", "/", Some(""), &all, Some("https://a:80/?")),
            ("http", "a:80", "/", None, &all, Some("http://a/")),
            ("http", "a", "/", Some("utm_x=1&b=2&gclid=3&c"), &ignoring, Some("http://a/?b=2&c")),
            ("http", "a", "/", Some("utm_x=1&gclid"), &ignoring, Some("http://a/")),
            ("http", "a", "/", Some("gclids=1"), &ignoring, Some("http://a/?gclids=1")),
            ("http", "a", "/", Some("b=2"), &without, Some("http://a/")),
            ("http", "[::1]:8080", "/", None, &all, Some("http://[::1]:8080/")),
            ("http", "", "/", None, &all, None),
            ("http", "a/b", "/", None, &all, None),
            ("http", "u@a", "/", None, &all, None),
            ("http", "a b", "/", None, &all, None),
            ("http", "a", "*", None, &all, None),
            ("http", "a", "", None, &all, None),
        ] {
            let address = address(scheme, authority, path, query, rule);
            assert_eq!(address.as_deref(), expected, "{authority} {path} {query:?}");
        }
        assert_eq!(address("http", "a", &format!("/{}", "l".repeat(KEY_BYTES_MAX)), None, &all), None);
    }

    #[test]
    fn a_reference_is_followed_within_its_origin_only() {
        let all = QueryRule::default();
        for (reference, expected) in [
            ("/x?y=1", Some("https://a/x?y=1")),
            ("x", Some("https://a/b/x")),
            ("../x#top", Some("https://a/x")),
            ("../../../x/.", Some("https://a/x/")),
            ("./x/../z", Some("https://a/b/z")),
            ("?q", Some("https://a/b/c?q")),
            ("", Some("https://a/b/c")),
            ("https://A:443/x", Some("https://a/x")),
            ("//a/x", Some("https://a/x")),
            ("//b/x", None),
            ("http://a/x", None),
            ("https://a.evil/x", None),
            ("https://a:444/x", None),
            ("mailto:me", None),
        ] {
            let found = same_origin("https://a/b/c?d=e", reference, &all);
            assert_eq!(found.as_deref(), expected, "{reference}");
        }
    }
}
