//! Directives for one kind of caches only, such as `CDN-Cache-Control` (RFC 9213): a dictionary of structured fields
//! (RFC 8941) that stands in for `Cache-Control` and `Expires`. One that is malformed is as if it were not there.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName};

use super::directives::Directives;
use crate::limits::SECONDS_MAX;

/// A value, as far as directives have values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Integer(i64),
    Boolean(bool),
    /// A decimal, a string, a token, bytes or a list.
    Other,
}

/// What the first of these fields says that is there, is well-formed and is not empty.
pub fn read(headers: &HeaderMap, fields: &[HeaderName]) -> Option<Directives> {
    fields.iter().find_map(|field| read_field(headers, field))
}

fn read_field(headers: &HeaderMap, field: &HeaderName) -> Option<Directives> {
    let mut lines = headers.get_all(field).iter();
    let mut text = lines.next()?.to_str().ok()?.to_owned();
    for line in lines {
        text.push(',');
        text.push_str(line.to_str().ok()?);
    }
    let members = Parser { rest: text.trim_matches(' ') }.dictionary()?;
    if members.is_empty() {
        return None;
    }
    let mut read = Directives::default();
    // Of a key that stands twice the last one counts.
    for (key, item) in &members {
        match *item {
            Item::Boolean(is) => {
                if let Some(flag) = read.flag(key.as_bytes()) {
                    *flag = is;
                }
            }
            Item::Integer(value) => {
                let seconds = u64::try_from(value).unwrap_or(0).min(SECONDS_MAX);
                if let Some(place) = time(&mut read, key) {
                    *place = Some(Duration::from_secs(seconds));
                }
            }
            // Where some headers are named (`private="set-cookie"`), all is meant, as in `Cache-Control`.
            Item::Other if matches!(*key, "private" | "no-cache") => {
                if let Some(flag) = read.flag(key.as_bytes()) {
                    *flag = true;
                }
            }
            Item::Other => {}
        }
    }
    Some(read)
}

fn time<'a>(read: &'a mut Directives, key: &str) -> Option<&'a mut Option<Duration>> {
    Some(match key {
        "max-age" => &mut read.max_age,
        "s-maxage" => &mut read.s_maxage,
        "stale-while-revalidate" => &mut read.stale_while_revalidate,
        "stale-if-error" => &mut read.stale_if_error,
        _ => return None,
    })
}

/// Reads a dictionary from left to right (RFC 8941, 4.2.2); `None` as soon as something is not as it must be.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn dictionary(mut self) -> Option<Vec<(&'a str, Item)>> {
        let mut members = Vec::new();
        while !self.rest.is_empty() {
            let key = self.key()?;
            let item = if self.skip('=') { self.item_or_list()? } else { Item::Boolean(true) };
            self.parameters()?;
            members.push((key, item));
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            if self.rest.is_empty() {
                break;
            }
            if !self.skip(',') {
                return None;
            }
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            if self.rest.is_empty() {
                return None;
            }
        }
        Some(members)
    }

    fn skip(&mut self, what: char) -> bool {
        let after = self.rest.strip_prefix(what);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// As many characters as `belong`.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Option<&'a str> {
        let begins = |c: char| c.is_ascii_lowercase() || c == '*';
        self.rest.starts_with(begins).then(|| {
            self.take(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*'))
        })
    }

    fn parameters(&mut self) -> Option<()> {
        while self.skip(';') {
            self.take(|c| c == ' ');
            self.key()?;
            if self.skip('=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn item_or_list(&mut self) -> Option<Item> {
        if !self.skip('(') {
            return self.item();
        }
        loop {
            self.take(|c| c == ' ');
            if self.skip(')') {
                return Some(Item::Other);
            }
            self.item()?;
            self.parameters()?;
            if !self.rest.starts_with([' ', ')']) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Item> {
        match self.rest.chars().next()? {
            '?' => {
                self.skip('?');
                match (self.skip('1'), self.skip('0')) {
                    (true, false) => Some(Item::Boolean(true)),
                    (false, true) => Some(Item::Boolean(false)),
                    _ => None,
                }
            }
            '"' => self.string(),
            ':' => {
                self.skip(':');
                self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
                self.skip(':').then_some(Item::Other)
            }
            '-' | '0'..='9' => self.number(),
            c if c.is_ascii_alphabetic() || c == '*' => {
                self.take(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Some(Item::Other)
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Item> {
        self.skip('"');
        loop {
            self.take(|c| (' '..='~').contains(&c) && c != '"' && c != '\\');
            if self.skip('"') {
                return Some(Item::Other);
            }
            if !self.skip('\\') || !(self.skip('"') || self.skip('\\')) {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Item> {
        let is_negative = self.skip('-');
        let digits = self.take(|c| c.is_ascii_digit());
        if self.skip('.') {
            let fraction = self.take(|c| c.is_ascii_digit());
            let fits = (1..=12).contains(&digits.len()) && (1..=3).contains(&fraction.len());
            return fits.then_some(Item::Other);
        }
        let value: i64 = (digits.len() <= 15).then(|| digits.parse().ok())??;
        Some(Item::Integer(if is_negative { -value } else { value }))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const FIELD: HeaderName = HeaderName::from_static("cdn-cache-control");

    fn said(lines: &[&str]) -> Option<Directives> {
        let headers = lines.iter().map(|line| (FIELD, HeaderValue::from_str(line).unwrap())).collect();
        read(&headers, &[HeaderName::from_static("mamparo-cache-control"), FIELD])
    }

    #[test]
    fn a_dictionary_is_read_and_anything_else_is_as_if_it_were_not_there() {
        for (lines, max_age) in [
            (&["max-age=60"][..], Some(Some(60))),
            (&["max-age=60, must-revalidate"], Some(Some(60))),
            (&["must-revalidate", "max-age=60"], Some(Some(60))),
            (&["max-age=60;a=b;c"], Some(Some(60))),
            (&["max-age=60, x=(1 \"a, b\" c);d, y=:aGk=:, z=?0, w=1.5"], Some(Some(60))),
            (&["max-age=60, max-age=30"], Some(Some(30))),
            (&["max-age=-5"], Some(Some(0))),
            (&["max-age=60.5"], Some(None)),
            (&["max-age=\"60\""], Some(None)),
            (&["s-maxage=5"], Some(None)),
            (&[""], None),
            (&["Max-Age=60"], None),
            (&["max-age=60,"], None),
            (&["max-age=60 60"], None),
            (&["max-age=60, &"], None),
            (&["max-age=60, x=\"never closed"], None),
            (&["max-age=1234567890123456"], None),
            (&["max-age="], None),
        ] {
            let read = said(lines).map(|read| read.max_age);
            assert_eq!(read, max_age.map(|age| age.map(Duration::from_secs)), "{lines:?}");
        }
    }

    #[test]
    fn what_is_said_to_be_false_is_not_said() {
        let read = said(&["no-store=?0, private=?1, no-cache=\"set-cookie\", public"]).unwrap();
        assert!(!read.no_store && read.private && read.no_cache && read.public);
    }
}
