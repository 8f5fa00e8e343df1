//! Takes values out of a JSON text in one pass, as the text that they are: nothing is parsed that is not asked for, and
//! numbers keep their digits.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::TemplateError;

/// What is asked for, as a tree of the names on the way to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Where the value here goes, if it is asked for.
    slot: Option<usize>,
    fields: Vec<(String, Wanted)>,
}

/// The values, each in its slot; nothing where there is none.
pub(super) type Values<'b> = [Option<&'b RawValue>];

impl Wanted {
    /// Asks for the value at this path; `next` is its slot, unless it was asked for before.
    pub(super) fn ask(&mut self, path: &[&str], next: usize) -> usize {
        let Some((name, rest)) = path.split_first() else { return *self.slot.get_or_insert(next) };
        if let Some((_, field)) = self.fields.iter_mut().find(|(other, _)| other == name) {
            return field.ask(rest, next);
        }
        let mut field = Self::default();
        let slot = field.ask(rest, next);
        self.fields.push(((*name).to_owned(), field));
        slot
    }

    fn is_idle(&self) -> bool {
        self.slot.is_none() && self.fields.is_empty()
    }
}

/// Takes the values out. The whole text is checked, whatever is asked for.
pub(super) fn extract<'b>(
    wanted: &Wanted,
    slots: usize,
    body: &'b [u8],
) -> Result<Vec<Option<&'b RawValue>>, TemplateError> {
    let mut values = vec![None; slots];
    let malformed =
        |error: serde_json::Error| TemplateError::Malformed { line: error.line(), column: error.column() };
    let text = std::str::from_utf8(body).map_err(|error| at(body, error.valid_up_to()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Pick { wanted, values: &mut values }.deserialize(&mut deserializer).map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    Ok(values)
}

/// The error at a byte of the text.
fn at(body: &[u8], byte: usize) -> TemplateError {
    let before = body.get(..byte).unwrap_or(body);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    TemplateError::Malformed { line, column }
}

struct Pick<'w, 'v, 'b> {
    wanted: &'w Wanted,
    values: &'v mut Values<'b>,
}

impl<'b> DeserializeSeed<'b> for Pick<'_, '_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.wanted.is_idle() {
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        let Some(slot) = self.wanted.slot else { return deserializer.deserialize_any(self) };
        let raw = <&'b RawValue>::deserialize(deserializer)?;
        if let Some(place) = self.values.get_mut(slot) {
            *place = Some(raw);
        }
        if self.wanted.fields.is_empty() {
            return Ok(());
        }
        // Asked for as a whole and in parts: the parts are in the text that was just found.
        let mut inner = serde_json::Deserializer::from_str(raw.get());
        inner.deserialize_any(self).map_err(D::Error::custom)
    }
}

impl Pick<'_, '_, '_> {
    fn field(&self, name: &str) -> Option<usize> {
        self.wanted.fields.iter().position(|(other, _)| other == name)
    }
}

impl<'b> Visitor<'b> for Pick<'_, '_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.wanted.fields.len()];
        while let Some(name) = map.next_key::<String>()? {
            let found = self.field(&name);
            let field = found.and_then(|at| Some((self.wanted.fields.get(at)?, seen.get_mut(at)?)));
            let Some(((_, wanted), seen)) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // Others might take the other one.
            if std::mem::replace(seen, true) {
                return Err(A::Error::custom("a field that is asked for stands twice"));
            }
            map.next_value_seed(Pick { wanted, values: &mut *self.values })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<(), A::Error> {
        let idle = Wanted::default();
        for at in 0.. {
            let wanted = self.field(&at.to_string()).and_then(|at| self.wanted.fields.get(at));
            let wanted = wanted.map_or(&idle, |(_, wanted)| wanted);
            if items.next_element_seed(Pick { wanted, values: &mut *self.values })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
