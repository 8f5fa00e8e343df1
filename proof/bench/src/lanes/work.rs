//! The work, and the four places to do it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mamparo_context::{Clock, Context, Random};
use mamparo_policy::lane::{CpuLane, CpuLaneConfig};
use tokio::runtime::{Handle, Runtime};

/// What one job takes of a processor that has nothing else to do.
pub(super) const JOB: Duration = Duration::from_millis(20);
/// What the lane is there for: how long a ping may take beside it.
pub(super) const PING_P99_MS: f64 = 15.0;

/// Where jobs are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Inline,
    SpawnBlocking,
    SecondRuntime,
    CpuLane,
    CpuLaneAll,
}

impl Variant {
    pub(super) const ALL: [Variant; 5] =
        [Self::Inline, Self::SpawnBlocking, Self::SecondRuntime, Self::CpuLane, Self::CpuLaneAll];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::SpawnBlocking => "spawn_blocking",
            Self::SecondRuntime => "second runtime",
            Self::CpuLane => "cpu lane",
            Self::CpuLaneAll => "cpu lane, all processors",
        }
    }
}

/// A number of steps that take one [`JOB`].
#[derive(Clone)]
pub(super) struct Work {
    steps: u64,
}

impl Work {
    /// Counts how many steps a job is; the fastest of several tries counts, because others may be at work here.
    pub(super) fn calibrated() -> Self {
        let clock = Clock::system();
        let tries = (0..20).map(|_| {
            let (began, steps) = (clock.now(), 2_000_000);
            spin(steps);
            steps as f64 * JOB.as_secs_f64() / (clock.now() - began).as_secs_f64()
        });
        Self { steps: tries.fold(0.0, f64::max) as u64 }
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }
}

fn spin(steps: u64) -> u64 {
    let mut state = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for step in 0..steps {
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ step;
    }
    black_box(state)
}

/// When one job began and ended; `None` where it was refused.
pub(super) type Done = Option<(Instant, Instant)>;

/// One place to do jobs.
pub(super) struct Place {
    variant: Variant,
    clock: Clock,
    steps: u64,
    /// The measurement is over: what is left is not worth doing.
    is_over: Arc<AtomicBool>,
    second: Option<(Handle, Stop)>,
    lane: Option<CpuLane>,
}

/// Ends a runtime from a thread that may be one of another's.
struct Stop(Option<Runtime>);

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Place {
    pub(super) fn new(variant: Variant, work: &Work, cores: usize) -> Self {
        let clock = Clock::system();
        let fewer = cores.saturating_sub(1).max(1);
        let second = (variant == Variant::SecondRuntime).then(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(fewer).build().unwrap();
            (runtime.handle().clone(), Stop(Some(runtime)))
        });
        let threads = match variant {
            Variant::CpuLane => Some(fewer),
            Variant::CpuLaneAll => Some(cores),
            _ => None,
        };
        let lane = threads.map(|threads| {
            let config = CpuLaneConfig { threads: Some(threads), ..CpuLaneConfig::default() };
            CpuLane::new(config, clock.clone(), Random::system()).unwrap()
        });
        Self { variant, clock, steps: work.steps(), is_over: Arc::default(), second, lane }
    }

    /// Nothing more is worth doing.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Does one job within `cx`.
    pub(super) async fn job(&self, cx: &Context) -> Done {
        let (clock, steps, is_over) = (self.clock.clone(), self.steps, Arc::clone(&self.is_over));
        let job = move || {
            let began = clock.now();
            if !is_over.load(Ordering::Relaxed) {
                spin(steps);
            }
            (began, clock.now())
        };
        match (self.variant, &self.second, &self.lane) {
            (Variant::SpawnBlocking, ..) => tokio::task::spawn_blocking(job).await.ok(),
            (Variant::SecondRuntime, Some((second, _)), _) => second.spawn(async move { job() }).await.ok(),
            (Variant::CpuLane | Variant::CpuLaneAll, _, Some(lane)) => {
                lane.run(cx, "job", move |_| job()).await.ok()
            }
            _ => Some(job()),
        }
    }
}
