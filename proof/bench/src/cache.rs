//! A cache beside moka, quick_cache and foyer: hits a second, what share of a trace is a hit, and what ten thousand
//! callers cost who miss one key at the same time.

mod contenders;
mod flight;
mod traces;

use std::time::Duration;

use contenders::Contender;
use mamparo_context::Clock;

use crate::report::{Figure, Report, Target};
use crate::run::{Plan, median};

/// Entries that are all there while hits are counted.
const RESIDENT: u64 = 10_000;
/// Room enough that none of them has to go, however they fall into the shards.
const ROOM: u64 = 2 * RESIDENT;
/// Reads between two looks at the clock.
const BATCH: usize = 4_096;

pub(crate) fn bench(plan: &Plan) -> Report {
    let mut report = Report::new("cache");
    report.condition("rounds", plan.rounds);
    report.condition("peers", "moka 0.12.16 (sync), quick_cache 0.7.0, foyer-memory 0.22.6");
    report.condition("keys and values", "u64; hits: 10,000 entries, all there, read in a zipf(1.0) order");
    report.condition("ours (coarse)", "time to live, with the clock as of its last tick");
    hits(&mut report, plan);
    ratios(&mut report);
    flight::bench(&mut report, plan);
    report
}

/// What one contender did in each round.
type Rates = Vec<f64>;

fn hits(report: &mut Report, plan: &Plan) {
    let order = traces::zipf(RESIDENT, 1.0, 1 << 16, 1);
    for threads in [1, 2] {
        let plain = turns(plan, threads, &order, contenders::without_time(ROOM));
        show(report, &format!("hits, no time to live, {threads} thread"), &plain, threads);
        let timed = turns(plan, threads, &order, contenders::with_time(ROOM));
        show(report, &format!("hits, time to live, {threads} thread"), &timed, threads);
    }
}

/// Each contender in turn in each round.
fn turns(
    plan: &Plan,
    threads: usize,
    order: &[u64],
    contenders: Vec<Box<dyn Contender>>,
) -> Vec<(&'static str, Rates)> {
    let mut rates: Vec<(&str, Rates)> = contenders.iter().map(|own| (own.name(), Vec::new())).collect();
    for contender in &contenders {
        (0..RESIDENT).for_each(|key| contender.insert(key, key));
    }
    for _ in 0..plan.rounds {
        for (contender, (_, rates)) in contenders.iter().zip(&mut rates) {
            rates.push(rate(contender.as_ref(), threads, order, plan.seconds / 2));
        }
    }
    rates
}

/// Hits a second, of all threads together.
fn rate(contender: &dyn Contender, threads: usize, order: &[u64], time: Duration) -> f64 {
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|number| {
                // Each thread begins elsewhere, so that they do not walk side by side.
                let (first, second) = order.split_at(order.len() / threads * number);
                let own: Vec<u64> = second.iter().chain(first).copied().collect();
                scope.spawn(move || read(contender, &own, time))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    rates.iter().sum()
}

fn read(contender: &dyn Contender, order: &[u64], time: Duration) -> f64 {
    let clock = Clock::system();
    let (start, mut reads) = (clock.now(), 0);
    while clock.now() - start < time {
        for keys in order.chunks_exact(BATCH) {
            assert_eq!(contender.hits(keys), keys.len(), "all of them are there");
            reads += keys.len();
        }
    }
    reads as f64 / (clock.now() - start).as_secs_f64()
}

/// Each figure of ours beside each peer.
fn show(report: &mut Report, what: &str, rates: &[(&'static str, Rates)], threads: usize) {
    let plural = if threads == 1 { "" } else { "s" };
    let (ours, peers): (Vec<_>, Vec<_>) = rates.iter().partition(|(name, _)| name.starts_with("ours"));
    for (name, own) in ours {
        for (at, (peer, others)) in peers.iter().enumerate() {
            let ratio = median(own.iter().zip(others).map(|(own, other)| own / other).collect());
            let name = if at == 0 { format!("{what}{plural} ({name})") } else { "  the same".to_owned() };
            let figure = Figure::new(&name, median(own.clone()), "1/s");
            let figure = figure.beside(peer, median(others.clone()), ratio);
            report.push(match *peer {
                "moka" => figure.target(Target::RatioAtLeast(1.5)),
                _ => figure,
            });
        }
    }
}

fn ratios(report: &mut Report) {
    for trace in traces::all() {
        for capacity in trace.capacities {
            let found: Vec<(&str, f64)> = contenders::without_time(*capacity)
                .into_iter()
                .map(|contender| (contender.name(), traces::hit_ratio(contender.as_ref(), &trace.keys)))
                .collect();
            let [(_, own), peers @ ..] = found.as_slice() else { continue };
            for (at, (peer, other)) in peers.iter().enumerate() {
                let name = if at == 0 {
                    format!("hit ratio, {}, {capacity}", trace.name)
                } else {
                    "  the same".to_owned()
                };
                let figure = Figure::new(&name, own * 100.0, "%").beside(peer, other * 100.0, own / other);
                report.push(figure.target(Target::RatioAtLeast(0.95)));
            }
        }
    }
}
