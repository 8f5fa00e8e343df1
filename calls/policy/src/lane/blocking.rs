//! The lane for work that blocks its thread: a stated number at a time, on the blocking threads of the runtime.

use std::sync::Arc;

use mamparo_context::{Clock, Context, Random};
use tokio::runtime::Handle;

use super::config::BlockingLaneConfig;
use super::job::{Job, LaneError};
use super::pool::{LaneState, Pool, Threads};
use crate::{Counts, InvalidConfig};

/// So much work at a time as the disk or the driver behind it takes, behind a bounded line. Cheap to clone; clones
/// share the number.
#[derive(Clone)]
pub struct BlockingLane {
    pool: Arc<Pool>,
}

impl BlockingLane {
    /// A lane on the blocking threads of `runtime`.
    ///
    /// # Errors
    /// A value of `config` that cannot work.
    pub fn new(
        config: BlockingLaneConfig,
        runtime: Handle,
        clock: Clock,
        random: Random,
    ) -> Result<Self, InvalidConfig> {
        config.check()?;
        let threads = Threads::Tokio(runtime);
        let pool = Pool::new(threads, config.size, config.line, config.retry_after, clock, random);
        Ok(Self { pool })
    }

    /// Changes the number and the line; what stands in it and what runs goes on.
    ///
    /// # Errors
    /// A value of `config` that cannot work; then nothing has changed.
    pub fn reconfigure(&self, config: BlockingLaneConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        self.pool.reconfigure(config.size, config.line, config.retry_after);
        Ok(())
    }

    /// Does `work` on a thread that may block. As [`CpuLane::run`](super::CpuLane::run).
    ///
    /// # Errors
    /// It was refused, its deadline passed while it was done, or it panicked.
    pub async fn run<T, F>(&self, cx: &Context, label: &'static str, work: F) -> Result<T, LaneError>
    where
        T: Send + 'static,
        F: FnOnce(&Job) -> T + Send + 'static,
    {
        self.pool.run(cx, label, work).await
    }

    /// What it shows now.
    pub fn state(&self) -> LaneState {
        self.pool.shows()
    }

    /// What it has done.
    pub fn counts(&self) -> &Counts {
        &self.pool.counts
    }
}
