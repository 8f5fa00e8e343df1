//! Templates, what they are given, and what they write.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fields::tests::{map, values};
use crate::limits::{TEMPLATE_DEPTH_MAX, TEMPLATE_OUTPUT_BYTES_MAX};
use crate::variables::tests::Known;

fn template(body: Value) -> Template {
    Template::new(&BodyTemplateConfig { body, ..BodyTemplateConfig::default() }).unwrap()
}

fn rendered(template_body: Value, body: &str) -> Result<String, TemplateError> {
    let headers = map(&[("x-user", "ana"), ("x-quote", "a\"b")]);
    let rendered = template(template_body).render(body.as_bytes(), &headers, &Known)?;
    Ok(String::from_utf8(rendered.to_vec()).unwrap())
}

#[test]
fn placeholders_become_what_they_name() {
    let body = r#" {"id": 7, "name": "A\u00e9\n", "big": 12345678901234567890123, "exact": 1.10,
        "list": [1, {"x": true}, null], "deep": {"a": {"b": "c"}}, "none": null, "": 5} "#;
    for (template, result) in [
        (json!("{body.id}"), "7"),
        (json!({"a": "{body.name}", "b": "{body.missing}"}), "{\"a\":\"A\\u00e9\\n\",\"b\":null}"),
        (json!(["{body.big}", "{body.exact}"]), "[12345678901234567890123,1.10]"),
        (json!("{body.list.1.x}"), "true"),
        (json!("{body.list.1}"), "{\"x\": true}"),
        (json!("{body.list.9}"), "null"),
        (json!("{body.list.01}"), "null"),
        (json!("{body.id.x}"), "null"),
        (
            json!(["{body.deep}", "{body.deep.a.b}", "{body.deep.a}"]),
            "[{\"a\": {\"b\": \"c\"}},\"c\",{\"b\": \"c\"}]",
        ),
        (json!("id {body.id}, name {body.name}!"), "\"id 7, name Aé\\n!\""),
        (json!("<{body.none}{body.missing}{body.list}>"), "\"<[1, {\\\"x\\\": true}, null]>\""),
        (json!("{header.X-User} {header.x-quote} {header.x-none}"), "\"ana a\\\"b \""),
        (json!(["{header.x-none}", "{client_ip}", "{id}", "{host}"]), "[null,\"192.0.2.7\",\"42\",null]"),
        (
            json!({"{body.id}": "{{body.id}}", "n": 1, "t": true, "z": null}),
            "{\"n\":1,\"t\":true,\"z\":null,\"{body.id}\":\"{body.id}\"}",
        ),
        (json!([[], {}, "", 1.5]), "[[],{},\"\",1.5]"),
    ] {
        assert_eq!(rendered(template.clone(), body).as_deref(), Ok(result), "{template}");
    }
    assert_eq!(rendered(json!("{body}"), " [1 , 2] ").as_deref(), Ok("[1 , 2]"));
}

#[test]
fn malformed_bodies_are_refused_whatever_is_asked_of_them() {
    for (body, line, column) in [
        ("", 1, 0),
        ("{", 1, 1),
        ("{\"id\": 1,}", 1, 10),
        ("{\"x\": \n tru}", 2, 5),
        ("{\"id\": 1} x", 1, 11),
        ("{\"id\": 1, \"id\": 2}", 1, 14),
        ("{\"x\": 01}", 1, 8),
        ("{\"id\": NaN}", 1, 8),
    ] {
        let expected = Err(TemplateError::Malformed { line, column });
        assert_eq!(rendered(json!({"a": "{body.id}"}), body), expected, "{body}");
    }
    let not_text = template(json!(1)).render(b"{\n\"a\": \"\xff\"}", &HeaderMap::new(), &Known);
    assert_eq!(not_text, Err(TemplateError::Malformed { line: 2, column: 7 }));
    let fixed = template(json!({"a": 1})).render(b"[", &HeaderMap::new(), &Known);
    assert!(matches!(fixed, Err(TemplateError::Malformed { .. })), "also where nothing is asked of it");
}

#[test]
fn what_stands_twice_is_let_be_where_nobody_asks_for_it() {
    assert_eq!(rendered(json!("{body.id}"), r#"{"x": 1, "x": 2, "id": 3}"#).as_deref(), Ok("3"));
}

#[test]
fn sizes_are_bounded_on_both_sides() {
    let config = BodyTemplateConfig { body: json!(1), max_bytes: 4 };
    let small = Template::new(&config).unwrap();
    assert_eq!(small.render(b"[11]", &HeaderMap::new(), &Known).unwrap(), "1");
    assert_eq!(small.render(b"[1111]", &HeaderMap::new(), &Known), Err(TemplateError::TooLarge { max: 4 }));
    let long = format!("\"{}\"", "a".repeat(60_000));
    for body in [json!(vec!["{body}"; 60]), json!("{body}".repeat(60))] {
        assert_eq!(rendered(body, &long), Err(TemplateError::OutputTooLarge));
    }
    assert!(rendered(json!(vec!["{body}"; 30]), &long).unwrap().len() < TEMPLATE_OUTPUT_BYTES_MAX);
}

#[test]
fn deep_bodies_do_not_exhaust_the_stack() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert!(rendered(json!("{body}"), &deep).is_ok());
    assert!(rendered(json!("{body.0.0.0}"), &deep).is_ok());
}

#[test]
fn what_is_no_template_is_named() {
    let deep = (0..=TEMPLATE_DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
    for (body, field) in [
        (json!("{"), "body"),
        (json!({"a": [1, "{body.}"]}), "body.a[1]"),
        (json!({"a": {"b": "{body..x}"}}), "body.a.b"),
        (json!({"a": "{header.a b}"}), "body.a"),
        (json!({"a": "{bodyx.y}"}), "body.a"),
        (json!({"a": "{if x}"}), "body.a"),
        (json!(vec![1; 1024]), "body[1023]"),
    ] {
        let error = Template::new(&BodyTemplateConfig { body, ..BodyTemplateConfig::default() }).unwrap_err();
        assert_eq!(error.field, field);
    }
    assert!(Template::new(&BodyTemplateConfig { body: deep, ..BodyTemplateConfig::default() }).is_err());
    for max_bytes in [0, 1024 * 1024 + 1] {
        let side = BodyTemplateConfig { max_bytes, ..BodyTemplateConfig::default() };
        let config = TemplateConfig { answer: Some(side), ..TemplateConfig::default() };
        assert_eq!(config.check().unwrap_err().field, "answer.max_bytes");
    }
}

#[test]
fn a_rewritten_message_tells_its_new_length() {
    let template = template(json!({"a": "{body.b}"}));
    let mut headers = map(&[
        ("content-type", "application/problem+json"),
        ("content-length", "999"),
        ("content-digest", "x"),
        ("transfer-encoding", "chunked"),
        ("content-encoding", "identity"),
    ]);
    assert_eq!(template.rewrite(&mut headers, b"{\"b\":5}", &Known).unwrap(), "{\"a\":5}");
    assert_eq!(values(&headers, "content-length"), ["7"]);
    assert!(!headers.contains_key("content-digest") && !headers.contains_key("transfer-encoding"));
    for lines in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        assert_eq!(
            template.rewrite(&mut map(lines), b"{}", &Known),
            Err(TemplateError::NotJson),
            "{lines:?}"
        );
    }
}

#[test]
fn captures_are_told() {
    let template = template(json!({"a": ["{rest}", "x {id} {route} {body.no}"], "b": 1}));
    assert_eq!(template.captures().collect::<Vec<_>>(), ["rest", "id"]);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[ab0]{1,2}", inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The one pass finds what a parsed body holds.
    #[test]
    fn one_pass_finds_what_pointers_find(body in any_json(), paths in prop::collection::vec(
        prop::collection::vec("[ab]{1,2}|[0-3]", 0..4), 1..6,
    )) {
        let names: Vec<String> = paths.iter().map(|path| format!("{{{}}}", [&["body".to_owned()][..], path].concat().join("."))).collect();
        let text = body.to_string();
        let out = template(json!(names)).render(text.as_bytes(), &HeaderMap::new(), &Known).unwrap();
        let out: Vec<Value> = serde_json::from_slice(&out).unwrap();
        for (path, found) in paths.iter().zip(out) {
            let pointer: String = path.iter().map(|name| format!("/{name}")).collect();
            prop_assert_eq!(&found, body.pointer(&pointer).unwrap_or(&Value::Null), "{}", pointer);
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused_and_what_is_written_is_json(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let template = template(json!({"a": "{body.a}", "b": "x {body.b.0}"}));
        if let Ok(out) = template.render(&body, &HeaderMap::new(), &Known) {
            prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
        }
    }
}
