//! What `Cache-Control` says (RFC 9111, 5.2; RFC 5861), of an answer and of a request. What cannot be read counts as the
//! least that it could mean: a time that is no number is no time at all.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};

use crate::limits::SECONDS_MAX;

/// What an answer says about its being kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// It is not kept.
    pub no_store: bool,
    /// It is not used before its origin was asked. Also where only some headers are named.
    pub no_cache: bool,
    /// It is for one user. Also where only some headers are named.
    pub private: bool,
    /// It may be kept where it otherwise may not.
    pub public: bool,
    /// It is never used when it is stale.
    pub must_revalidate: bool,
    /// It is never used when it is stale, by a cache that is shared.
    pub proxy_revalidate: bool,
    /// It is kept only by who knows what its status means; who does may then ignore `no-store`.
    pub must_understand: bool,
    /// How long it is fresh.
    pub max_age: Option<Duration>,
    /// How long it is fresh in a cache that is shared.
    pub s_maxage: Option<Duration>,
    /// How long after that it is used while it is fetched again.
    pub stale_while_revalidate: Option<Duration>,
    /// How long after that it is used in place of an error.
    pub stale_if_error: Option<Duration>,
}

/// What a request says about what it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Nothing of it is kept.
    pub no_store: bool,
    /// Nothing is used before its origin was asked.
    pub no_cache: bool,
    /// Nothing but what is kept.
    pub only_if_cached: bool,
    /// Nothing older.
    pub max_age: Option<Duration>,
    /// Only what stays fresh for so long.
    pub min_fresh: Option<Duration>,
    /// Also what has been stale for no longer.
    pub max_stale: Option<Duration>,
}

impl Directives {
    /// What the lines of `Cache-Control` say.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut read = Self::default();
        each_member(headers, &header::CACHE_CONTROL, |name, argument| read.take(name, argument));
        read
    }

    fn take(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("max-age") {
            shorter(&mut self.max_age, seconds(argument));
        } else if is("s-maxage") {
            shorter(&mut self.s_maxage, seconds(argument));
        } else if is("stale-while-revalidate") {
            shorter(&mut self.stale_while_revalidate, seconds(argument));
        } else if is("stale-if-error") {
            shorter(&mut self.stale_if_error, seconds(argument));
        } else if let Some(flag) = self.flag(name) {
            *flag = true;
        }
    }

    /// The place of a directive that is said or not said.
    pub(super) fn flag(&mut self, name: &[u8]) -> Option<&mut bool> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        Some(match () {
            () if is("no-store") => &mut self.no_store,
            () if is("no-cache") => &mut self.no_cache,
            () if is("private") => &mut self.private,
            () if is("public") => &mut self.public,
            () if is("must-revalidate") => &mut self.must_revalidate,
            () if is("proxy-revalidate") => &mut self.proxy_revalidate,
            () if is("must-understand") => &mut self.must_understand,
            () => return None,
        })
    }
}

impl Wishes {
    /// What the lines of `Cache-Control` say; without any, those of `Pragma`.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut read = Self::default();
        if !headers.contains_key(header::CACHE_CONTROL) {
            each_member(headers, &header::PRAGMA, |name, _| {
                read.no_cache |= name.eq_ignore_ascii_case(b"no-cache");
            });
            return read;
        }
        each_member(headers, &header::CACHE_CONTROL, |name, argument| read.take(name, argument));
        read
    }

    fn take(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            shorter(&mut self.max_age, seconds(argument));
        } else if is("min-fresh") {
            let asked = seconds(argument);
            self.min_fresh = Some(self.min_fresh.map_or(asked, |before| before.max(asked)));
        } else if is("max-stale") {
            let asked = argument.map_or(Duration::MAX, |_| seconds(argument));
            shorter(&mut self.max_stale, asked);
        }
    }
}

fn shorter(place: &mut Option<Duration>, other: Duration) {
    *place = Some(place.map_or(other, |own| own.min(other)));
}

/// A number of seconds; nothing for what is no number.
pub(super) fn seconds(argument: Option<&[u8]>) -> Duration {
    let digits = argument.unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let add = |sum: u64, digit: &u8| (sum * 10 + u64::from(digit - b'0')).min(SECONDS_MAX);
    Duration::from_secs(digits.iter().fold(0, add))
}

/// Calls `take` with each `name` or `name=argument` of a list that may stand in several lines, without its quotes.
pub(super) fn each_member(headers: &HeaderMap, of: &HeaderName, mut take: impl FnMut(&[u8], Option<&[u8]>)) {
    for line in headers.get_all(of) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            let (member, after) = rest.split_at(end_of_member(rest));
            rest = after.get(1..).unwrap_or_default();
            let mut halves = member.trim_ascii().splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default().trim_ascii_end();
            if !name.is_empty() {
                take(name, halves.next().map(unquoted));
            }
        }
    }
}

/// Where the next comma is that does not stand in quotes. A quote that is never closed is none.
fn end_of_member(list: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = list.get(at) {
        match byte {
            b',' => return at,
            b'"' => at += list.get(at..).and_then(length_of_quoted).unwrap_or(1),
            _ => at += 1,
        }
    }
    list.len()
}

fn length_of_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn unquoted(argument: &[u8]) -> &[u8] {
    argument.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(argument)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn lines(name: HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
    }

    fn answer(said: &[&str]) -> Directives {
        Directives::read(&lines(header::CACHE_CONTROL, said))
    }

    #[test]
    fn a_time_is_read_and_what_is_no_time_is_none_at_all() {
        for (said, max_age) in [
            (&["max-age=60"][..], Some(60)),
            (&["MAX-AGE=60"], Some(60)),
            (&["public,max-age=60"], Some(60)),
            (&[" , max-age=60 , "], Some(60)),
            (&["max-age=\"60\""], Some(60)),
            (&["max-age=060"], Some(60)),
            (&["max-age=99999999999999999999999"], Some(SECONDS_MAX)),
            (&["max-age=-1"], Some(0)),
            (&["max-age=1.5"], Some(0)),
            (&["max-age=abc"], Some(0)),
            (&["max-age="], Some(0)),
            (&["max-age"], Some(0)),
            (&["max-age= 60"], Some(0)),
            (&["max-age=60", "max-age=30"], Some(30)),
            (&["max-age=30, max-age=60"], Some(30)),
            (&["x-max-age=60"], None),
            (&["ext=\"max-age=60\""], None),
            (&["ext=\"a\\\", max-age=60\""], None),
            (&["ext=\"never closed, max-age=60"], Some(60)),
        ] {
            assert_eq!(answer(said).max_age, max_age.map(Duration::from_secs), "{said:?}");
        }
    }

    #[test]
    fn each_word_is_understood_in_any_case_and_line() {
        let all = answer(&[
            "No-Store, no-cache=\"set-cookie, x\", PRIVATE",
            "public, must-revalidate, proxy-revalidate, must-understand",
            "s-maxage=1, stale-while-revalidate=2, stale-if-error=3, unknown, unknown=4",
        ]);
        let expected = Directives {
            no_store: true,
            no_cache: true,
            private: true,
            public: true,
            must_revalidate: true,
            proxy_revalidate: true,
            must_understand: true,
            max_age: None,
            s_maxage: Some(Duration::from_secs(1)),
            stale_while_revalidate: Some(Duration::from_secs(2)),
            stale_if_error: Some(Duration::from_secs(3)),
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn what_a_request_wishes_is_read_and_pragma_only_where_nothing_else_is_said() {
        let wishes = |name, said| Wishes::read(&lines(name, &[said]));
        let said = "no-store, no-cache, only-if-cached, max-age=1, min-fresh=2, max-stale=3";
        let expected = Wishes {
            no_store: true,
            no_cache: true,
            only_if_cached: true,
            max_age: Some(Duration::from_secs(1)),
            min_fresh: Some(Duration::from_secs(2)),
            max_stale: Some(Duration::from_secs(3)),
        };
        assert_eq!(wishes(header::CACHE_CONTROL, said), expected);
        assert_eq!(wishes(header::CACHE_CONTROL, "max-stale").max_stale, Some(Duration::MAX));
        assert!(wishes(header::PRAGMA, "x, No-Cache").no_cache);
        let mut both = lines(header::PRAGMA, &["no-cache"]);
        both.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=5"));
        assert!(!Wishes::read(&both).no_cache);
    }
}
