//! Replay: what a stack would have done with a trace of calls, found out on virtual time by the stack itself.
#![doc = include_str!("../../../docs/policies/replay.md")]

mod dependency;
mod event_loop;
mod executor;
mod generator;
mod record;
mod report;
mod trace;
mod world;

use std::time::Duration;

pub use generator::{Generator, InvalidGenerator};
pub use report::{BreakerChange, LayerReport, PolicyReport, Report, Row, Totals};
pub use trace::{Answer, Behaviour, Call, InvalidTrace, Trace};

use crate::limits::{REPLAY_ATTEMPTS_MAX, REPLAY_CAPACITY_MAX, REPLAY_LAYERS_MAX};
use crate::stack::{ClientConfig, InvalidStack};

/// How a trace is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What the randomness of the stacks is drawn from: jitter, mostly.
    pub seed: u64,
    /// How many services call each other in a row, each through a stack of its own, from 1 to 5. The dependency of
    /// the trace is what the last one calls.
    pub layers: usize,
    /// How much time a row of the report is about; `None` leaves it to the length of the trace.
    pub bucket: Option<Duration>,
    /// How many requests the dependency serves at the same time, in place of what the trace says.
    pub capacity: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, layers: 1, bucket: None, capacity: None }
    }
}

/// Why a trace cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The stack cannot be built.
    #[error(transparent)]
    Stack(#[from] InvalidStack),
    /// More layers than are run, or none.
    #[error("{0} layers, from 1 to {REPLAY_LAYERS_MAX} can be run")]
    Layers(usize),
    /// A dependency that serves nobody, or more than can be kept account of.
    #[error("a capacity of {0}, from 1 to {REPLAY_CAPACITY_MAX} can be run")]
    Capacity(u32),
    /// Rows about no time.
    #[error("a row must be about some time")]
    Bucket,
    /// The stack asks the dependency so often that the run would never end.
    #[error("more than {REPLAY_ATTEMPTS_MAX} attempts: the stack asks again without a bound")]
    TooManyAttempts,
    /// Calls wait for something that never happens.
    #[error("{calls} calls wait for something that never happens")]
    Stuck {
        /// How many.
        calls: usize,
    },
}

/// Runs `trace` through stacks that are built from `stack`. `progress` is told now and then how far the virtual time
/// has come.
///
/// The same arguments give the same report, to the last bit.
///
/// # Errors
/// [`Error`].
pub fn run(
    trace: &Trace,
    stack: &ClientConfig,
    options: Options,
    progress: impl FnMut(Duration),
) -> Result<Report, Error> {
    if !(1..=REPLAY_LAYERS_MAX).contains(&options.layers) {
        return Err(Error::Layers(options.layers));
    }
    if let Some(capacity) = options.capacity.filter(|capacity| !(1..=REPLAY_CAPACITY_MAX).contains(capacity))
    {
        return Err(Error::Capacity(capacity));
    }
    if options.bucket == Some(Duration::ZERO) {
        return Err(Error::Bucket);
    }
    event_loop::run(trace, stack, options, progress)
}
