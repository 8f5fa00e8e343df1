//! Asks for pings and jobs when they are due, whether or not those before them were answered, and measures from that
//! moment: a client that waits for a slow server would leave out exactly the slow answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mamparo_context::{Clock, Context, Deadline};

use super::work::{Place, Variant, Work};
use crate::run::{histogram, micros_since};

pub(super) const PINGS_PER_SECOND: u32 = 2_000;
/// After which time a job is of no use to its caller.
pub(super) const DEADLINE: Duration = Duration::from_millis(250);
/// The beginning of each measurement does not count: the lane learns what a job costs.
const WARM_UP: Duration = Duration::from_millis(500);

/// In milliseconds, and in a second.
pub(super) struct Measured {
    pub(super) ping_p50: f64,
    pub(super) ping_p99: f64,
    pub(super) ping_p999: f64,
    pub(super) in_time: f64,
    pub(super) wait_p50: f64,
    pub(super) wait_p99: f64,
    pub(super) refused: f64,
    pub(super) late_p99: f64,
}

struct Marks {
    clock: Clock,
    pings: Mutex<Histogram<u64>>,
    waits: Mutex<Histogram<u64>>,
    in_time: AtomicU64,
    refused: AtomicU64,
    under_way: AtomicU64,
}

impl Marks {
    fn ping(&self, due: Instant, counts: bool) {
        if counts {
            self.pings.lock().unwrap().saturating_record(micros_since(&self.clock, due));
        }
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    fn job(&self, due: Instant, done: Option<(Instant, Instant)>, counts: bool) {
        match done {
            _ if !counts => {}
            None => _ = self.refused.fetch_add(1, Ordering::Relaxed),
            Some((began, ended)) => {
                let waited = began.saturating_duration_since(due);
                self.waits.lock().unwrap().saturating_record(waited.as_micros() as u64);
                let is_in_time = ended.saturating_duration_since(due) <= DEADLINE;
                self.in_time.fetch_add(u64::from(is_in_time), Ordering::Relaxed);
            }
        }
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pings at their pace and `jobs` in a second, for so long.
pub(super) fn measure(variant: Variant, work: &Work, seconds: Duration, jobs: f64, cores: usize) -> Measured {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build().unwrap();
    let place = Arc::new(Place::new(variant, work, cores));
    let marks = Arc::new(Marks {
        clock: Clock::system(),
        pings: Mutex::new(histogram()),
        waits: Mutex::new(histogram()),
        in_time: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        under_way: AtomicU64::new(0),
    });
    let late = ask(&runtime, &place, &marks, seconds, jobs);
    std::thread::sleep(DEADLINE);
    place.end();
    while marks.under_way.load(Ordering::Relaxed) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    runtime.shutdown_background();
    let ms = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    let (pings, waits) = (marks.pings.lock().unwrap(), marks.waits.lock().unwrap());
    let rate = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / seconds.as_secs_f64();
    Measured {
        ping_p50: ms(&pings, 0.5),
        ping_p99: ms(&pings, 0.99),
        ping_p999: ms(&pings, 0.999),
        in_time: rate(&marks.in_time),
        wait_p50: ms(&waits, 0.5),
        wait_p99: ms(&waits, 0.99),
        refused: rate(&marks.refused),
        late_p99: ms(&late, 0.99),
    }
}

/// The client: how late it was itself.
fn ask(
    runtime: &tokio::runtime::Runtime,
    place: &Arc<Place>,
    marks: &Arc<Marks>,
    seconds: Duration,
    jobs: f64,
) -> Histogram<u64> {
    let clock = Clock::system();
    let start = clock.now();
    let (warm, end) = (start + WARM_UP, start + WARM_UP + seconds);
    let (each_ping, each_job) = (1.0 / f64::from(PINGS_PER_SECOND), 1.0 / jobs);
    let (mut pings, mut asked, mut late) = (0_u32, 0_u32, histogram());
    loop {
        let ping_due = start + Duration::from_secs_f64(f64::from(pings) * each_ping);
        let job_due = start + Duration::from_secs_f64(f64::from(asked) * each_job);
        let due = ping_due.min(job_due);
        if due >= end {
            return late;
        }
        std::thread::sleep(due.saturating_duration_since(clock.now()));
        late.saturating_record(micros_since(&clock, due));
        marks.under_way.fetch_add(1, Ordering::Relaxed);
        let (own, counts) = (Arc::clone(marks), due >= warm);
        if ping_due <= job_due {
            pings += 1;
            runtime.spawn(async move {
                tokio::task::yield_now().await;
                own.ping(due, counts);
            });
        } else {
            asked += 1;
            let place = Arc::clone(place);
            runtime.spawn(async move {
                let cx = Context::root().with_deadline(Deadline::at(due + DEADLINE));
                let done = place.job(&cx).await;
                own.job(due, done, counts);
            });
        }
    }
}
