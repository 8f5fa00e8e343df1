//! How many calls a bulkhead lets through at the same time, and how many wait for how long.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema};
use crate::limits::{BULKHEAD_CALLS_MAX, LINE_MAX};
use crate::{Mode, Policy};

/// How many calls a bulkhead lets through at the same time, and how many wait for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BulkheadConfig {
    /// Whether it acts.
    pub mode: Mode,
    /// Calls at the same time.
    pub calls: u32,
    /// Calls that wait until another one has ended; one more is refused at once.
    pub queue: u32,
    /// The longest time that a call waits; its deadline may make that shorter.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub wait: Duration,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self { mode: Mode::Enforce, calls: 64, queue: 64, wait: Duration::from_millis(500) }
    }
}

impl BulkheadConfig {
    /// So many calls at the same time, and as many in the line.
    pub fn of(calls: u32) -> Self {
        Self { calls, queue: calls, ..Self::default() }
    }

    /// Whether a bulkhead can work with it.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = |holds, field, problem| InvalidConfig::unless(holds, Policy::Bulkhead, field, problem);
        unless((1..=BULKHEAD_CALLS_MAX).contains(&self.calls), "calls", "from 1 to 1000000")?;
        unless(self.queue <= LINE_MAX, "queue", "at most 100000")?;
        unless(self.queue == 0 || !self.wait.is_zero(), "wait", "longer than nothing, or queue: 0")
    }
}
