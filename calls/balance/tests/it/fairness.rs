//! Who is equal gets equally much, and who weighs more gets more, whatever the algorithm.

use std::collections::HashSet;

use mamparo_balance::{Algorithm, BalanceConfig, Endpoint, Reach, Seen};
use proptest::prelude::*;

use crate::support::{MILLISECOND, SECOND, World, address, equals, good, host, weighted};

const ALL: [Algorithm; 5] =
    [Algorithm::RoundRobin, Algorithm::LeastRequest, Algorithm::P2c, Algorithm::Random, Algorithm::Maglev];

fn with(algorithm: Algorithm) -> BalanceConfig {
    BalanceConfig { algorithm, ..BalanceConfig::default() }
}

/// Fails unless each share is as its weight says, give or take `tolerance` of it and the chance of so many draws.
fn check(counts: &[u32], weights: &[u32], tolerance: f64, what: &str) {
    let (total, requests) = (weights.iter().sum::<u32>(), counts.iter().sum::<u32>());
    for (count, weight) in counts.iter().zip(weights) {
        let ideal = f64::from(requests) * f64::from(*weight) / f64::from(total);
        let slack = ideal * tolerance + 6.0 * ideal.sqrt();
        let off = (f64::from(*count) - ideal).abs();
        assert!(off <= slack, "{what}: {counts:?} for {weights:?}");
    }
}

#[test]
fn equals_get_equally_much() {
    for algorithm in ALL {
        for number in [1, 2, 3, 16] {
            let counts = World::new(with(algorithm), equals(number)).spread(10_000, good);
            check(&counts, &vec![1; number], 0.05, algorithm.as_str());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn weights_are_honoured(weights in prop::collection::vec(0_u32..10, 1..9), seed: u64) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        for algorithm in ALL {
            let world = World::seeded(with(algorithm), weighted(&weights), seed);
            check(&world.spread(10_000, good), &weights, 0.1, algorithm.as_str());
        }
    }
}

#[test]
fn a_canary_gets_its_hundredth() {
    for algorithm in ALL {
        let world = World::new(with(algorithm), weighted(&[99, 1]));
        let counts = world.spread(20_000, good);
        assert!((100..300).contains(&counts[1]), "{algorithm:?} {counts:?}");
    }
}

#[test]
fn chance_in_the_latency_gives_a_light_one_less_than_twice_its_share() {
    for weights in [[99, 1], [3, 1]] {
        let world = World::new(with(Algorithm::P2c), weighted(&weights));
        let took = || MILLISECOND.mul_f64(-10.0 * (1.0 - world.random.unit()).ln());
        let counts = world.spread(20_000, |_| (Seen::Success, took()));
        let share = f64::from(counts[1]) / 20_000.0 * f64::from(weights[0] + 1);
        assert!((0.9..2.0).contains(&share), "{share} {counts:?}");
    }
}

#[test]
fn nobody_is_picked_of_nobody_or_of_those_without_weight() {
    for algorithm in ALL {
        for endpoints in [vec![], weighted(&[0, 0])] {
            let world = World::new(with(algorithm), endpoints);
            assert!(world.pick().is_none());
            assert_eq!(world.balancer.counts().picks_refused, 1);
        }
    }
}

#[test]
fn a_repeat_goes_elsewhere_as_long_as_there_is_an_elsewhere() {
    for algorithm in ALL {
        let world = World::new(with(algorithm), equals(5));
        for key in 0..100 {
            let mut tried = Vec::new();
            for _ in 0..5 {
                let pick = world.balancer.pick(Some(key), &tried, world.now(), &world.random).unwrap();
                tried.push(pick.address());
            }
            assert_eq!(tried.iter().collect::<HashSet<_>>().len(), 5, "{algorithm:?} {tried:?}");
            assert!(world.balancer.pick(Some(key), &tried, world.now(), &world.random).is_some());
        }
    }
}

#[test]
fn a_zone_is_preferred_and_a_repeat_may_leave_it() {
    let zone = |host: u8| if host < 3 { "near" } else { "far" };
    for algorithm in ALL {
        let endpoints = (0..6).map(|host| Endpoint::new(address(host)).zone(zone(host))).collect();
        let config = BalanceConfig { zone: Some("near".into()), ..with(algorithm) };
        let world = World::new(config, endpoints);
        let counts = world.spread(3_000, good);
        check(&counts[..3], &[1, 1, 1], 0.1, algorithm.as_str());
        assert_eq!(counts[3..], [0, 0, 0], "{algorithm:?}");
        let tried = [address(0), address(1), address(2)];
        let pick = world.balancer.pick(Some(1), &tried, world.now(), &world.random).unwrap();
        assert!(host(pick.address()) >= 3);
        drop(pick);

        // Two thirds are left where seven tenths would be enough: one in twenty or so leaves.
        world.fail(0, 5);
        assert_eq!(world.balancer.describe(world.now()).reach, Reach::Spill);
        let counts = world.spread(9_000, good);
        let far: u32 = counts[3..].iter().sum();
        assert_eq!(counts[0], 0);
        assert!((250..650).contains(&far), "{algorithm:?} {counts:?}");
    }
}

#[test]
fn who_is_new_begins_with_a_tenth_and_rises() {
    for algorithm in ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Maglev) {
        let config = BalanceConfig { slow_start: Some(100 * SECOND), ..with(algorithm) };
        let mut world = World::new(config.clone(), equals(3));
        check(&world.spread(3_000, good), &[1, 1, 1], 0.1, "those of the beginning have none");
        world.reload(config, equals(4));
        // Time moves by a second; the share stays at a tenth until ten have passed.
        let counts = world.spread(3_000, good);
        check(&counts, &[10, 10, 10, 1], 0.25, algorithm.as_str());
        world.manual.advance(47 * SECOND);
        let counts = world.spread(3_000, good);
        check(&counts, &[2, 2, 2, 1], 0.2, algorithm.as_str());
        world.manual.advance(60 * SECOND);
        let counts = world.spread(4_000, good);
        check(&counts, &[1, 1, 1, 1], 0.1, algorithm.as_str());
    }
}
