//! The JSON Schema of the file, and the few questions that other parts ask it.

use serde_json::{Map, Value as Json};

use crate::file::File;

/// The JSON Schema (draft 2020-12) of `mamparo.yaml`, as editors use it.
pub fn schema() -> Json {
    schemars::schema_for!(File).to_value()
}

/// The schema that a `$ref` leads to; an `anyOf` of a schema and `null` (an optional field) is that schema.
pub(crate) fn resolve<'s>(root: &'s Json, schema: &'s Json) -> &'s Map<String, Json> {
    static EMPTY: std::sync::LazyLock<Map<String, Json>> = std::sync::LazyLock::new(Map::new);
    let Some(object) = schema.as_object() else { return &EMPTY };
    if let Some(Json::String(reference)) = object.get("$ref") {
        return reference
            .strip_prefix('#')
            .and_then(|at| root.pointer(at))
            .map_or(&EMPTY, |to| resolve(root, to));
    }
    let some = |of: &'s Json| of.as_array()?.iter().find(|one| one.get("type") != Some(&Json::from("null")));
    match object.get("anyOf").and_then(some) {
        Some(one) => resolve(root, one),
        None => object,
    }
}

/// The schemas of which one must hold, `null` left out; one for a schema without alternatives.
pub(crate) fn alternatives<'s>(root: &'s Json, schema: &'s Json) -> Vec<&'s Map<String, Json>> {
    let refers = schema.get("$ref").and_then(Json::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?));
    let any = refers.unwrap_or(schema).get("anyOf").and_then(Json::as_array);
    match any {
        Some(any) => {
            let some = any.iter().filter(|one| one.get("type") != Some(&Json::from("null")));
            some.flat_map(|one| alternatives(root, one)).collect()
        }
        None => vec![resolve(root, schema)],
    }
}

/// The types that a schema names, `null` left out.
pub(crate) fn types(schema: &Map<String, Json>) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).filter(|t| *t != "null").collect(),
        _ => Vec::new(),
    }
}

/// The words that a schema accepts, if it accepts only certain words, each with its description.
pub(crate) fn words(schema: &Map<String, Json>) -> Vec<(&str, &str)> {
    let plain = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
    let plain = plain.filter_map(Json::as_str).map(|word| (word, ""));
    let described = schema.get("oneOf").and_then(Json::as_array).into_iter().flatten();
    let described = described.flat_map(|one| {
        let text = one.get("description").and_then(Json::as_str).unwrap_or("");
        let many = one.get("enum").and_then(Json::as_array).into_iter().flatten();
        one.get("const").into_iter().chain(many).filter_map(Json::as_str).map(move |word| (word, text))
    });
    plain.chain(described).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field without a sentence would leave a hole in the manual.
    #[test]
    fn every_field_is_described_and_nothing_unknown_is_accepted() {
        let schema = schema();
        let definitions = schema["$defs"].as_object().unwrap().iter().map(|(name, one)| (name.as_str(), one));
        for (name, one) in definitions.chain([("File", &schema)]) {
            let Some(properties) = one["properties"].as_object() else { continue };
            assert_eq!(one["additionalProperties"], Json::Bool(false), "{name}");
            for (field, property) in properties {
                let described = property["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(described, "{name}.{field} has no description");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn visit(root: &Json, value: &Json) {
            match value {
                Json::Object(map) => {
                    if map.contains_key("$ref") {
                        assert!(!resolve(root, value).is_empty(), "{value}");
                    }
                    map.values().for_each(|inner| visit(root, inner));
                }
                Json::Array(items) => items.iter().for_each(|inner| visit(root, inner)),
                _ => {}
            }
        }
        let schema = schema();
        visit(&schema, &schema);
    }
}
