//! What makes the configuration of a transformation wrong, and how its values are described to who checks files.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A value that a transformation cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfig {
    /// Which value, as a path from the key `transform` of a route: `cors.origins[2]`.
    pub field: String,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl InvalidConfig {
    /// That `field` is wrong.
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// Fails with `problem` unless `holds`.
    pub(crate) fn unless(holds: bool, field: &str, problem: &str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(field, problem)) }
    }

    /// The same, told from one key further up.
    pub(crate) fn below(mut self, key: &str) -> Self {
        let joint = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{key}{joint}{}", self.field);
        self
    }
}

/// A time span in a file, such as `250ms`.
pub(crate) fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "duration", "pattern": "^[0-9]+(us|ms|s|m|h|d)$" })
}
