//! What a pick costs; not a test, but a measurement that prints what it finds:
//! `cargo test --release -p mamparo-balance --test it -- --ignored --nocapture speed`.

use std::hint::black_box;
use std::time::Duration;

use mamparo_balance::{Algorithm, BalanceConfig, Balancer, Endpoint, Seen};
use mamparo_context::{Clock, Moment, Random};

use crate::support::{MILLISECOND, equals, weighted};

const ROUNDS: u32 = 2_000_000;

fn nanos(per: u32, took: Duration) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(per)
}

/// Picks `rounds` times and records each; the time moves by a hundredth of a millisecond each.
fn run(balancer: &Balancer, rounds: u32, record: bool, random: &Random) {
    let mut now = Clock::system().moment();
    for round in 0..rounds {
        let pick = balancer.pick(Some(round.into()), &[], now, random);
        let pick = black_box(pick).unwrap();
        if record {
            now = now + MILLISECOND / 100;
            pick.record(Seen::Success, MILLISECOND, now);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn a_pick_in_nanoseconds() {
    use Algorithm::{LeastRequest, Maglev, P2c, Random as Any, RoundRobin};
    let (clock, random) = (Clock::system(), Random::seeded(1));
    let weights: Vec<u32> = (1..=16).collect();
    for (name, endpoints) in [
        ("2 equal", equals(2)),
        ("16 equal", equals(16)),
        ("16 weighted", weighted(&weights)),
        ("200", equals(200)),
    ] {
        for algorithm in [P2c, LeastRequest, RoundRobin, Any, Maglev] {
            let config = BalanceConfig { algorithm, ..BalanceConfig::default() };
            let balancer = Balancer::new(config, endpoints.clone(), Moment::ZERO).unwrap();
            run(&balancer, ROUNDS / 10, true, &random);
            let time = |record| {
                let began = clock.now();
                run(&balancer, ROUNDS, record, &random);
                nanos(ROUNDS, clock.now() - began)
            };
            let (pick, both) = (time(false), time(true));
            println!("{name:12} {:14} pick {pick:6.1} ns, pick and record {both:6.1} ns", algorithm.as_str());
        }
    }
    for (number, weights) in
        [(16, vec![1; 16]), (16, weights), (1_000, vec![1; 1_000]), (1_000, (1..=1_000).collect())]
    {
        for algorithm in [P2c, RoundRobin, Maglev] {
            let config = BalanceConfig { algorithm, ..BalanceConfig::default() };
            let endpoints: Vec<Endpoint> = (0..)
                .zip(&weights)
                .map(|(port, weight)| Endpoint::new(([10, 0, 0, 1], port).into()).weight(*weight))
                .collect();
            let began = clock.now();
            let balancer = Balancer::new(config, endpoints.clone(), Moment::ZERO).unwrap();
            let new = clock.now() - began;
            let began = clock.now();
            _ = black_box(balancer.with(balancer.config().clone(), endpoints, Moment::ZERO).unwrap());
            let with = clock.now() - began;
            let equal = if weights.last() == Some(&1) { "equal" } else { "weighted" };
            println!("{number} {equal} {}: new {new:?}, with {with:?}", algorithm.as_str());
        }
    }
    let balancer = Balancer::new(BalanceConfig::default(), equals(16), Moment::ZERO).unwrap();
    let began = clock.now();
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let balancer = &balancer;
            scope.spawn(move || run(balancer, ROUNDS, true, &Random::seeded(seed)));
        }
    });
    let took = nanos(ROUNDS, clock.now() - began);
    println!("two threads  p2c            pick and record {took:6.1} ns for each");
}
