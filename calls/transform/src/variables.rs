//! What a value in a file may hold besides its own text: `{client_ip}` and its kin. A file is read once; what is
//! left for each request is to put pieces together.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::HeaderValue;

use crate::limits::HEADER_VALUE_BYTES_MAX;

/// Something known about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// `{client_ip}`: the address of the client, as far back as hops are trusted.
    ClientIp,
    /// `{host}`: the host that was asked.
    Host,
    /// `{path}`: the path that was asked, without its query.
    Path,
    /// `{request_id}`: the id under which the request stands in logs.
    RequestId,
    /// `{route}`: the name of the route.
    Route,
    /// `{scheme}`: `https` where the client came over TLS, else `http`.
    Scheme,
    /// Any other name: what the path template of the route captured under it.
    Capture(&'a str),
}

/// Whoever knows what variables stand for in one request.
pub trait Variables {
    /// What the variable stands for; nothing where that is not known.
    fn value(&self, variable: Variable<'_>) -> Option<Cow<'_, str>>;
}

impl<'a> Variable<'a> {
    /// The variable of this name, if it can be a name.
    pub(crate) fn named(name: &'a str) -> Option<Self> {
        Some(match name {
            "client_ip" => Self::ClientIp,
            "host" => Self::Host,
            "path" => Self::Path,
            "request_id" => Self::RequestId,
            "route" => Self::Route,
            "scheme" => Self::Scheme,
            _ if is_name(name) => Self::Capture(name),
            _ => return None,
        })
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A piece of a text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<N> {
    Literal(String),
    Name(N),
}

/// Cuts a text at its placeholders; `name` says what stands between two braces. `{{` and `}}` are braces.
pub(crate) fn pieces<N>(
    text: &str,
    mut name: impl FnMut(&str) -> Result<N, String>,
) -> Result<Vec<Piece<N>>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else {
            let inner = from.strip_prefix('{').ok_or("a `}` without its `{`; `}}` is a brace")?;
            let (inside, after) = inner.split_once('}').ok_or("a `{` without its `}`; `{{` is a brace")?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Name(name(inside)?));
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// A variable in a text that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn read(name: &str) -> Result<Self, String> {
        match Variable::named(name) {
            Some(_) => Ok(Self(name.to_owned())),
            None => Err(format!("`{{{name}}}` is not a variable")),
        }
    }

    pub(crate) fn value<'v>(&self, variables: &'v dyn Variables) -> Option<Cow<'v, str>> {
        Variable::named(&self.0).and_then(|variable| variables.value(variable))
    }

    /// The capture that it is, if it is one.
    pub(crate) fn capture(&self) -> Option<&str> {
        match Variable::named(&self.0) {
            Some(Variable::Capture(name)) => Some(name),
            _ => None,
        }
    }
}

/// The value of a header, with variables.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Ready: writing it counts one reference.
    Fixed(HeaderValue),
    Pieces(Vec<Piece<Name>>),
}

impl Value {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > HEADER_VALUE_BYTES_MAX {
            return Err(format!("at most {HEADER_VALUE_BYTES_MAX} bytes"));
        }
        let pieces = pieces(text, Name::read)?;
        let fixed = match pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(literal)] => Some(literal.as_str()),
            _ => None,
        };
        let is_visible = |text: &str| HeaderValue::from_str(text).is_ok();
        let literals_are_good = pieces.iter().all(|piece| match piece {
            Piece::Literal(literal) => is_visible(literal),
            Piece::Name(_) => true,
        });
        if !literals_are_good {
            return Err("holds characters that a header cannot carry".to_owned());
        }
        match fixed {
            Some(text) => HeaderValue::from_str(text)
                .map(Self::Fixed)
                .map_err(|_| "holds characters that a header cannot carry".to_owned()),
            None => Ok(Self::Pieces(pieces)),
        }
    }

    /// The value for one request. What is not known is left out; nothing comes of it where a variable holds what a
    /// header cannot carry, or where it becomes too long.
    pub(crate) fn write(&self, variables: &dyn Variables) -> Option<HeaderValue> {
        let pieces = match self {
            Self::Fixed(value) => return Some(value.clone()),
            Self::Pieces(pieces) => pieces,
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Name(name) => {
                    let _ = write!(text, "{}", name.value(variables).unwrap_or_default());
                }
            }
        }
        if text.len() > HEADER_VALUE_BYTES_MAX {
            return None;
        }
        HeaderValue::try_from(text).ok()
    }

    pub(crate) fn captures(&self) -> impl Iterator<Item = &str> {
        let pieces = match self {
            Self::Fixed(_) => &[][..],
            Self::Pieces(pieces) => pieces,
        };
        pieces.iter().filter_map(|piece| match piece {
            Piece::Name(name) => name.capture(),
            Piece::Literal(_) => None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Knows `client_ip`, `route`, `scheme` and the capture `id`.
    pub(crate) struct Known;

    impl Variables for Known {
        fn value(&self, variable: Variable<'_>) -> Option<Cow<'_, str>> {
            match variable {
                Variable::ClientIp => Some("192.0.2.7".into()),
                Variable::Route => Some("orders".into()),
                Variable::Scheme => Some("https".into()),
                Variable::Capture("id") => Some("42".into()),
                Variable::Capture("evil") => Some("a\r\nx: y".into()),
                Variable::Capture("long") => Some("a".repeat(HEADER_VALUE_BYTES_MAX).into()),
                _ => None,
            }
        }
    }

    #[test]
    fn a_value_is_put_together_from_what_is_known() {
        for (text, value) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("{client_ip}", Some("192.0.2.7")),
            ("{route}/{id}?", Some("orders/42?")),
            ("<{unknown}>", Some("<>")),
            ("{{id}} {{}}", Some("{id} {}")),
            ("{{{id}}}", Some("{42}")),
            ("x{evil}", None),
            ("x{long}", None),
        ] {
            let written = Value::read(text).unwrap().write(&Known);
            assert_eq!(written.as_ref().map(|value| value.to_str().unwrap()), value, "{text}");
        }
    }

    #[test]
    fn a_text_that_says_nothing_certain_is_refused() {
        for text in ["{", "}", "a{b", "a}b", "{a b}", "{}", "{a.b}", "{1a}", "line\nbreak", "{id}\0"] {
            assert!(Value::read(text).is_err(), "{text}");
        }
        assert!(Value::read(&"a".repeat(HEADER_VALUE_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn captures_are_told() {
        let value = Value::read("{host} {id} {route} {rest}").unwrap();
        assert_eq!(value.captures().collect::<Vec<_>>(), ["id", "rest"]);
        assert_eq!(Value::read("{{id}}").unwrap().captures().count(), 0);
    }
}
