//! Compares the tree with the schema, and does not stop at the first difference.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use mamparo_context::duration;
use serde_json::{Map, Value as Json};

use crate::limits::PROBLEMS_MAX;
use crate::problem::Problem;
use crate::schema::{alternatives, types, words};
use crate::suggest::suggestion;
use crate::tree::{Key, Node, Place, Value};
use crate::units::{parse_address, parse_size};

/// Everything in `tree` that the schema does not allow.
pub(crate) fn compare(tree: &Node, schema: &Json, file: &str) -> Vec<Problem> {
    let mut walk = Walk { root: schema, file, problems: Vec::new(), known: HashMap::new() };
    walk.node(tree, schema, &Path::Root);
    walk.problems
}

/// The way to a value; written only where something is wrong with it.
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Path::Root, name) => f.write_str(name),
            Self::Key(above, name) => write!(f, "{above}.{name}"),
            Self::Index(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

struct Walk<'w> {
    root: &'w Json,
    file: &'w str,
    problems: Vec<Problem>,
    /// The alternatives of a schema, by where it lies: thousands of routes are compared with the same few.
    known: HashMap<*const Json, Alternatives<'w>>,
}

type Alternatives<'w> = Rc<[&'w Map<String, Json>]>;

impl<'w> Walk<'w> {
    fn alternatives(&mut self, schema: &'w Json) -> Alternatives<'w> {
        let root = self.root;
        Rc::clone(self.known.entry(schema).or_insert_with(|| alternatives(root, schema).into()))
    }

    fn node(&mut self, node: &Node, schema: &'w Json, path: &Path<'_>) {
        if matches!(node.value, Value::Scalar(Json::Null)) && switches_off(schema) {
            return;
        }
        if takes_anything(schema) {
            return;
        }
        let alternatives = self.alternatives(schema);
        let fits = |schema: &&Map<String, Json>| holds(node, schema);
        let Some(schema) = alternatives.iter().copied().find(fits) else {
            let wanted: Vec<String> = alternatives.iter().map(|schema| wanted(schema)).collect();
            let hint = alternatives.iter().find_map(|schema| hint(node, schema));
            let message = format!("expected {}, found {}", wanted.join(" or "), node.kind());
            self.add(node.place, path, message, hint);
            return;
        };
        match &node.value {
            Value::Map(entries) if !variants(schema).is_empty() => self.variant(node, entries, schema, path),
            Value::Map(entries) => {
                self.keys(node, schema, path);
                for (key, inner) in entries {
                    if let Some(known) = member(schema, &key.name) {
                        self.node(inner, known, &Path::Key(path, &key.name));
                    }
                }
            }
            Value::List(items) => {
                let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
                if (items.len() as u64) < least {
                    self.add(node.place, path, format!("needs at least {least} item"), None);
                }
                let of = schema.get("items").unwrap_or(&Json::Null);
                for (index, item) in items.iter().enumerate() {
                    self.node(item, of, &Path::Index(path, index));
                }
            }
            Value::Scalar(scalar) => self.scalar(node.place, scalar, schema, path),
        }
    }

    fn keys(&mut self, node: &Node, schema: &Map<String, Json>, path: &Path<'_>) {
        let Value::Map(entries) = &node.value else { return };
        if let Some(Json::Object(properties)) = schema.get("properties") {
            for (key, _) in entries.iter().filter(|(key, _)| !properties.contains_key(&key.name)) {
                let known = properties.keys().map(String::as_str);
                let absent: Vec<&str> = known.filter(|name| node.key(name).is_none()).collect();
                let help = suggestion(&key.name, "keys that may stand here", &absent);
                self.add(
                    key.place,
                    &Path::Key(path, &key.name),
                    format!("unknown key `{}`", key.name),
                    Some(help),
                );
            }
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
        for name in required.filter_map(Json::as_str).filter(|name| node.key(name).is_none()) {
            let place = entries.first().map_or(node.place, |(key, _)| key.place);
            let describe = || schema.get("properties")?.get(name)?.get("description")?.as_str();
            let help = describe().map(|text| format!("`{name}`: {}", first_sentence(text)));
            self.add(place, path, format!("`{name}` is missing"), help);
        }
    }

    /// A mapping whose one key says which of several kinds it is.
    fn variant(
        &mut self,
        node: &Node,
        entries: &[(Key, Node)],
        schema: &'w Map<String, Json>,
        path: &Path<'_>,
    ) {
        let variants = variants(schema);
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        for (key, inner) in entries {
            match variants.iter().find(|(name, _)| *name == key.name) {
                Some((name, known)) => self.node(inner, known, &Path::Key(path, name)),
                None => {
                    let help = suggestion(&key.name, "keys that may stand here", &names);
                    self.add(
                        key.place,
                        &Path::Key(path, &key.name),
                        format!("unknown key `{}`", key.name),
                        Some(help),
                    );
                }
            }
        }
        if entries.len() != 1 {
            let place = entries.get(1).map_or(node.place, |(key, _)| key.place);
            self.add(place, path, format!("needs exactly one of {}", names.join(", ")), None);
        }
    }

    fn scalar(&mut self, place: Place, scalar: &Json, schema: &Map<String, Json>, path: &Path<'_>) {
        let words: Vec<&str> = words(schema).into_iter().map(|(word, _)| word).collect();
        if let (Json::String(text), false) = (scalar, words.is_empty()) {
            if !words.contains(&text.as_str()) {
                let help = suggestion(text, "words that may stand here", &words);
                self.add(place, path, format!("unknown word `{text}`"), Some(help));
            }
            return;
        }
        if let (Json::String(text), Some(format)) = (scalar, schema.get("format").and_then(Json::as_str)) {
            let (holds, example) = match format {
                "duration" => (duration::parse(text).is_some(), "a duration has a unit: 250ms, 5s, 2m, 1h"),
                "size" => (parse_size(text).is_some(), "a size has a unit: 512B, 64KiB, 1MiB, 2GiB"),
                "address" => {
                    (parse_address(text).is_some(), "an address is an IP and a port: 127.0.0.1:8080")
                }
                _ => (true, ""),
            };
            if !holds {
                self.add(place, path, format!("`{text}` is not {}", article(format)), Some(example.into()));
            }
        }
        if let Some(number) = scalar.as_f64() {
            let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
            if let Some(least) = bound("minimum").filter(|least| number < *least) {
                self.add(place, path, format!("{scalar} is too small"), Some(format!("at least {least}")));
            }
            let wide = schema.get("format").and_then(Json::as_str) == Some("uint32");
            let most = bound("maximum").or(wide.then_some(f64::from(u32::MAX)));
            if let Some(most) = most.filter(|most| number > *most) {
                self.add(place, path, format!("{scalar} is too large"), Some(format!("at most {most}")));
            }
        }
    }

    fn add(&mut self, place: Place, path: &Path<'_>, message: String, suggestion: Option<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            let (file, path) = (self.file.to_owned(), path.to_string());
            let (line, column) = (place.line.max(1), place.column.max(1));
            self.problems.push(Problem { file, line, column, path, message, suggestion });
        }
    }
}

/// Whether anything may stand there: the schema names no kind of value.
fn takes_anything(schema: &Json) -> bool {
    const KINDS: [&str; 6] = ["$ref", "anyOf", "const", "enum", "oneOf", "type"];
    schema.as_object().is_some_and(|schema| KINDS.iter().all(|kind| !schema.contains_key(*kind)))
}

/// Whether a schema is about such a value, whatever it says of its parts.
fn holds(node: &Node, schema: &Map<String, Json>) -> bool {
    match &node.value {
        Value::Map(_) => !variants(schema).is_empty() || types(schema).contains(&"object"),
        Value::List(_) => types(schema).contains(&"array"),
        Value::Scalar(scalar) => {
            let is_word = scalar.is_string() && !words(schema).is_empty();
            is_word || types(schema).iter().any(|name| is(scalar, name))
        }
    }
}

/// Whether nothing may stand there, and means something else than leaving it out: it is there by default.
fn switches_off(schema: &Json) -> bool {
    let by_default = schema.get("default").is_some_and(|default| !default.is_null());
    let types = schema.get("type").and_then(Json::as_array).into_iter().flatten();
    let any = schema.get("anyOf").and_then(Json::as_array).into_iter().flatten();
    by_default && types.chain(any.filter_map(|one| one.get("type"))).any(|name| name.as_str() == Some("null"))
}

/// The kinds of a mapping whose one key says which kind it is, with the schema of what stands behind that key.
fn variants(schema: &Map<String, Json>) -> Vec<(&str, &Json)> {
    let kinds = schema.get("oneOf").and_then(Json::as_array).into_iter().flatten();
    kinds
        .filter(|kind| kind.get("type").and_then(Json::as_str) == Some("object"))
        .filter_map(|kind| kind.get("properties")?.as_object())
        .filter_map(|keys| keys.iter().next().filter(|_| keys.len() == 1))
        .map(|(name, known)| (name.as_str(), known))
        .collect()
}

/// The schema of a member of a mapping: by name, or the one of all members.
fn member<'s>(schema: &'s Map<String, Json>, name: &str) -> Option<&'s Json> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    named.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
}

fn is(scalar: &Json, name: &str) -> bool {
    match name {
        "string" => scalar.is_string(),
        "integer" => scalar.is_i64() || scalar.is_u64(),
        "number" => scalar.is_number(),
        "boolean" => scalar.is_boolean(),
        _ => false,
    }
}

fn wanted(schema: &Map<String, Json>) -> String {
    let words: Vec<&str> = words(schema).into_iter().map(|(word, _)| word).collect();
    match (schema.get("format").and_then(Json::as_str), types(schema).first()) {
        _ if !words.is_empty() => format!("one of {}", words.join(", ")),
        _ if !variants(schema).is_empty() => {
            let names: Vec<&str> = variants(schema).iter().map(|(name, _)| *name).collect();
            format!("a mapping with one of {}", names.join(", "))
        }
        (Some(format @ ("duration" | "size" | "address")), _) => article(format),
        (_, Some(&"object")) => "a mapping".into(),
        (_, Some(&"array")) => "a list".into(),
        (_, Some(&"integer")) => "a whole number".into(),
        (_, Some(&"number")) => "a number".into(),
        (_, Some(&"boolean")) => "true or false".into(),
        _ => "a text".into(),
    }
}

/// What a person who wrote something else probably has to write.
fn hint(node: &Node, schema: &Map<String, Json>) -> Option<String> {
    let wants = |name: &str| types(schema).contains(&name);
    match (&node.value, schema.get("format").and_then(Json::as_str)) {
        (Value::Scalar(Json::Number(number)), Some("duration")) => {
            Some(format!("a duration has a unit: {number}ms or {number}s"))
        }
        (Value::Scalar(Json::Number(number)), Some("size")) => {
            Some(format!("a size has a unit: {number}B or {number}MiB"))
        }
        (Value::Scalar(Json::Null), _) if wants("object") => {
            Some("write {} where nothing needs to be said".into())
        }
        (Value::Scalar(Json::Null), _) if wants("array") => Some("write [] for an empty list".into()),
        (Value::Scalar(one), _) if wants("array") && !one.is_null() => {
            Some(format!("write [{}]", plain(one)))
        }
        (Value::Scalar(one @ (Json::Number(_) | Json::Bool(_))), _) if wants("string") => {
            Some(format!("write \"{}\"", plain(one)))
        }
        (Value::Scalar(Json::String(text)), _) if wants("integer") && text.parse::<u64>().is_ok() => {
            Some(format!("write {text} without quotes"))
        }
        _ => None,
    }
}

fn plain(scalar: &Json) -> String {
    scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned)
}

fn article(format: &str) -> String {
    if format.starts_with('a') { format!("an {format}") } else { format!("a {format}") }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split_once(". ").map_or_else(|| text.trim_end_matches('.').to_owned(), |(first, _)| first.to_owned())
}
