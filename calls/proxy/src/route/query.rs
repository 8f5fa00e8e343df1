//! The parameters of a query: `a=1&b=x%20y`, where `+` is a space.

use std::borrow::Cow;

/// The decoded value of the first parameter of this name; empty where it has none.
pub(super) fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, [u8]>> {
    query.split('&').find_map(|pair| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        is(own, name).then(|| decode(value))
    })
}

/// Whether `encoded` says `plain`.
fn is(encoded: &str, plain: &str) -> bool {
    encoded == plain || (needs_decoding(encoded) && *decode(encoded) == *plain.as_bytes())
}

fn needs_decoding(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'%' | b'+'))
}

/// An escape that is none stands for itself, as it does for everybody who reads forms.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if !needs_decoding(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                _ => decoded.push(b'%'),
            },
            (byte, _) => decoded.push(*byte),
        }
    }
    Cow::Owned(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_name_is_found_decoded() {
        for (query, name, found) in [
            ("a=1&b=2", "b", Some("2")),
            ("a=1&a=2", "a", Some("1")),
            ("a", "a", Some("")),
            ("a=", "a", Some("")),
            ("a=b=c", "a", Some("b=c")),
            ("%61=x%20y+z", "a", Some("x y z")),
            ("a=%zz%4", "a", Some("%zz%4")),
            ("a=%C3%A9", "a", Some("\u{e9}")),
            ("A=1", "a", None),
            ("", "a", None),
            ("b=a", "a", None),
        ] {
            assert_eq!(value(query, name).as_deref(), found.map(str::as_bytes), "{query} {name}");
        }
    }
}
