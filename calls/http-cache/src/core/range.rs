//! Decides which part of a whole answer a request wants (RFC 9110, 14): one range of bytes. Several ranges, and what is
//! no range, get the whole.

use std::ops::Range;
use std::time::Duration;

use http::header::{self, HeaderMap};

use super::conditional::is_same_strongly;
use super::freshness::date;

/// What of an answer is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Bytes(Range<usize>),
    /// The request wants what is not there.
    Unsatisfiable,
}

/// Which part of an answer of `length` bytes with these headers a request wants.
pub fn part(request: &HeaderMap, answer: &HeaderMap, length: usize) -> Part {
    let Some(range) = request.get(header::RANGE) else { return Part::Whole };
    if request.contains_key(header::IF_RANGE) && !is_unchanged(request, answer) {
        return Part::Whole;
    }
    range.to_str().ok().and_then(|range| read(range, length)).unwrap_or(Part::Whole)
}

/// Whether the client has the beginning of this very answer (RFC 9110, 13.1.5).
fn is_unchanged(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(known) = request.get(header::IF_RANGE) else { return true };
    if known.as_bytes().contains(&b'"') {
        return answer
            .get(header::ETAG)
            .is_some_and(|own| is_same_strongly(known.as_bytes(), own.as_bytes()));
    }
    // A date is strong only where nothing can have changed within the same second (RFC 9110, 8.8.2.2).
    let (Some(modified), Some(sent)) = (date(answer, &header::LAST_MODIFIED), date(answer, &header::DATE))
    else {
        return false;
    };
    answer.get(header::LAST_MODIFIED) == Some(known) && sent.since(modified) >= Duration::from_secs(1)
}

fn read(range: &str, length: usize) -> Option<Part> {
    let (unit, ranges) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return None;
    }
    let (first, last) = ranges.trim().split_once('-')?;
    let number = |digits: &str| {
        let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        are_digits.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    if first.is_empty() {
        return Some(match number(last)? {
            0 => Part::Unsatisfiable,
            _ if length == 0 => Part::Unsatisfiable,
            suffix => Part::Bytes(length.saturating_sub(suffix)..length),
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() { usize::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some(if first >= length {
        Part::Unsatisfiable
    } else {
        Part::Bytes(first..last.saturating_add(1).min(length))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    const SENT: &str = "Thu, 01 Jan 2026 00:00:01 GMT";

    fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn one_range_is_cut_out_and_everything_else_is_the_whole() {
        use Part::{Bytes, Unsatisfiable, Whole};
        for (range, expected) in [
            ("bytes=0-0", Bytes(0..1)),
            ("bytes=2-4", Bytes(2..5)),
            ("Bytes=2-", Bytes(2..10)),
            ("bytes=2-100", Bytes(2..10)),
            ("bytes=2-99999999999999999999999999", Bytes(2..10)),
            ("bytes=-3", Bytes(7..10)),
            ("bytes=-30", Bytes(0..10)),
            ("bytes=-0", Unsatisfiable),
            ("bytes=10-", Unsatisfiable),
            ("bytes=99999999999999999999999999-", Unsatisfiable),
            ("bytes=4-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("lines=0-1", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("0-1", Whole),
        ] {
            assert_eq!(part(&map(&[("range", range)]), &map(&[]), 10), expected, "{range}");
        }
        assert_eq!(part(&map(&[]), &map(&[]), 10), Whole);
        assert_eq!(part(&map(&[("range", "bytes=-5")]), &map(&[]), 0), Unsatisfiable);
    }

    #[test]
    fn a_range_of_another_answer_is_not_cut_out_of_this_one() {
        let answer = [("etag", "\"a\""), ("last-modified", MODIFIED), ("date", SENT)];
        let weak = [("etag", "W/\"a\""), ("last-modified", MODIFIED), ("date", MODIFIED)];
        for (known, answer, is_cut) in [
            ("\"a\"", &answer, true),
            ("\"b\"", &answer, false),
            ("W/\"a\"", &weak, false),
            ("\"a\"", &weak, false),
            (MODIFIED, &answer, true),
            (MODIFIED, &weak, false),
            (SENT, &answer, false),
            ("x", &answer, false),
        ] {
            let request = map(&[("range", "bytes=0-1"), ("if-range", known)]);
            let is_part = part(&request, &map(answer), 10) != Part::Whole;
            assert_eq!(is_part, is_cut, "{known}");
        }
    }
}
