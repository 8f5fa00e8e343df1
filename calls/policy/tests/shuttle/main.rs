//! The policies that threads share, under many interleavings that a seed repeats: run with
//! `cargo test -p mamparo-policy --features shuttle`.
#![cfg(feature = "shuttle")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod adaptive;
mod breaker;
mod budget;
mod bulkhead;
mod rate_limit;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// How many interleavings of each kind.
const RUNS: usize = 2_000;

/// Tries `test` under random interleavings, and under such as are known to find races of few steps.
fn check(test: impl Fn() + Send + Sync + Clone + 'static) {
    Runner::new(RandomScheduler::new_from_seed(7, RUNS), Config::new()).run(test.clone());
    Runner::new(PctScheduler::new_from_seed(7, 3, RUNS), Config::new()).run(test);
}
