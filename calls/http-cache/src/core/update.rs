//! Decides what of the headers of an answer is kept (RFC 9111, 3.1), and what a `304` makes of it (3.2, 4.3.4).

use http::header::{self, HeaderMap, HeaderName};

/// Of one connection, or of one hop, only.
const OF_THE_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// About the bytes that are kept: a `304` has none, and what it says of them is not about these.
const OF_THE_CONTENT: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
];

/// The headers of an answer as they are kept: without those of the hop, without its age, which is reckoned, and without
/// the tags, which are for the cache alone.
pub fn kept(headers: &HeaderMap, hidden: &[HeaderName]) -> HeaderMap {
    let mut kept = headers.clone();
    for token in headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok()) {
        for name in token.split(',') {
            kept.remove(name.trim());
        }
    }
    for name in OF_THE_HOP.iter().chain(hidden) {
        kept.remove(name);
    }
    kept.remove(header::AGE);
    kept
}

/// The headers of an answer after a `304` with those of `fresh` has said that it is still the same.
pub fn refreshed(
    stored: &HeaderMap,
    fresh: &HeaderMap,
    hidden: &[HeaderName],
    keeps_cookies: bool,
) -> HeaderMap {
    let mut fresh = kept(fresh, hidden);
    for name in &OF_THE_CONTENT {
        fresh.remove(name);
    }
    if !keeps_cookies {
        fresh.remove(header::SET_COOKIE);
    }
    let mut all = stored.clone();
    for name in fresh.keys() {
        all.remove(name);
        for value in fresh.get_all(name) {
            all.append(name, value.clone());
        }
    }
    all
}

/// Whether a `304` is about the answer that is kept (RFC 9111, 4.3.4): it names no other entity tag.
pub fn is_about(stored: &HeaderMap, fresh: &HeaderMap) -> bool {
    let opaque = |headers: &HeaderMap| {
        let etag = headers.get(header::ETAG)?.as_bytes().to_vec();
        Some(etag.strip_prefix(b"W/").map(<[u8]>::to_vec).unwrap_or(etag))
    };
    opaque(fresh).is_none_or(|named| opaque(stored) == Some(named))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn what_is_of_the_hop_is_not_kept() {
        let all = [
            ("connection", "x-one, close"),
            ("connection", "x-two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("keep-alive", "5"),
            ("proxy-authenticate", "x"),
            ("transfer-encoding", "chunked"),
            ("age", "7"),
            ("cache-tag", "a"),
            ("etag", "\"a\""),
            ("set-cookie", "a=1"),
        ];
        let kept = kept(&map(&all), &[HeaderName::from_static("cache-tag")]);
        assert_eq!(kept, map(&[("etag", "\"a\""), ("set-cookie", "a=1")]));
    }

    #[test]
    fn a_304_replaces_what_it_names_but_not_what_is_about_the_content() {
        let stored = map(&[
            ("a", "1"),
            ("b", "1"),
            ("b", "2"),
            ("content-length", "10"),
            ("content-encoding", "gzip"),
            ("cache-control", "max-age=1"),
        ]);
        let fresh = map(&[
            ("b", "3"),
            ("c", "4"),
            ("c", "5"),
            ("content-length", "0"),
            ("content-encoding", "br"),
            ("cache-control", "max-age=2"),
            ("connection", "close"),
            ("set-cookie", "s=1"),
        ]);
        let expected = [
            ("a", "1"),
            ("b", "3"),
            ("c", "4"),
            ("c", "5"),
            ("content-length", "10"),
            ("content-encoding", "gzip"),
            ("cache-control", "max-age=2"),
        ];
        assert_eq!(refreshed(&stored, &fresh, &[], false), map(&expected));
        assert!(refreshed(&stored, &fresh, &[], true).contains_key(header::SET_COOKIE));
    }

    #[test]
    fn a_304_that_names_another_tag_is_about_another_answer() {
        for (stored, fresh, is_same) in [
            (&[("etag", "\"a\"")][..], &[("etag", "\"a\"")][..], true),
            (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], true),
            (&[("etag", "\"a\"")], &[], true),
            (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
            (&[], &[("etag", "\"b\"")], false),
        ] {
            assert_eq!(is_about(&map(stored), &map(fresh)), is_same, "{stored:?} {fresh:?}");
        }
    }
}
