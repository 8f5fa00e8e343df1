//! What is asked of a value: a text that it must be, or a mapping that says more.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What is asked of a header or of a parameter.
#[derive(Debug)]
pub(crate) enum Wanted {
    Exact(String),
    Regex(String),
    Present(bool),
}

/// What is asked of a value.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Asked {
    /// It is this text.
    Exact(String),
    /// This regular expression takes it whole.
    Regex(String),
    /// It is there.
    Present(bool),
}

impl JsonSchema for Wanted {
    fn schema_name() -> Cow<'static, str> {
        "Wanted".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let asked = generator.subschema_for::<Asked>();
        json_schema!({ "anyOf": [{ "type": "string" }, asked] })
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WantedVisitor)
    }
}

struct WantedVisitor;

impl<'de> Visitor<'de> for WantedVisitor {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a mapping")
    }

    fn visit_str<E>(self, text: &str) -> Result<Wanted, E> {
        Ok(Wanted::Exact(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Wanted, A::Error> {
        Ok(match Asked::deserialize(MapAccessDeserializer::new(map))? {
            Asked::Exact(text) => Wanted::Exact(text),
            Asked::Regex(pattern) => Wanted::Regex(pattern),
            Asked::Present(must) => Wanted::Present(must),
        })
    }
}
