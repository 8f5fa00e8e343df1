//! The same tree sooner, for text of the ordinary kind: mappings, lists and scalars of one document, without anchors,
//! aliases, tags and merge keys. Whatever is out of the ordinary, a mistake included, is left to the general reader,
//! which says what it means or what is wrong with it. So is what a plain scalar means that may be no text, and one of
//! several lines, in which the two do not agree on lines that hold nothing but spaces.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::Value as Json;

use super::{Key, Node, Place, Value, general};
use crate::limits::FILE_NODES_MAX;

/// Deeper text is left to the general reader.
const DEPTH_MAX: usize = 48;
/// Mappings of more keys are looked through by hash.
const FEW_KEYS: usize = 16;

/// The tree of `text`, if it is of the ordinary kind.
pub(super) fn read(text: &str) -> Option<Node> {
    let events = Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false });
    let mut reader = Reader { events, scalars: HashMap::new(), nodes: 0 };
    let mut event = reader.next()?;
    while matches!(event.0, Event::StreamStart | Event::DocumentStart(_, None)) {
        event = reader.next()?;
    }
    let root = reader.node(event, 0)?;
    let ends = [reader.next()?.0, reader.next()?.0];
    matches!(ends, [Event::DocumentEnd, Event::StreamEnd]).then_some(root)
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// What plain scalars mean that may be no text.
    scalars: HashMap<String, Json>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        self.events.next()?.ok()
    }

    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> Option<Node> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > FILE_NODES_MAX {
            return None;
        }
        let value = match event {
            Event::Scalar(_, ScalarStyle::Plain, ..) if span.start.line() != span.end.line() => return None,
            Event::Scalar(text, ScalarStyle::Plain, 0, None) => Value::Scalar(self.plain(text.into_owned())?),
            Event::Scalar(text, _, 0, None) => Value::Scalar(Json::String(text.into_owned())),
            Event::SequenceStart(_, 0, None) => Value::List(self.list(depth)?),
            Event::MappingStart(_, 0, None) => Value::Map(self.map(depth)?),
            _ => return None,
        };
        Some(Node { place: place(span), value })
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Some(items),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Vec<(Key, Node)>> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (name, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(name, style, 0, None), span) if is_key(&name, style) => (name, span),
                _ => return None,
            };
            let event = self.next()?;
            let key = Key { place: place(span), name: name.into_owned() };
            entries.push((key, self.node(event, depth + 1)?));
        }
        all_differ(&entries).then_some(entries)
    }

    fn plain(&mut self, text: String) -> Option<Json> {
        if is_text(&text) {
            return Some(Json::String(text));
        }
        if let Some(known) = self.scalars.get(&text) {
            return Some(known.clone());
        }
        // At the beginning of a line it could be a mark between documents.
        let Ok(Value::Scalar(json)) = general::<Value>(&format!(" {text}")) else { return None };
        self.scalars.insert(text, json.clone());
        Some(json)
    }
}

/// Whether a plain scalar is a text beyond doubt: no number, boolean or null of any reader begins so and is as long.
fn is_text(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'/') => true,
        // Infinity, not a number, null.
        Some(b'i' | b'I' | b'n' | b'N') => false,
        Some(first) => first.is_ascii_alphabetic() && text.len() > "false".len(),
        None => false,
    }
}

/// Whether a key is the text that it looks like.
fn is_key(name: &str, style: ScalarStyle) -> bool {
    let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic());
    style != ScalarStyle::Plain || (is_word && !name.eq_ignore_ascii_case("null"))
}

fn all_differ(entries: &[(Key, Node)]) -> bool {
    let mut names = entries.iter().map(|(key, _)| key.name.as_str());
    if entries.len() > FEW_KEYS {
        let mut seen = HashSet::with_capacity(entries.len());
        return names.all(|name| seen.insert(name));
    }
    entries
        .iter()
        .enumerate()
        .all(|(at, (key, _))| entries[..at].iter().all(|(other, _)| other.name != key.name))
}

fn place(span: Span) -> Place {
    Place { line: span.start.line() as u64, column: span.start.col() as u64 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = include_str!("../../../../mamparo.yaml");

    #[test]
    fn what_is_ordinary_is_read_as_the_general_reader_reads_it() {
        let all = "# Of everything.
version: 1
a: {b: [1, -2, 3.5, 0x1f, 0o17, 1e3, 1_000, true, True, yes, no, on, null, Null, ~, NaN, inf, infinity]}
'quoted key': \"a \\u00e9 b\"
b:
  - - nested
    - 'it''s'
  - c: d
    e:
  - |
    literal
     text
  - >-
    folded
    text
h: {}
i: []
j: 127.0.0.1:8080
k: 5s
l: '5'
m: /a/{b}
n: -x
o: \u{e9}t\u{e9}
q: ---
r: [..., --- x]
p: notes-17
";
        for text in [all, SHOP, "a: 1\r\nb:\r\n- x\r\n", "[]", "--- \na: b\n", "a: b\n...\n", "x"] {
            let general = general::<Node>(text).unwrap();
            let plain = read(text).unwrap_or_else(|| panic!("left to the general reader: {text}"));
            assert_eq!(format!("{plain:?}"), format!("{general:?}"), "{text}");
        }
    }

    #[test]
    fn what_is_not_ordinary_or_wrong_is_left_to_the_general_reader() {
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        for text in [
            "",
            "a: &x 1\n",
            "a: &x {}\nb: *x\n",
            "a: !!str 1\n",
            "a: {<<: {b: 1}}\n",
            "null: 1\n",
            "1: 2\n",
            "? [a]\n: b\n",
            "a: 1\na: 2\n",
            "a: .inf\n",
            "a: [1\n",
            "a: x\n  y\n",
            "x\n \n y\n",
            "a: 1\n---\nb: 2\n",
            "%YAML 1.2\n---\na: 1\n",
            &deep,
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
