//! On which threads work is done: that of the runtime is for what waits; what computes and what blocks has lanes of
//! its own, and what is on the wrong one is found and named.
#![doc = include_str!("../../../docs/policies/lanes.md")]

pub mod core;

mod blocking;
mod config;
mod cpu;
mod job;
mod pool;
mod watch;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::blocking::BlockingLane;
pub use self::config::{BlockingLaneConfig, CpuLaneConfig, WatchConfig};
pub use self::cpu::CpuLane;
pub use self::job::{Job, LaneError};
pub use self::pool::LaneState;
pub use self::watch::{Polled, Watch, WatchLayer, WatchService, Watched, watch};

/// What a handler says of its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// It waits for others most of the time, and never stays long away from an `.await`: the threads of the runtime.
    #[default]
    Io,
    /// It computes: [`CpuLane`].
    Cpu,
    /// It blocks its thread: [`BlockingLane`].
    Blocking,
}

impl Lane {
    /// As it stands in files and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Cpu => "cpu",
            Self::Blocking => "blocking",
        }
    }
}
