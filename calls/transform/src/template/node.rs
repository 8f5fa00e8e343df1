//! A template as it is written out: its fixed parts are JSON already, its placeholders know where their values are.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use serde_json::Value;

use super::extract::{Values, Wanted};
use super::{TemplateError, header_name};
use crate::Variables;
use crate::config::InvalidConfig;
use crate::limits::{TEMPLATE_DEPTH_MAX, TEMPLATE_OUTPUT_BYTES_MAX, TEMPLATE_VALUES_MAX};
use crate::variables::{Name, Piece, pieces};

/// A value of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// JSON that is written as it is.
    Fixed(String),
    /// The value of a placeholder.
    Value(Source),
    /// A string with placeholders in it.
    Text(Vec<Piece<Source>>),
    Array(Vec<Node>),
    /// Names as JSON, and values.
    Object(Vec<(String, Node)>),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Body(usize),
    Header(HeaderName),
    Variable(Name),
}

/// What values can be taken from.
pub(super) struct Sources<'a> {
    pub(super) values: &'a Values<'a>,
    pub(super) headers: &'a HeaderMap,
    pub(super) variables: &'a dyn Variables,
}

/// Reads templates, and gathers what they ask of a body.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    pub(super) wanted: Wanted,
    pub(super) slots: usize,
    nodes: usize,
    depth: usize,
}

impl Compiler {
    /// Reads the value that stands at `field`.
    pub(super) fn read(&mut self, value: &Value, field: &str) -> Result<Node, InvalidConfig> {
        self.nodes += 1;
        let few = self.nodes <= TEMPLATE_VALUES_MAX && self.depth <= TEMPLATE_DEPTH_MAX;
        let problem = format!("at most {TEMPLATE_VALUES_MAX} values, {TEMPLATE_DEPTH_MAX} deep");
        InvalidConfig::unless(few, field, &problem)?;
        self.depth += 1;
        let node = match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Node::Fixed(value.to_string()),
            Value::String(text) => {
                self.read_text(text).map_err(|problem| InvalidConfig::new(field, problem))?
            }
            Value::Array(items) => {
                let item = |(at, item)| self.read(item, &format!("{field}[{at}]"));
                Node::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let read = |(name, value): (&String, _)| {
                    Ok((json_of(name), self.read(value, &format!("{field}.{name}"))?))
                };
                Node::Object(fields.iter().map(read).collect::<Result<_, _>>()?)
            }
        };
        self.depth -= 1;
        Ok(node)
    }

    fn read_text(&mut self, text: &str) -> Result<Node, String> {
        let mut pieces = pieces(text, |name| self.source(name))?;
        Ok(match pieces.as_slice() {
            [] | [Piece::Literal(_)] => {
                let literal = pieces.pop();
                let Some(Piece::Literal(literal)) = literal else { return Ok(Node::Fixed(json_of(""))) };
                Node::Fixed(json_of(&literal))
            }
            [Piece::Name(source)] => Node::Value(source.clone()),
            _ => Node::Text(pieces),
        })
    }

    fn source(&mut self, name: &str) -> Result<Source, String> {
        if let Some(header) = name.strip_prefix("header.") {
            return header_name(header).map(Source::Header);
        }
        let path: Vec<&str> = match name.strip_prefix("body") {
            Some("") => Vec::new(),
            Some(rest) if rest.starts_with('.') => rest.split('.').skip(1).collect(),
            _ => return Name::read(name).map(Source::Variable),
        };
        if path.iter().any(|name| name.is_empty()) || path.len() > TEMPLATE_DEPTH_MAX {
            return Err(format!("`{{{name}}}` is not a path into a body"));
        }
        let slot = self.wanted.ask(&path, self.slots);
        self.slots = self.slots.max(slot + 1);
        Ok(Source::Body(slot))
    }
}

impl Node {
    pub(super) fn write(&self, from: &Sources<'_>, out: &mut Vec<u8>) -> Result<(), TemplateError> {
        match self {
            Self::Fixed(json) => out.extend_from_slice(json.as_bytes()),
            Self::Value(source) => source.write_json(from, out),
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => text.push_str(literal),
                        Piece::Name(source) => text.push_str(&source.text(from).unwrap_or_default()),
                    }
                    if text.len() > TEMPLATE_OUTPUT_BYTES_MAX {
                        return Err(TemplateError::OutputTooLarge);
                    }
                }
                out.extend_from_slice(json_of(&text).as_bytes());
            }
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(from, out)?;
                }
                out.push(b']');
            }
            Self::Object(fields) => {
                out.push(b'{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(name.as_bytes());
                    out.push(b':');
                    value.write(from, out)?;
                }
                out.push(b'}');
            }
        }
        if out.len() > TEMPLATE_OUTPUT_BYTES_MAX { Err(TemplateError::OutputTooLarge) } else { Ok(()) }
    }

    pub(super) fn captures<'n>(&'n self, found: &mut Vec<&'n str>) {
        match self {
            Self::Fixed(_) => {}
            Self::Value(source) => found.extend(source.capture()),
            Self::Text(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Name(source) => source.capture(),
                Piece::Literal(_) => None,
            })),
            Self::Array(items) => items.iter().for_each(|item| item.captures(found)),
            Self::Object(fields) => fields.iter().for_each(|(_, value)| value.captures(found)),
        }
    }
}

impl Source {
    /// The value as JSON, `null` where there is none.
    fn write_json(&self, from: &Sources<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Body(slot) => {
                let value = from.values.get(*slot).copied().flatten();
                out.extend_from_slice(value.map_or("null", |value| value.get()).as_bytes());
            }
            Self::Header(_) | Self::Variable(_) => match self.text(from) {
                Some(text) => out.extend_from_slice(json_of(&text).as_bytes()),
                None => out.extend_from_slice(b"null"),
            },
        }
    }

    /// The value as text, nothing where there is none.
    fn text<'a>(&'a self, from: &Sources<'a>) -> Option<Cow<'a, str>> {
        match self {
            Self::Body(slot) => {
                let json = from.values.get(*slot).copied().flatten()?.get();
                match json.as_bytes().first() {
                    Some(b'"') => serde_json::from_str::<String>(json).ok().map(Cow::Owned),
                    Some(b'n') => None,
                    _ => Some(Cow::Borrowed(json)),
                }
            }
            Self::Header(name) => {
                let value = from.headers.get(name)?;
                std::str::from_utf8(value.as_bytes()).ok().map(Cow::Borrowed)
            }
            Self::Variable(name) => name.value(from.variables),
        }
    }

    fn capture(&self) -> Option<&str> {
        match self {
            Self::Variable(name) => name.capture(),
            Self::Body(_) | Self::Header(_) => None,
        }
    }
}

/// A string as JSON.
fn json_of(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
