//! The lane for work that computes: a pool of threads of its own, so that computing never holds a thread of the
//! runtime, and never takes more processors than are there.

use std::sync::Arc;

use mamparo_context::{Clock, Context, Random};

use super::config::CpuLaneConfig;
use super::job::{Job, LaneError};
use super::pool::{LaneState, Pool, Threads};
use crate::limits::LANE_THREADS_MAX;
use crate::{Counts, InvalidConfig, Policy};

/// Threads that compute, behind a bounded line. Cheap to clone; clones share the threads.
#[derive(Clone)]
pub struct CpuLane {
    pool: Arc<Pool>,
    threads: usize,
}

impl CpuLane {
    /// A lane whose threads wait for work.
    ///
    /// # Errors
    /// A value of `config` that cannot work, or the system gives no threads.
    pub fn new(config: CpuLaneConfig, clock: Clock, random: Random) -> Result<Self, InvalidConfig> {
        config.check()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = config.threads(processors.min(LANE_THREADS_MAX));
        let built = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("cpu-lane-{number}"))
            .build();
        let built = built.map_err(|error| InvalidConfig::new(Policy::Lane, "threads", error.to_string()))?;
        let threads_of = Threads::Rayon(built);
        let pool = Pool::new(threads_of, threads, config.line, config.retry_after, clock, random);
        Ok(Self { pool, threads })
    }

    /// Changes the line; what stands in it and what runs goes on.
    ///
    /// # Errors
    /// A value of `config` that cannot work, or another number of threads: that takes a new lane.
    pub fn reconfigure(&self, config: CpuLaneConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        let same = config.threads.is_none_or(|threads| threads == self.threads);
        InvalidConfig::unless(same, Policy::Lane, "threads", "cannot be changed while the lane runs")?;
        self.pool.reconfigure(self.threads, config.line, config.retry_after);
        Ok(())
    }

    /// Computes `work` on a thread of the lane. `label` says what kind of work it is: from it the lane learns what
    /// it costs, so that work which could not be done before its deadline is refused at once.
    ///
    /// Dropped, work that has not begun is not done, and work that has sees [`Job::is_cancelled`].
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
