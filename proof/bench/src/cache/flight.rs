//! Ten thousand callers who miss one key at the same time: how often it is loaded, how often each caller is polled,
//! and how long it takes until all are answered, on one thread.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mamparo_cache::Cache;
use mamparo_context::{Clock, Context};

use crate::report::{Figure, Report, Target};
use crate::run::{Plan, median};

const CALLERS: usize = 10_000;
/// How long the load takes.
const LOAD: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Seen {
    loads: AtomicUsize,
    polls: AtomicUsize,
}

pub(super) fn bench(report: &mut Report, plan: &Plan) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (own, peer) = (Arc::<Seen>::default(), Arc::<Seen>::default());
    let (mut ours, mut mokas) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        ours.push(runtime.block_on(run_ours(&own)));
        mokas.push(runtime.block_on(run_moka(&peer)));
    }
    let read = |counter: &AtomicUsize| counter.load(Ordering::SeqCst) as f64;
    let rounds = plan.rounds as f64;
    let loads = Figure::new("10,000 misses of a key: loads", read(&own.loads) / rounds, "");
    let loads =
        loads.beside("moka (future)", read(&peer.loads) / rounds, read(&own.loads) / read(&peer.loads));
    report.push(loads.target(Target::AtMost(1.0)).target(Target::AtLeast(1.0)));
    let polls = Figure::new("  most polls of a caller", read(&own.polls), "");
    let polls = polls.beside("moka (future)", read(&peer.polls), read(&own.polls) / read(&peer.polls));
    report.push(polls.target(Target::AtMost(3.0)));
    let ratio = median(ours.iter().zip(&mokas).map(|(own, other)| own / other).collect());
    let time = Figure::new("  until all are answered, beyond the load", median(ours), "ms");
    report.push(time.beside("moka (future)", median(mokas), ratio));
}

async fn run_ours(seen: &Arc<Seen>) -> f64 {
    let cache = Cache::<u64, u64>::builder("bench").build().unwrap();
    all(seen, move |seen| {
        let cache = cache.clone();
        async move {
            let cx = Context::root();
            let load = move |_| async move {
                seen.loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(LOAD).await;
                Ok::<_, std::convert::Infallible>(Some(7))
            };
            cache.get_or_load(&cx, &1, load).await.unwrap().unwrap()
        }
    })
    .await
}

async fn run_moka(seen: &Arc<Seen>) -> f64 {
    let cache = moka::future::Cache::<u64, u64>::new(1_000);
    all(seen, move |seen| {
        let cache = cache.clone();
        async move {
            let load = async move {
                seen.loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(LOAD).await;
                Ok::<_, std::io::Error>(7)
            };
            cache.try_get_with(1, load).await.unwrap()
        }
    })
    .await
}

/// Milliseconds until all are answered, less those of the load.
async fn all<F: Future<Output = u64> + Send + 'static>(
    seen: &Arc<Seen>,
    get: impl Fn(Arc<Seen>) -> F,
) -> f64 {
    let clock = Clock::system();
    let start = clock.now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (get, seen) = (get(Arc::clone(seen)), Arc::clone(seen));
            tokio::spawn(async move {
                let (mut get, mut polls) = (pin!(get), 0);
                let value = poll_fn(|task| {
                    polls += 1;
                    get.as_mut().poll(task)
                });
                assert_eq!(value.await, 7);
                seen.polls.fetch_max(polls, Ordering::SeqCst);
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    ((clock.now() - start).saturating_sub(LOAD)).as_secs_f64() * 1_000.0
}
