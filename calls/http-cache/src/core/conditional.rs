//! Decides whether a client has an answer already (RFC 9110, 13), and how an origin is asked whether it is still the same.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::freshness::date;
use super::storable::has_validator;

/// What of a request depends on what its sender has, and is answered here instead of by the service.
const CONDITIONS: [HeaderName; 4] =
    [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE, header::RANGE];

/// What a client says that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    etags: Option<Vec<Vec<u8>>>,
    since: Option<HeaderValue>,
}

impl Condition {
    /// What a request says.
    pub fn read(request: &HeaderMap) -> Self {
        let mut lines = request.get_all(header::IF_NONE_MATCH).iter().peekable();
        if lines.peek().is_some() {
            let etags = lines.flat_map(|line| etags(line.as_bytes())).collect();
            return Self { etags: Some(etags), since: None };
        }
        Self { etags: None, since: request.get(header::IF_MODIFIED_SINCE).cloned() }
    }

    /// Whether it says nothing.
    pub fn is_none(&self) -> bool {
        self.etags.is_none() && self.since.is_none()
    }

    /// Whether the client has this answer already: one of its tags is the same, or, if it names none, the answer was not
    /// modified since (RFC 9110, 13.2.2; RFC 9111, 4.3.2).
    pub fn is_met(&self, status: StatusCode, answer: &HeaderMap) -> bool {
        if status != StatusCode::OK {
            return false;
        }
        if let Some(known) = &self.etags {
            let own = answer.get(header::ETAG).map(|etag| etag.as_bytes());
            let is_own = |etag: &Vec<u8>| own.is_some_and(|own| is_same_weakly(etag, own));
            return known.iter().any(|etag| etag == b"*" || is_own(etag));
        }
        let Some(since) = &self.since else { return false };
        let one = HeaderMap::from_iter([(header::DATE, since.clone())]);
        let modified = date(answer, &header::LAST_MODIFIED).or_else(|| date(answer, &header::DATE));
        matches!((date(&one, &header::DATE), modified), (Some(since), Some(modified)) if modified <= since)
    }
}

/// Whether two entity tags are the same, weak or not.
fn is_same_weakly(one: &[u8], other: &[u8]) -> bool {
    opaque(one) == opaque(other)
}

/// Whether two entity tags are the same and neither is weak.
pub(super) fn is_same_strongly(one: &[u8], other: &[u8]) -> bool {
    one == other && one.starts_with(b"\"")
}

fn opaque(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

/// The entity tags of a list. A comma in quotes is part of a tag.
fn etags(list: &[u8]) -> Vec<Vec<u8>> {
    let (mut tags, mut tag, mut is_quoted) = (Vec::new(), Vec::new(), false);
    for byte in list.iter().copied().chain([b',']) {
        is_quoted ^= byte == b'"';
        if byte == b',' && !is_quoted {
            let own = std::mem::take(&mut tag);
            if !own.trim_ascii().is_empty() {
                tags.push(own.trim_ascii().to_vec());
            }
        } else {
            tag.push(byte);
        }
    }
    tags
}

/// Makes of a request one for the whole answer, and, if there is one that is kept, only if it is no longer the same.
pub fn ask(request: &mut HeaderMap, kept: Option<(StatusCode, &HeaderMap)>) {
    for name in CONDITIONS {
        request.remove(name);
    }
    let Some((status, kept)) = kept else { return };
    if !has_validator(status, kept) {
        return;
    }
    if let Some(etag) = kept.get(header::ETAG) {
        request.insert(header::IF_NONE_MATCH, etag.clone());
    }
    if let Some(modified) = kept.get(header::LAST_MODIFIED)
        && date(kept, &header::LAST_MODIFIED).is_some()
    {
        request.insert(header::IF_MODIFIED_SINCE, modified.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    const EARLY: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    const LATE: &str = "Thu, 01 Jan 2026 00:00:01 GMT";

    #[test]
    fn a_client_that_has_it_already_is_told_so() {
        let tagged = &[("etag", "\"a\""), ("last-modified", EARLY)][..];
        for (request, answer, met) in [
            (&[][..], tagged, false),
            (&[("if-none-match", "\"a\"")], tagged, true),
            (&[("if-none-match", "W/\"a\"")], tagged, true),
            (&[("if-none-match", "\"b\", W/\"a\"")], tagged, true),
            (&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], tagged, true),
            (&[("if-none-match", "\"b,\\\"a\"")], tagged, false),
            (&[("if-none-match", "a")], tagged, false),
            (&[("if-none-match", "*")], tagged, true),
            (&[("if-none-match", "*")], &[], true),
            (&[("if-none-match", "\"a, b\"")], &[("etag", "\"a, b\"")], true),
            (&[("if-none-match", "\"b\""), ("if-modified-since", LATE)], tagged, false),
            (&[("if-modified-since", EARLY)], tagged, true),
            (&[("if-modified-since", LATE)], tagged, true),
            (&[("if-modified-since", EARLY)], &[("last-modified", LATE)], false),
            (&[("if-modified-since", LATE)], &[("date", EARLY)], true),
            (&[("if-modified-since", "yesterday")], tagged, false),
            (&[("if-modified-since", LATE)], &[], false),
        ] {
            let condition = Condition::read(&map(request));
            assert_eq!(condition.is_met(StatusCode::OK, &map(answer)), met, "{request:?} {answer:?}");
            assert!(!condition.is_met(StatusCode::NOT_FOUND, &map(answer)));
            assert_eq!(condition.is_none(), request.is_empty());
        }
    }

    #[test]
    fn an_origin_is_asked_by_what_is_kept_and_not_by_what_the_client_has() {
        let client = [
            ("if-none-match", "\"client\""),
            ("if-modified-since", LATE),
            ("range", "bytes=0-1"),
            ("if-range", "\"client\""),
            ("accept", "x"),
        ];
        for (status, kept, expected) in [
            (200, None, &[][..]),
            (200, Some(&[][..]), &[]),
            (200, Some(&[("etag", "\"a\"")][..]), &[("if-none-match", "\"a\"")]),
            (404, Some(&[("etag", "\"a\"")]), &[]),
            (200, Some(&[("last-modified", EARLY)]), &[("if-modified-since", EARLY)]),
            (200, Some(&[("last-modified", "x")]), &[]),
            (
                200,
                Some(&[("etag", "W/\"a\""), ("last-modified", EARLY)]),
                &[("if-none-match", "W/\"a\""), ("if-modified-since", EARLY)],
            ),
        ] {
            let mut request = map(&client);
            let kept = kept.map(map);
            ask(&mut request, kept.as_ref().map(|kept| (StatusCode::from_u16(status).unwrap(), kept)));
            let mut all = map(expected);
            all.insert(header::ACCEPT, HeaderValue::from_static("x"));
            assert_eq!(request, all);
        }
    }
}
