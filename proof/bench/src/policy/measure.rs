//! Takes the time of one call of a subject and of its peers, in turns.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use mamparo_context::Clock;

use super::rows::{Row, Subject};
use crate::run::{Plan, median};

/// How long one measurement of a round takes at the most.
const SLICE: Duration = Duration::from_millis(60);
/// Calls between two looks at the clock.
const BATCH: u32 = 2_000;

/// Medians over the rounds, in nanoseconds.
pub(super) struct Taken {
    pub(super) own: f64,
    /// The fastest peer, and the median of the rounds' own ratios to it.
    pub(super) nearest: Option<(&'static str, f64, f64)>,
    pub(super) others: Vec<(&'static str, f64)>,
}

/// Times all subjects of a row in turns.
pub(super) fn rounds(plan: &Plan, row: &Row, threads: usize) -> Taken {
    let slice = SLICE.min(plan.seconds);
    let rounds = plan.rounds.max(1) * 3;
    let mut own = Vec::new();
    let mut peers = vec![Vec::new(); row.peers.len()];
    time(&row.own, threads, slice / 4);
    for _ in 0..rounds {
        own.push(time(&row.own, threads, slice));
        for (peer, taken) in row.peers.iter().zip(&mut peers) {
            taken.push(time(peer, threads, slice));
        }
    }
    let nearest =
        (0..peers.len()).min_by(|a, b| median(peers[*a].clone()).total_cmp(&median(peers[*b].clone())));
    let ratio = |peer: &Vec<f64>| median(peer.iter().zip(&own).map(|(peer, own)| peer / own).collect());
    Taken {
        nearest: nearest.map(|at| (row.peers[at].name, median(peers[at].clone()), ratio(&peers[at]))),
        others: (0..peers.len())
            .filter(|at| Some(*at) != nearest)
            .map(|at| (row.peers[at].name, median(peers[at].clone())))
            .collect(),
        own: median(own),
    }
}

/// Nanoseconds of one call, as each of `threads` threads sees it.
fn time(subject: &Subject, threads: usize, slice: Duration) -> f64 {
    let together = Arc::new(Barrier::new(threads));
    let runtime = tokio::runtime::Handle::current();
    let times: Vec<f64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (mut call, together, runtime) =
                    ((subject.fresh)(), Arc::clone(&together), runtime.clone());
                scope.spawn(move || {
                    let _entered = runtime.enter();
                    let clock = Clock::system();
                    together.wait();
                    let (start, mut calls) = (clock.now(), 0_u32);
                    while clock.now() - start < slice {
                        call(BATCH);
                        calls += BATCH;
                    }
                    (clock.now() - start).as_nanos() as f64 / f64::from(calls)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    times.iter().sum::<f64>() / times.len() as f64
}

/// What the program beside this one counts for a bench, allocations of one call as a rule: row, peer, count.
pub(crate) fn allocations(bench: &str) -> Vec<(String, String, f64)> {
    let program = std::env::current_exe().unwrap().with_file_name("mamparo-bench-allocations");
    let output = std::process::Command::new(&program).arg(bench).output().unwrap();
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            Some((columns.next()?, columns.next()?, columns.next()?.parse().ok()?))
        })
        .collect()
}
