//! Files of another shape than `mamparo.yaml`: read with the same care, from the schema of any type.

use mamparo_config::{limits, read};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Kettle {
    water: Option<Water>,
    off_at: Option<f64>,
    heat: Heat,
}

#[derive(Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Water {
    cups: u32,
    hard: bool,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Heat {
    Watts(u32),
    Level(f64),
}

impl Default for Kettle {
    fn default() -> Self {
        Self { water: None, off_at: Some(100.0), heat: Heat::Level(1.0) }
    }
}

fn problems(text: &str) -> Vec<String> {
    let problems = read::<Kettle>(text, "k").expect_err("the file was accepted");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_sound_is_read_and_nothing_can_take_the_place_of_a_default() {
    let read = |text: &str| read::<Kettle>(text, "k").map(mamparo_config::Document::into_value);
    assert_eq!(read("{}"), Ok(Kettle::default()));
    let heat = Heat::Watts(2000);
    assert_eq!(read("heat: {watts: 2000}\n"), Ok(Kettle { heat, ..Kettle::default() }));
    assert_eq!(read("off_at: null\n"), Ok(Kettle { off_at: None, ..Kettle::default() }));
}

#[test]
fn each_slip_is_answered_with_its_place() {
    for (text, expected) in [
        ("", "k:1:1: expected a mapping, found nothing; write {} where nothing needs to be said"),
        ("watre: {}\n", "k:1:1: watre: unknown key `watre`; did you mean `water`?"),
        ("water: {cups: 3.5}\n", "k:1:15: water.cups: expected a whole number, found a number"),
        ("water: {cups: -1}\n", "k:1:15: water.cups: -1 is too small; at least 0"),
        ("water: {cups: 5000000000}\n", "k:1:15: water.cups: 5000000000 is too large; at most 4294967295"),
        (
            "water:\n",
            "k:1:6: water: expected a mapping, found nothing; write {} where nothing needs to be said",
        ),
        ("heat: 3\n", "k:1:7: heat: expected a mapping with one of watts, level, found a number"),
        ("heat: {wats: 3}\n", "k:1:8: heat.wats: unknown key `wats`; did you mean `watts`?"),
        ("heat: {watts: x}\n", "k:1:15: heat.watts: expected a whole number, found a text"),
        ("heat: {watts: 1, level: 2}\n", "k:1:18: heat: needs exactly one of watts, level"),
        ("heat: {}\n", "k:1:7: heat: needs exactly one of watts, level"),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
    let huge = problems(&"#".repeat(limits::FILE_BYTES_MAX + 1));
    assert_eq!(huge, ["k:1:1: the file has 8388609 bytes, at most 8388608 are read"]);
}

#[test]
fn what_the_owner_finds_wrong_later_is_told_where_it_stands() {
    let kettle = read::<Kettle>("off_at: 50\nwater:\n  hard: true\n", "k").unwrap();
    for (path, place) in [
        ("off_at", "k:1:9"),
        ("water.hard", "k:3:9"),
        ("water.cups", "k:2:1"),
        ("water", "k:2:1"),
        ("heat.watts", "k:1:1"),
    ] {
        assert_eq!(kettle.problem(path, "too much").to_string(), format!("{place}: {path}: too much"));
    }
}
