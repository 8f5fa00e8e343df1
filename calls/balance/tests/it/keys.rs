//! A key stays where it belongs.

use std::net::SocketAddr;

use mamparo_balance::{Algorithm, BalanceConfig, Endpoint};
use proptest::prelude::*;

use crate::support::{World, address, equals, host};

const KEYS: u64 = 10_000;

fn world(number: usize) -> World {
    World::new(BalanceConfig { algorithm: Algorithm::Maglev, ..BalanceConfig::default() }, equals(number))
}

impl World {
    fn home(&self, key: u64) -> SocketAddr {
        self.balancer.pick(Some(key), &[], self.now(), &self.random).unwrap().address()
    }

    fn homes(&self) -> Vec<SocketAddr> {
        (0..KEYS).map(|key| self.home(key)).collect()
    }
}

#[test]
fn while_one_is_out_its_keys_are_spread_over_the_others_and_come_back() {
    let world = world(5);
    let before = world.homes();
    world.fail(2, 5);
    let meanwhile = world.homes();
    let mut taken = [0; 5];
    for (before, meanwhile) in before.iter().zip(&meanwhile) {
        if *before == address(2) {
            taken[host(*meanwhile)] += 1;
        } else {
            assert_eq!(before, meanwhile);
        }
    }
    assert_eq!(taken[2], 0);
    assert!([0, 1, 3, 4].iter().all(|host| (400..600).contains(&taken[*host])), "{taken:?}");
    world.manual.advance(std::time::Duration::from_secs(30));
    assert_eq!(world.homes(), before);
}

#[test]
fn a_repeat_of_a_key_goes_to_the_same_other_one() {
    let world = world(5);
    for key in 0..1_000 {
        let other = || {
            let tried = [world.home(key)];
            world.balancer.pick(Some(key), &tried, world.now(), &world.random).unwrap().address()
        };
        let first = other();
        assert!((0..5).all(|_| other() == first));
    }
}

#[test]
fn a_panic_moves_no_key() {
    let mut config = world(4).balancer.config().clone();
    config.outlier.max_ejected_percent = 100.0;
    let world = World::new(config, equals(4));
    let before = world.homes();
    (0..3).for_each(|host| world.fail(host, 5));
    assert_eq!(world.homes(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn one_more_or_less_moves_few_keys_beyond_its_own(number in 2_usize..40) {
        let mut world = world(number);
        let before = world.homes();
        let config = world.balancer.config().clone();
        world.reload(config, equals(number + 1));
        let moved = before.iter().zip(world.homes()).filter(|(before, after)| *before != after).count();
        let ideal = KEYS as f64 / (number + 1) as f64;
        prop_assert!((moved as f64) < ideal * 1.2 + 0.03 * KEYS as f64, "{} {}", moved, ideal);
    }
}

#[test]
fn keys_leave_a_zone_by_degrees_and_those_that_leave_are_always_the_same() {
    let zone = |host: u8| if host < 4 { "near" } else { "far" };
    let endpoints = (0..8).map(|host| Endpoint::new(address(host)).zone(zone(host))).collect();
    let config = BalanceConfig {
        algorithm: Algorithm::Maglev,
        zone: Some("near".into()),
        zone_percent: 100.0,
        ..Default::default()
    };
    let world = World::new(config, endpoints);
    let is_near = |address: &SocketAddr| host(*address) < 4;
    let before = world.homes();
    assert!(before.iter().all(is_near));
    world.fail(1, 5);
    let after = world.homes();
    let near = after.iter().filter(|address| is_near(address)).count();
    assert!((7_200..7_800).contains(&near), "three quarters: {near}");
    for (before, after) in before.iter().zip(&after) {
        assert!(*after != address(1));
        assert!(
            *before == address(1) || !is_near(after) || before == after,
            "it stays with its endpoint or leaves"
        );
    }
    assert_eq!(after, world.homes());
}
