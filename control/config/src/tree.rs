//! The text as a tree of values, each of which remembers where it stands.

mod plain;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use crate::Problem;
use crate::limits::FILE_NODES_MAX;

/// Where something stands in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Counted from 1; 0 when it is not known.
    pub(crate) line: u64,
    /// In characters, counted from 1; 0 when it is not known.
    pub(crate) column: u64,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A number, a boolean, a text or nothing.
    Scalar(Json),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// One step from a value to a part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'s> {
    Key(&'s str),
    Index(usize),
}

impl Node {
    /// Reads the text of a file.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, Problem> {
        if let Some(node) = plain::read(text) {
            return Ok(node);
        }
        general::<Self>(text).map_err(|error| {
            let place = error.location().map(Place::from).unwrap_or_default();
            let first_line = error.render().lines().next().unwrap_or("not YAML").to_owned();
            Problem {
                file: file.to_owned(),
                line: place.line.max(1),
                column: place.column.max(1),
                path: String::new(),
                message: without_place(&first_line),
                suggestion: None,
            }
        })
    }

    /// The part of this value that `steps` lead to.
    pub(crate) fn at(&self, steps: &[Step<'_>]) -> Option<&Node> {
        steps.iter().try_fold(self, |node, step| match (&node.value, step) {
            (Value::Map(entries), Step::Key(name)) => {
                entries.iter().find(|(key, _)| key.name == *name).map(|(_, node)| node)
            }
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        })
    }

    /// As [`at`](Self::at), to change it.
    pub(crate) fn at_mut(&mut self, steps: &[Step<'_>]) -> Option<&mut Node> {
        steps.iter().try_fold(self, |node, step| match (&mut node.value, step) {
            (Value::Map(entries), Step::Key(name)) => {
                entries.iter_mut().find(|(key, _)| key.name == *name).map(|(_, node)| node)
            }
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// The key of this mapping that has that name.
    pub(crate) fn key(&self, name: &str) -> Option<&Key> {
        match &self.value {
            Value::Map(entries) => entries.iter().map(|(key, _)| key).find(|key| key.name == name),
            _ => None,
        }
    }

    /// Whether it is neither a list nor a mapping.
    pub(crate) const fn is_scalar(&self) -> bool {
        matches!(self.value, Value::Scalar(_))
    }

    /// What it is, for a person.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar(Json::Null) => "nothing",
            Value::Scalar(Json::Bool(_)) => "a boolean",
            Value::Scalar(Json::Number(_)) => "a number",
            Value::Scalar(_) => "a text",
        }
    }

    /// The same values without their places.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(json) => json.clone(),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect())
            }
        }
    }
}

/// What both readers make of `text`, if the first reads it.
#[cfg(feature = "fuzzing")]
pub(crate) fn both_readings(text: &str) -> Option<(String, String)> {
    let general = general::<Node>(text).map(|node| format!("{node:?}"));
    Some((format!("{:?}", plain::read(text)?), general.unwrap_or_else(|error| error.to_string())))
}

/// Reads text of any kind.
fn general<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: FILE_NODES_MAX,
            max_events: 2 * FILE_NODES_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<T>(text, options)
}

/// The parser repeats the place in its message; here it stands before it already.
fn without_place(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    match message.split_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => match message.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
            Some((_, what)) => what.to_owned(),
            None => message.to_owned(),
        },
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { place: spanned.referenced.into(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Scalar(Json::Null))
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Scalar(Json::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let place = key.referenced.into();
            entries.push((Key { place, name: key.value }, access.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_keys_remember_their_place() {
        let tree = Node::parse("a: 1\nb:\n  - {c: x, d: 2s}\n", "f").unwrap();
        let d = tree.at(&[Step::Key("b"), Step::Index(0), Step::Key("d")]).unwrap();
        assert_eq!(d.place, Place { line: 3, column: 15 });
        let key = tree.at(&[Step::Key("b"), Step::Index(0)]).unwrap().key("d").unwrap();
        assert_eq!(key.place, Place { line: 3, column: 12 });
        assert_eq!(tree.to_json(), serde_json::json!({"a": 1, "b": [{"c": "x", "d": "2s"}]}));
    }

    #[test]
    fn text_that_is_not_yaml_is_answered_with_its_place() {
        for (text, line) in [("a: [1, 2\nb: 3\n", 2), ("a: 1\na: 2\n", 2), ("a: 1\n b: 2\n", 2)] {
            let problem = Node::parse(text, "f").unwrap_err();
            assert_eq!(problem.line, line, "{problem}");
            assert!(!problem.message.contains("at line"), "{problem}");
        }
    }
}
