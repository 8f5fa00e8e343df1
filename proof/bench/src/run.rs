//! How measurements are taken: in rounds in which the peers take turns, so that a busy machine is busy for both.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::Histogram;
use mamparo_context::Clock;

/// Bytes of a small record with its header, as a log appends it.
const RECORD_BYTES: usize = 288;
/// How long the yardstick is laid on.
const YARDSTICK: Duration = Duration::from_millis(500);

/// What was asked for on the command line.
pub(crate) struct Plan {
    pub(crate) seconds: Duration,
    pub(crate) rounds: usize,
    pub(crate) folder: PathBuf,
}

/// How often something happened in how long, and how long each took.
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

/// An empty histogram of microseconds, up to a minute.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap()
}

/// Microseconds since `start`, as a histogram takes them.
pub(crate) fn micros_since(clock: &Clock, start: std::time::Instant) -> u64 {
    u64::try_from((clock.now() - start).as_micros()).unwrap_or(u64::MAX)
}

/// Repeats `step`, which does a number of things and says how many, until the time is over.
pub(crate) fn repeat(seconds: Duration, mut step: impl FnMut() -> usize) -> Rate {
    let clock = Clock::system();
    let (start, mut done, mut latency) = (clock.now(), 0, histogram());
    while clock.now() - start < seconds {
        let began = clock.now();
        done += step();
        latency.saturating_record(micros_since(&clock, began));
    }
    Rate { per_second: done as f64 / (clock.now() - start).as_secs_f64(), latency }
}

/// How often in a second the disk below `folder` takes a small record for good: the yardstick that is printed with
/// every durable figure.
pub(crate) fn syncs_per_second(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("yardstick")).unwrap();
    let syncs = repeat(YARDSTICK, || {
        file.write_all(&[7; RECORD_BYTES]).unwrap();
        file.sync_data().unwrap();
        1
    });
    syncs.per_second
}

/// The median of what each round found.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a share of `values` lies.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
