//! Fields that are lists (RFC 9110, 5.6.1), read without a copy; and how `vary` grows.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The members of a list, over all lines of the field. Empty members and lines that are not text are left out.
/// Commas within quotes do not count here: none of the fields that are read so can hold quotes.
pub(crate) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

/// Whether a directive stands in `cache-control`, with or without an argument.
pub(crate) fn has_cache_directive(headers: &HeaderMap, directive: &str) -> bool {
    members(headers, &header::CACHE_CONTROL).any(|member| {
        member.split('=').next().is_some_and(|name| name.trim_end().eq_ignore_ascii_case(directive))
    })
}

/// Adds a name to `vary`, unless it stands there or `*` does.
pub(crate) fn vary_on(headers: &mut HeaderMap, name: &'static str) {
    let stands =
        members(headers, &header::VARY).any(|member| member == "*" || member.eq_ignore_ascii_case(name));
    if !stands {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

/// The type and subtype of a `content-type`, without its parameters; as it was written.
pub(crate) fn essence(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|essence| essence.trim_matches([' ', '\t']))
}

/// Whether a `content-type` says JSON: `application/json`, or any type that ends in `+json` (RFC 6839).
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| {
        let lower = essence.to_ascii_lowercase();
        lower == "application/json" || lower.ends_with("+json")
    })
}

/// Drops what held for the bytes of a body that becomes another: digests and ranges.
pub(crate) fn forget_bytes(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::ACCEPT_RANGES);
    for name in ["content-digest", "content-md5", "digest", "repr-digest"] {
        headers.remove(name);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A map of these lines.
    pub(crate) fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    /// The values of a header, one after the other.
    pub(crate) fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn vary_grows_only_by_what_is_new() {
        for (before, after) in [
            (&[][..], &["origin"][..]),
            (&[("vary", "Accept")], &["Accept", "origin"]),
            (&[("vary", "Accept, Origin")], &["Accept, Origin"]),
            (&[("vary", "a"), ("vary", "ORIGIN")], &["a", "ORIGIN"]),
            (&[("vary", "*")], &["*"]),
        ] {
            let mut headers = map(before);
            vary_on(&mut headers, "origin");
            assert_eq!(values(&headers, "vary"), after);
        }
    }

    #[test]
    fn directives_and_types_are_found_however_they_are_written() {
        let headers = map(&[("cache-control", "max-age=5"), ("cache-control", "public , No-Transform")]);
        assert!(has_cache_directive(&headers, "no-transform"));
        assert!(has_cache_directive(&headers, "max-age"));
        assert!(!has_cache_directive(&headers, "private"));
        for (value, json) in [
            ("application/json", true),
            ("Application/JSON ; charset=utf-8", true),
            ("application/problem+json", true),
            ("application/jsonp", false),
            ("text/plain; a=application/json", false),
        ] {
            assert_eq!(is_json(&map(&[("content-type", value)])), json, "{value}");
        }
    }
}
