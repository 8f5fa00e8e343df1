//! Which headers belong to one connection only and are therefore not passed on (RFC 9110, 7.6.1), whoever names
//! them and however often; and which headers nobody may strip by naming them.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What the stripped headers said that still matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stripped {
    /// The body was chunked.
    pub(crate) chunked: bool,
    /// The sender takes trailers.
    pub(crate) takes_trailers: bool,
}

/// Removes what belongs to the connection. `trailer` stays: it announces what is passed on with the body.
pub(crate) fn strip(headers: &mut HeaderMap) -> Stripped {
    if headers.contains_key(header::CONNECTION) {
        remove_nominated(headers);
        headers.remove(header::CONNECTION);
    }
    let takes_trailers = headers.contains_key(header::TE) && {
        let takes = headers.get_all(header::TE).iter().flat_map(tokens).any(is_trailers);
        headers.remove(header::TE);
        takes
    };
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(header::UPGRADE);
    Stripped { chunked: headers.remove(header::TRANSFER_ENCODING).is_some(), takes_trailers }
}

fn is_trailers(token: &[u8]) -> bool {
    token.split(|byte| *byte == b';').next().is_some_and(|t| t.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Removes every header that any `connection` line names, but for those that say where a request goes, what its
/// body is, or on whose behalf it comes.
fn remove_nominated(headers: &mut HeaderMap) {
    let mut nominated: Vec<HeaderName> = Vec::new();
    for token in headers.get_all(header::CONNECTION).iter().flat_map(tokens) {
        if token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close") {
            continue;
        }
        if let Ok(name) = HeaderName::from_bytes(token)
            && !is_protected(&name)
        {
            nominated.push(name);
        }
    }
    for name in nominated {
        headers.remove(name);
    }
}

fn is_protected(name: &HeaderName) -> bool {
    // `te` and `transfer-encoding` are read and removed by `strip` itself.
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::CONTENT_TYPE
            | header::CONTENT_ENCODING
            | header::TRANSFER_ENCODING
            | header::TE
            | header::AUTHORIZATION
            | header::COOKIE
            | header::SET_COOKIE
            | header::CACHE_CONTROL
            | header::DATE
            | header::LOCATION
            | header::RETRY_AFTER
            | header::FORWARDED
    ) || ["x-forwarded-", "mamparo-", "traceparent", "tracestate", "x-request-id", "idempotency-key"]
        .iter()
        .any(|protected| name.as_str().starts_with(protected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_belongs_to_the_connection_goes_and_the_rest_stays() {
        for (before, after) in [
            (&[("connection", "keep-alive"), ("keep-alive", "timeout=5"), ("a", "1")][..], &["a"][..]),
            (
                &[("connection", "x-one, X-Two"), ("x-one", "1"), ("x-two", "2"), ("x-three", "3")],
                &["x-three"],
            ),
            (&[("connection", "close"), ("connection", "x-one"), ("x-one", "1"), ("b", "2")], &["b"]),
            (&[("connection", "x-one"), ("connection", "x-two"), ("x-one", "1"), ("x-two", "1")], &[]),
            (&[("proxy-connection", "close"), ("upgrade", "websocket"), ("te", "gzip")], &[]),
            (&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "x")], &[]),
            (&[("trailer", "x-sum"), ("transfer-encoding", "chunked")], &["trailer"]),
            (&[("connection", ", ,\t x-one ,"), ("x-one", "1")], &[]),
        ] {
            let mut map = headers(before);
            strip(&mut map);
            let mut left: Vec<_> = map.keys().map(HeaderName::as_str).collect();
            left.sort_unstable();
            assert_eq!(left, after, "{before:?}");
        }
    }

    #[test]
    fn nobody_strips_what_others_decide_by() {
        for name in
            ["host", "content-length", "authorization", "x-forwarded-for", "forwarded", "mamparo-principal"]
        {
            let mut map = headers(&[("connection", name), (name, "1")]);
            strip(&mut map);
            assert!(map.contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_still_matters_is_told() {
        let mut map = headers(&[("te", "gzip;q=0.5, Trailers"), ("transfer-encoding", "chunked")]);
        assert_eq!(strip(&mut map), Stripped { chunked: true, takes_trailers: true });
        assert!(map.is_empty());
        assert_eq!(strip(&mut headers(&[("te", "gzip")])), Stripped::default());
        assert!(strip(&mut headers(&[("connection", "te"), ("te", "trailers")])).takes_trailers);
    }
}
