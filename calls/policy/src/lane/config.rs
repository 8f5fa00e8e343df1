//! What can be set on lanes, and which values are wrong.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::duration_schema;
use crate::limits::LANE_THREADS_MAX;
use crate::shed::LineConfig;
use crate::{InvalidConfig, Policy};

fn check(holds: bool, field: &'static str, problem: &str) -> Result<(), InvalidConfig> {
    InvalidConfig::unless(holds, Policy::Lane, field, problem)
}

/// The line of a lane: work takes milliseconds, so a wait that is good enough is longer than before a call.
fn line() -> LineConfig {
    LineConfig {
        capacity: 1_024,
        target: Duration::from_millis(50),
        interval: Duration::from_millis(500),
        max_wait: Duration::from_secs(5),
    }
}

/// The lane for work that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CpuLaneConfig {
    /// Processors that are left to everything else; at least one thread computes. Default: `1`.
    pub reserved: usize,
    /// Threads that compute, instead of all processors but the reserved ones. Default: none.
    pub threads: Option<usize>,
    /// The line before them.
    pub line: LineConfig,
    /// After which time refused work may come again, a half earlier or later. Default: `1s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub retry_after: Duration,
}

impl Default for CpuLaneConfig {
    fn default() -> Self {
        Self { reserved: 1, threads: None, line: line(), retry_after: Duration::from_secs(1) }
    }
}

impl CpuLaneConfig {
    /// Whether such a lane can be.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let fits = self.threads.is_none_or(|threads| (1..=LANE_THREADS_MAX).contains(&threads));
        check(fits, "threads", "must be 1 to 1024")?;
        check(!self.retry_after.is_zero(), "retry_after", "must be above 0")?;
        self.line.check(Policy::Lane)
    }

    /// How many threads compute on a machine of so many processors.
    pub fn threads(&self, processors: usize) -> usize {
        let left = processors.saturating_sub(self.reserved);
        self.threads.unwrap_or(left).clamp(1, LANE_THREADS_MAX)
    }
}

/// The lane for work that blocks its thread: files, a driver without a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlockingLaneConfig {
    /// How much blocks at the same time: as much as the disk or the driver behind it takes, and not the number of
    /// processors. Default: `16`.
    pub size: usize,
    /// The line before it.
    pub line: LineConfig,
    /// After which time refused work may come again, a half earlier or later. Default: `1s`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub retry_after: Duration,
}

impl Default for BlockingLaneConfig {
    fn default() -> Self {
        Self { size: 16, line: line(), retry_after: Duration::from_secs(1) }
    }
}

impl BlockingLaneConfig {
    /// Whether such a lane can be.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        check((1..=LANE_THREADS_MAX).contains(&self.size), "size", "must be 1 to 1024")?;
        check(!self.retry_after.is_zero(), "retry_after", "must be above 0")?;
        self.line.check(Policy::Lane)
    }
}

/// When a handler is said to hold its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WatchConfig {
    /// A poll that takes longer is too long. Default: `10ms`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub threshold: Duration,
    /// Each so-manieth poll of a future is measured; the first always is. Default: `1`.
    #[schemars(range(min = 1))]
    pub sample: u32,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { threshold: Duration::from_millis(10), sample: 1 }
    }
}

impl WatchConfig {
    /// Whether it can be watched so.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        check(!self.threshold.is_zero(), "watch.threshold", "must be above 0")?;
        check(self.sample >= 1, "watch.sample", "must be at least 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_work_are_named_and_one_thread_is_always_left_to_compute() {
        let (cpu, blocking) = (CpuLaneConfig::default(), BlockingLaneConfig::default());
        assert!(cpu.check().is_ok() && blocking.check().is_ok() && WatchConfig::default().check().is_ok());
        let (zero, no_line) = (Duration::ZERO, LineConfig { capacity: 0, ..line() });
        for (checked, field) in [
            (CpuLaneConfig { threads: Some(0), ..cpu }.check(), "threads"),
            (CpuLaneConfig { retry_after: zero, ..cpu }.check(), "retry_after"),
            (CpuLaneConfig { line: no_line, ..cpu }.check(), "line.capacity"),
            (BlockingLaneConfig { size: 0, ..blocking }.check(), "size"),
            (BlockingLaneConfig { retry_after: zero, ..blocking }.check(), "retry_after"),
            (BlockingLaneConfig { line: no_line, ..blocking }.check(), "line.capacity"),
            (WatchConfig { threshold: zero, sample: 1 }.check(), "watch.threshold"),
            (WatchConfig { sample: 0, ..WatchConfig::default() }.check(), "watch.sample"),
        ] {
            assert_eq!(checked.unwrap_err().field, field);
        }
        for (processors, reserved, threads) in [(8, 1, 7), (2, 1, 1), (1, 1, 1), (4, 9, 1), (4, 0, 4)] {
            assert_eq!(CpuLaneConfig { reserved, ..cpu }.threads(processors), threads);
        }
        assert_eq!(CpuLaneConfig { threads: Some(3), ..cpu }.threads(8), 3);
    }
}
