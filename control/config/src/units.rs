//! Values with their unit in the text: durations, sizes, addresses.

use std::net::SocketAddr;
use std::time::Duration;

use mamparo_context::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

/// Reads `512B`, `64KiB`, `1MiB` or `2GiB`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// Reads `127.0.0.1:8080` or `[::1]:8080`.
pub(crate) fn parse_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, &text[end..]))
}

macro_rules! text_value {
    ($name:ident, $inner:ty, $parse:path, $format:literal, $pattern:literal) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $parse(&text).map(Self).ok_or_else(|| D::Error::custom(concat!("not a ", $format)))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }
    };
}

text_value!(Span, Duration, duration::parse, "duration", "^[0-9]+(us|ms|s|m|h|d)$");
text_value!(Size, u64, parse_size, "size", "^[0-9]+(B|KiB|MiB|GiB|TiB)$");
text_value!(Address, SocketAddr, parse_address, "address", "^.+:[0-9]+$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        for (text, bytes) in [
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1_048_576)),
            ("1MB", None),
            ("9", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
