//! Header fields by which a gateway decides something: what may be kept and for how long, which part of it is sent,
//! who stands before whom, which coding is chosen. The text is lines of `name: value`; those after an empty line are
//! the answer's.
#![no_main]

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use libfuzzer_sys::fuzz_target;
use mamparo_http_cache::RequestHead;
use mamparo_http_cache::core::conditional::Condition;
use mamparo_http_cache::core::directives::{Directives, Wishes};
use mamparo_http_cache::core::range::{Part, part};
use mamparo_http_cache::core::{address, freshness, request, targeted, vary};
use mamparo_transform::compress::{Coding, choose};
use mamparo_transform::forwarded;

fuzz_target!(|bytes: &[u8]| {
    let mut sides = [HeaderMap::new(), HeaderMap::new()];
    let mut at = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            at = 1;
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':')
            && let Ok(name) = HeaderName::from_bytes(&line[..colon])
            && let Ok(value) = HeaderValue::from_bytes(line[colon + 1..].trim_ascii())
        {
            sides[at].append(name, value);
        }
    }
    let [asked, answer] = &sides;
    is_kept_as_it_is_said(asked, answer);
    a_part_lies_within(asked, answer);
    let _ = (forwarded_is_read_again(asked), choose(asked, &Coding::ALL));
});

fn is_kept_as_it_is_said(asked: &HeaderMap, answer: &HeaderMap) {
    let said = Directives::read(answer);
    let lines: Vec<&[u8]> = answer.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
    let joined = lines.join(&b","[..]);
    if !joined.contains(&b'"') {
        // Several lines say what one line with commas says (RFC 9110, 5.3), and no reader of words may miss one.
        let one = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_bytes(&joined).unwrap())]);
        assert_eq!(Directives::read(&one), said);
        let has = |word: &str| {
            joined
                .split(|byte| *byte == b',')
                .any(|member| member.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
        };
        for (word, is) in [
            ("no-store", said.no_store),
            ("private", said.private),
            ("no-cache", said.no_cache),
            ("public", said.public),
        ] {
            assert!(is || !has(word), "{word} is not seen in {answer:?}");
        }
    }
    let _ = (Wishes::read(asked), targeted::read(answer, &[HeaderName::from_static("cdn-cache-control")]));
    let _ = (freshness::date(answer, &header::DATE), freshness::date(answer, &header::EXPIRES));
    let condition = Condition::read(asked);
    if condition.is_none() {
        assert!(!asked.contains_key(header::IF_NONE_MATCH) && !asked.contains_key(header::IF_MODIFIED_SINCE));
    }
    let _ = condition.is_met(StatusCode::OK, answer);
    if let Some(names) = vary::names(answer) {
        assert_eq!(vary::variant(1, &names, asked), vary::variant(1, &names, &asked.clone()));
    }
    let path = asked.get("path").and_then(|path| path.to_str().ok()).unwrap_or("/");
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let (method, headers) = (&Method::GET, asked);
    let head = RequestHead { method, scheme: "http", authority: "a", path, query, headers, has_body: false };
    let _ = request::Asked::read(&head, true);
    if let Some(location) = answer.get(header::LOCATION).and_then(|location| location.to_str().ok()) {
        let rule = address::QueryRule { counts: true, ignored: vec!["utm_*".into()] };
        if let Some(own) = address::address_of("http://a/b?c=d", &rule) {
            let _ = address::same_origin(&own, location, &rule);
        }
    }
}

fn a_part_lies_within(asked: &HeaderMap, answer: &HeaderMap) {
    for length in [0, 1, 10, usize::MAX] {
        match part(asked, answer, length) {
            Part::Bytes(range) => {
                assert!(range.start < range.end && range.end <= length, "{range:?} of {length}")
            }
            Part::Unsatisfiable => assert!(asked.contains_key(header::RANGE)),
            Part::Whole => {}
        }
    }
}

/// Whoever is named in a line has an address or has none, whatever the line holds besides.
fn forwarded_is_read_again(asked: &HeaderMap) -> usize {
    let lines = asked.get_all(header::FORWARDED).iter().filter_map(|line| line.to_str().ok());
    let elements: Vec<_> = lines.filter_map(|line| forwarded::parse(line).ok()).flatten().collect();
    elements.iter().filter(|element| element.address().is_some()).count()
}
