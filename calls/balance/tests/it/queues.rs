//! Power of two choices beside the others, on a simulated service: each endpoint serves a few requests at the same time
//! and keeps the rest in a line.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use mamparo_balance::outlier::OutlierConfig;
use mamparo_balance::{Algorithm, BalanceConfig, Pick, Seen};
use mamparo_context::Moment;

use crate::support::{MILLISECOND, SECOND, World, equals, host};

/// An endpoint of the simulation.
struct Server {
    /// How long it works at a request, on the average; it is drawn evenly from half to one and a half of it.
    work: Duration,
    /// Requests that it works at together.
    hands: usize,
    /// Of a hundred requests so many fail, at once.
    failing: u64,
    busy: usize,
    line: VecDeque<(Moment, Pick)>,
}

impl Server {
    fn new(work: Duration, hands: usize, failing: u64) -> Self {
        Self { work, hands, failing, busy: 0, line: VecDeque::new() }
    }
}

/// What came of a simulation.
#[derive(Debug)]
struct Outcome {
    counts: Vec<u32>,
    failures: u32,
    mean: Duration,
    p99: Duration,
}

/// So many requests, one every `every`, each as it comes.
fn simulate(algorithm: Algorithm, mut servers: Vec<Server>, requests: u32, every: Duration) -> Outcome {
    let config = BalanceConfig { algorithm, outlier: OutlierConfig::never(), ..Default::default() };
    let world = World::new(config, equals(servers.len()));
    let mut ends: BinaryHeap<Reverse<(Moment, u64)>> = BinaryHeap::new();
    let mut under_way: std::collections::HashMap<u64, (Moment, Pick, bool)> = Default::default();
    let (mut counts, mut took, mut failures) = (vec![0; servers.len()], Vec::new(), 0);
    let mut next = world.now();
    let (mut sent, mut id) = (0, 0);
    let mut begin = |server: &mut Server, begun, pick, now: Moment, ends: &mut BinaryHeap<_>| {
        server.busy += 1;
        let fails = world.random.below(100) < server.failing;
        let work = if fails { MILLISECOND / 10 } else { server.work.mul_f64(0.5 + world.random.unit()) };
        id += 1;
        ends.push(Reverse((now + work, id)));
        (id, (begun, pick, fails))
    };
    while sent < requests || !ends.is_empty() {
        let end = ends.peek().map(|Reverse((at, _))| *at);
        if sent < requests && end.is_none_or(|end| next <= end) {
            world.manual.advance(next.since(world.now()));
            let pick = world.pick().unwrap();
            let host = host(pick.address());
            counts[host] += 1;
            let server = &mut servers[host];
            if server.busy < server.hands {
                let (id, entry) = begin(server, next, pick, next, &mut ends);
                under_way.insert(id, entry);
            } else {
                server.line.push_back((next, pick));
            }
            sent += 1;
            next = next + every;
            continue;
        }
        let Some(Reverse((now, id))) = ends.pop() else { break };
        world.manual.advance(now.since(world.now()));
        let (begun, pick, failed) = under_way.remove(&id).unwrap();
        let server = &mut servers[host(pick.address())];
        let seen = if failed { Seen::Failure } else { Seen::Success };
        failures += u32::from(failed);
        took.push(now.since(begun));
        pick.record(seen, now.since(begun), now);
        server.busy -= 1;
        if let Some((begun, pick)) = server.line.pop_front() {
            let (id, entry) = begin(server, begun, pick, now, &mut ends);
            under_way.insert(id, entry);
        }
    }
    took.sort();
    let mean = took.iter().sum::<Duration>() / requests;
    Outcome { counts, failures, mean, p99: took[took.len() * 99 / 100] }
}

fn servers(works: &[u32]) -> Vec<Server> {
    works.iter().map(|work| Server::new(*work * MILLISECOND, 4, 0)).collect()
}

#[test]
fn fast_endpoints_get_more_and_the_slow_one_little() {
    // Eight would take 3,200 a second; there are 1,000, and one of them works ten times as long.
    let works = [10, 10, 10, 10, 10, 10, 10, 100];
    let p2c = simulate(Algorithm::P2c, servers(&works), 20_000, MILLISECOND);
    let mean = p2c.counts[..7].iter().sum::<u32>() / 7;
    assert!(p2c.counts[7] * 10 < mean, "{p2c:?}");
    let turns = simulate(Algorithm::RoundRobin, servers(&works), 20_000, MILLISECOND);
    assert!(turns.mean > 5 * p2c.mean && turns.p99 > 5 * p2c.p99, "{p2c:?} {turns:?}");
    let least = simulate(Algorithm::LeastRequest, servers(&works), 20_000, MILLISECOND);
    assert!(least.counts[7] * 2 < mean && p2c.mean <= least.mean, "{p2c:?} {least:?}");
}

#[test]
fn equals_under_high_load_are_kept_equally_busy() {
    // Four fifths of what they can do.
    let p2c = simulate(Algorithm::P2c, servers(&[10; 8]), 40_000, MILLISECOND * 25 / 64);
    let random = simulate(Algorithm::Random, servers(&[10; 8]), 40_000, MILLISECOND * 25 / 64);
    for count in &p2c.counts {
        assert!((4_500..5_500).contains(count), "{p2c:?}");
    }
    assert!(p2c.p99 < random.p99 && p2c.mean < random.mean, "{p2c:?} {random:?}");
}

#[test]
fn who_fails_at_once_does_not_draw_the_requests_to_itself() {
    let mut broken = servers(&[10; 8]);
    broken[3].failing = 100;
    let p2c = simulate(Algorithm::P2c, broken, 20_000, MILLISECOND);
    assert!(p2c.failures < 200, "{p2c:?}");
}

#[test]
fn a_few_failures_everywhere_do_not_undo_the_choice() {
    let with_failures = |works: &[u32]| {
        let mut servers = servers(works);
        servers.iter_mut().for_each(|server| server.failing = 1);
        simulate(Algorithm::P2c, servers, 40_000, MILLISECOND)
    };
    let p2c = with_failures(&[10, 10, 10, 10, 10, 10, 10, 100]);
    assert!(p2c.counts[7] * 3 < p2c.counts[0], "{p2c:?}");
    assert!(p2c.mean < 20 * MILLISECOND, "{p2c:?}");
}

#[test]
fn who_is_new_gets_one_request_until_that_is_back() {
    let mut world = World::new(BalanceConfig::default(), equals(3));
    world.spread(100, |_| (Seen::Success, 10 * MILLISECOND));
    world.reload(BalanceConfig::default(), equals(4));
    let picks: Vec<Pick> = (0..60).map(|_| world.pick().unwrap()).collect();
    assert_eq!(world.status(3).in_flight, 1);
    for pick in picks {
        pick.record(Seen::Success, 10 * MILLISECOND, world.now());
    }
    let counts = world.spread(400, |_| (Seen::Success, 10 * MILLISECOND));
    assert!(counts[3] > 50, "{counts:?}");
}

#[test]
fn who_was_slow_is_asked_again() {
    let world = World::new(BalanceConfig::default(), equals(2));
    let slow_at_first = |until: Moment, world: &World| {
        let now = world.now();
        world.spread(1_000, |host| match (host, now < until) {
            (0, true) => (Seen::Success, SECOND),
            _ => (Seen::Success, 10 * MILLISECOND),
        })
    };
    let until = world.now() + SECOND;
    assert!(slow_at_first(until, &world)[0] < 10);
    world.manual.advance(60 * SECOND);
    assert!(slow_at_first(until, &world)[0] > 300);
}
