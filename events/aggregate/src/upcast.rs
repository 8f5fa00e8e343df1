//! How events of older kinds are read as the newest: one step from kind to kind at a time, on the JSON, at every
//! read. What was recorded is never changed.

use std::collections::HashMap;

use serde_json::Value;

use crate::UpcastError;
use crate::limits::UPCASTS_MAX;

type Step = fn(Value) -> Value;

/// Steps from older kinds to newer ones.
#[derive(Clone, Default)]
pub struct Upcasters(HashMap<&'static str, (&'static str, Step)>);

impl Upcasters {
    /// No steps.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same steps and one more: an event of the kind `from` is read as one of the kind `to`. A mere new name
    /// is the step `|value| value`. The last step from a kind counts.
    #[must_use]
    pub fn step(mut self, from: &'static str, to: &'static str, step: Step) -> Self {
        self.0.insert(from, (to, step));
        self
    }

    /// Whether there is a step from this kind.
    pub fn know(&self, kind: &str) -> bool {
        self.0.contains_key(kind)
    }

    /// The event in its newest kind.
    ///
    /// # Errors
    /// The steps go round in a circle.
    pub fn newest(&self, kind: &str, mut value: Value) -> Result<(String, Value), UpcastError> {
        let mut newest = kind;
        for _ in 0..=UPCASTS_MAX {
            let Some((to, step)) = self.0.get(newest) else { return Ok((newest.to_owned(), value)) };
            value = step(value);
            newest = to;
        }
        Err(UpcastError { kind: kind.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps() -> Upcasters {
        Upcasters::none()
            .step("Placed", "OrderPlaced", |value| value)
            .step("OrderPlaced", "OrderPlaced.v2", |value| json!({ "lines": [value["sku"]] }))
            .step("A", "B", |value| value)
            .step("B", "A", |value| value)
    }

    #[test]
    fn old_events_go_step_by_step_to_the_newest_kind() {
        for (kind, value, newest, expected) in [
            ("Placed", json!({ "sku": "mate" }), "OrderPlaced.v2", json!({ "lines": ["mate"] })),
            ("OrderPlaced", json!({ "sku": "mate" }), "OrderPlaced.v2", json!({ "lines": ["mate"] })),
            ("OrderPlaced.v2", json!({ "lines": [] }), "OrderPlaced.v2", json!({ "lines": [] })),
            ("Other", json!(1), "Other", json!(1)),
        ] {
            assert_eq!(steps().newest(kind, value).unwrap(), (newest.to_owned(), expected));
        }
    }

    #[test]
    fn a_circle_is_an_error_and_not_a_loop() {
        assert_eq!(steps().newest("A", json!(1)), Err(UpcastError { kind: "A".into() }));
    }
}
