//! What makes a configuration of a policy wrong, and how its time spans are described to who checks files.

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::Policy;

/// A value that a policy cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {field}: {problem}", policy.as_str())]
pub struct InvalidConfig {
    /// Whose configuration.
    pub policy: Policy,
    /// Which value.
    pub field: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl InvalidConfig {
    /// That `field` of `policy` is wrong.
    pub(crate) fn new(policy: Policy, field: &'static str, problem: impl Into<String>) -> Self {
        Self { policy, field, problem: problem.into() }
    }

    /// Fails with `problem` unless `holds`.
    pub(crate) fn unless(
        holds: bool,
        policy: Policy,
        field: &'static str,
        problem: &str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(policy, field, problem)) }
    }
}

/// A time span in a file, such as `250ms`.
pub(crate) fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "duration", "pattern": "^[0-9]+(us|ms|s|m|h|d)$" })
}

/// The same where nothing stands for none.
pub(crate) fn optional_duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "duration", "pattern": "^[0-9]+(us|ms|s|m|h|d)$" })
}

/// A criticality in a file, or nothing.
pub(crate) fn optional_criticality_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"],
        "enum": ["sheddable", "sheddable-plus", "critical", "critical-plus", null],
    })
}

#[cfg(test)]
mod tests {
    use mamparo_context::Criticality;

    use super::*;

    #[test]
    fn every_word_of_the_schema_is_a_criticality() {
        let schema = optional_criticality_schema(&mut SchemaGenerator::default());
        let words = schema.get("enum").and_then(|words| words.as_array()).unwrap();
        let known: Vec<Criticality> =
            words.iter().filter_map(|word| word.as_str()).map(|word| word.parse().unwrap()).collect();
        assert_eq!(known.len(), 4);
    }
}
