//! How a projection stands, for metrics and for a person.

use serde::Serialize;

/// How a projection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The position up to which events are applied.
    pub position: u64,
    /// The position of the last event of the ledger.
    pub head: u64,
    /// Streams that are parked after an event that could not be applied.
    pub parked: u64,
    /// Failures in a row of what is being applied now.
    pub failures: u32,
    /// What the last failure said.
    pub last_error: Option<String>,
}

impl Status {
    /// Events that are not applied yet.
    pub fn lag(&self) -> u64 {
        self.head.saturating_sub(self.position)
    }
}
