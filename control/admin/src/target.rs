//! The target of a request: segments of a path and pairs of a query, with their escapes.

use std::collections::BTreeMap;

use crate::AdminError;
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};

/// Escapes a name so that it can stand as one segment of a path, or as a value of a query.
pub fn encode(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte as char),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn decode(text: &str) -> Result<String, AdminError> {
    let bad = || AdminError::Invalid(format!("`{text}` is not escaped as a target is"));
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(bad()) };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit(high).ok_or_else(bad)?, digit(low).ok_or_else(bad)?);
        bytes.push(high << 4 | low);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// The target of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The segments of the path, their escapes resolved.
    pub segments: Vec<String>,
    query: BTreeMap<String, String>,
}

impl Target {
    pub(crate) fn parse(path: &str, query: Option<&str>) -> Result<Self, AdminError> {
        let segments =
            path.split('/').filter(|part| !part.is_empty()).map(decode).collect::<Result<_, _>>()?;
        let pairs = query.unwrap_or("").split('&').filter(|pair| !pair.is_empty());
        let query = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, AdminError>>()?;
        Ok(Self { segments, query })
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, AdminError> {
        let number = |value: &str| {
            value.parse().map_err(|_| AdminError::Invalid(format!("{name}: `{value}` is not a whole number")))
        };
        self.text(name).map(number).transpose()
    }

    /// How many entries the caller wants, within bounds.
    pub(crate) fn limit(&self) -> Result<usize, AdminError> {
        let wanted = self.number("limit")?.map_or(PAGE_DEFAULT, |n| usize::try_from(n).unwrap_or(PAGE_MAX));
        Ok(wanted.clamp(1, PAGE_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_way_there() {
        for name in ["order-7", "a/b c", "ñandú?&=%", ""] {
            assert_eq!(decode(&encode(name)).unwrap(), name);
        }
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_has_segments_and_a_query() {
        let target = Target::parse("/streams/order%2D7", Some("from=3&limit=9999&empty=")).unwrap();
        assert_eq!(target.segments, ["streams", "order-7"]);
        assert_eq!(target.number("from").unwrap(), Some(3));
        assert_eq!((target.limit().unwrap(), target.text("empty")), (PAGE_MAX, None));
        assert!(Target::parse("/", Some("from=x")).unwrap().number("from").is_err());
    }
}
