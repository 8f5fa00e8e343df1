//! A time span as text, the way that files and headers of ours write it: a whole number and its unit.
//!
//! The functions [`serialize`] and [`deserialize`] are for `#[serde(with = "mamparo_context::duration")]`.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Reads `250us`, `250ms`, `5s`, `2m`, `1h` or `1d`; `None` for anything else.
pub fn parse(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..end].parse().ok()?;
    let micros: u64 = match &text[end..] {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60 * 1_000_000,
        "h" => 3_600 * 1_000_000,
        "d" => 86_400 * 1_000_000,
        _ => return None,
    };
    Some(Duration::from_micros(number.checked_mul(micros)?))
}

/// Writes a time span so that [`parse`] reads the same, to the microsecond.
pub fn text(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0s".into(),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// A time span as a whole number of nanoseconds, as it fits into an atomic; 584 years for whatever is longer.
#[inline]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// As [`text`].
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

/// As [`parse`].
///
/// # Errors
/// The text is no time span.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text)
        .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration such as 250ms, 5s, 2m, 1h")))
}

/// The same for a time span that may be absent: `#[serde(default, with = "mamparo_context::duration::option")]`.
pub mod option {
    use super::*;

    /// As [`text`], or nothing.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// As [`parse`], or nothing.
    ///
    /// # Errors
    /// The text is no time span.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let wrong = || D::Error::custom(format!("`{text}` is not a duration such as 250ms, 5s, 2m, 1h"));
        parse(&text).map(Some).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        for (text, micros) in [
            ("250us", Some(250)),
            ("250ms", Some(250_000)),
            ("5s", Some(5_000_000)),
            ("2m", Some(120_000_000)),
            ("1d", Some(86_400_000_000)),
            ("5", None),
            ("5 s", None),
            ("s", None),
            ("-5s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse(text), micros.map(Duration::from_micros), "{text}");
        }
        for text in ["0s", "250us", "250ms", "90s"] {
            assert_eq!(super::text(parse(text).unwrap()), text);
        }
    }
}
