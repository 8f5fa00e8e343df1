//! Endpoints whose answers are bad are left out, for a while, and never all of them.

use std::time::Duration;

use mamparo_balance::outlier::{Cause, OutlierConfig};
use mamparo_balance::{Algorithm, BalanceConfig, Reach, Seen, Standing};
use proptest::prelude::*;

use crate::support::{MILLISECOND, SECOND, World, address, equals, good, weighted};

const HALF_MINUTE: Duration = Duration::from_secs(30);

fn turns() -> BalanceConfig {
    BalanceConfig { algorithm: Algorithm::RoundRobin, ..BalanceConfig::default() }
}

#[test]
fn five_failures_in_a_row_eject_for_half_a_minute_and_then_for_longer() {
    let world = World::new(BalanceConfig::default(), equals(4));
    world.fail(2, 4);
    assert_eq!(world.standing(2), Standing::Healthy);
    world.fail(2, 1);
    assert_eq!(world.standing(2), Standing::Ejected(HALF_MINUTE));
    assert_eq!(world.spread(300, good)[2], 0);
    world.manual.advance(HALF_MINUTE);
    assert_eq!(world.standing(2), Standing::Healthy);
    assert!(world.spread(300, good)[2] > 0);
    world.fail(2, 5);
    assert_eq!(world.standing(2), Standing::Ejected(2 * HALF_MINUTE));
    world.manual.advance(4 * HALF_MINUTE);
    world.fail(2, 5);
    assert_eq!(world.standing(2), Standing::Ejected(HALF_MINUTE), "two were forgiven");
    let status = world.status(2);
    assert_eq!((status.ejections, status.failures), (3, 15));
    assert_eq!(world.balancer.counts().ejections, 3);
}

#[test]
fn a_success_in_between_begins_anew() {
    let world = World::new(turns(), equals(2));
    for _ in 0..10 {
        world.fail(0, 4);
        let pick = world.balancer.pick(None, &[address(1)], world.now(), &world.random).unwrap();
        assert_eq!(pick.record(Seen::Success, MILLISECOND, world.now()), None);
    }
    assert_eq!(world.standing(0), Standing::Healthy);
}

#[test]
fn a_share_of_failures_ejects_when_there_are_enough() {
    let outlier =
        OutlierConfig { consecutive_failures: None, failure_percent: Some(50.0), ..Default::default() };
    let world = World::new(BalanceConfig { outlier, ..turns() }, equals(2));
    let mut ejections = Vec::new();
    for number in 1..=200 {
        let pick = world.pick().unwrap();
        let fails = pick.address() == address(0) && number % 4 < 2;
        let seen = if fails { Seen::Failure } else { Seen::Success };
        world.manual.advance(10 * MILLISECOND);
        ejections.extend(pick.record(seen, MILLISECOND, world.now()));
    }
    let told: Vec<_> = ejections.iter().map(|ejection| (ejection.address, ejection.cause)).collect();
    assert_eq!(told, [(address(0), Cause::FailurePercent(50))]);
}

#[test]
fn what_was_under_way_when_it_was_ejected_says_nothing_new() {
    let world = World::new(turns(), equals(6));
    let picks: Vec<_> = (0..120).map(|_| world.pick().unwrap()).collect();
    let ejections = picks.into_iter().filter_map(|pick| {
        let seen = if pick.address() == address(0) { Seen::Failure } else { Seen::Success };
        pick.record(seen, MILLISECOND, world.now())
    });
    assert_eq!(ejections.count(), 1);
    assert_eq!(world.standing(0), Standing::Ejected(HALF_MINUTE));
    assert_eq!(world.balancer.counts().ejections_refused, 0);
}

#[test]
fn a_pick_that_is_dropped_says_nothing() {
    let world = World::new(turns(), equals(2));
    for _ in 0..100 {
        drop(world.pick());
    }
    let status = world.status(0);
    assert_eq!((status.requests, status.failures, status.in_flight, status.latency), (50, 0, 0, None));
    let held = world.pick();
    assert_eq!(world.status(0).in_flight + world.status(1).in_flight, 1);
    drop(held);
}

#[test]
fn half_may_be_ejected_and_the_rest_stays_whatever_it_does() {
    let world = World::new(turns(), equals(6));
    for host in 0..6 {
        world.fail(host, 10.min(if host < 3 { 5 } else { 10 }));
    }
    let out = |host| matches!(world.standing(host), Standing::Ejected(_));
    assert_eq!((0..6).map(out).collect::<Vec<_>>(), [true, true, true, false, false, false]);
    let counts = world.balancer.counts();
    assert_eq!((counts.ejections, counts.ejections_refused, counts.panic_picks), (3, 6, 0));
}

#[test]
fn too_few_are_as_good_as_none_and_all_are_used() {
    let outlier = OutlierConfig { max_ejected_percent: 100.0, ..OutlierConfig::default() };
    let world = World::new(BalanceConfig { outlier, ..turns() }, equals(4));
    world.fail(0, 5);
    world.fail(1, 5);
    assert_eq!(world.spread(100, good), [0, 0, 50, 50]);
    world.fail(2, 5);
    assert_eq!(world.balancer.describe(world.now()).reach, Reach::Panic);
    assert_eq!(world.spread(100, good), [25, 25, 25, 25]);
    assert_eq!(world.balancer.counts().panic_picks, 100);
    world.manual.advance(HALF_MINUTE);
    assert_eq!(world.balancer.describe(world.now()).reach, Reach::Available);
}

#[test]
fn who_comes_back_takes_a_slow_start() {
    let config = BalanceConfig { slow_start: Some(10 * SECOND), ..turns() };
    let world = World::new(config, equals(2));
    world.fail(0, 5);
    world.manual.advance(HALF_MINUTE + 5 * SECOND);
    assert_eq!(world.standing(0), Standing::Warming(0.5));
    let counts = world.spread(300, good);
    assert!((90..120).contains(&counts[0]), "{counts:?}");
    world.manual.advance(5 * SECOND);
    assert_eq!(world.standing(0), Standing::Healthy);
}

proptest! {
    #[test]
    fn never_are_all_ejected_nor_more_than_the_share(
        weights in prop::collection::vec(0_u32..3, 1..8),
        percent in 0.0..100.0_f64,
        outcomes in prop::collection::vec((0_u64..20_000, 0_u32..100), 1..400),
        bad in 0_u32..100,
    ) {
        let outlier = OutlierConfig { max_ejected_percent: percent, ..OutlierConfig::default() };
        let counting = weights.iter().filter(|weight| **weight > 0).count();
        prop_assume!(counting > 0);
        let world = World::new(BalanceConfig { outlier, panic_percent: 0.0, ..turns() }, weighted(&weights));
        for (step, chance) in outcomes {
            world.manual.advance(Duration::from_millis(step));
            let pick = world.pick();
            prop_assert!(pick.is_some(), "somebody is left");
            let seen = if chance < bad { Seen::Failure } else { Seen::Success };
            pick.and_then(|pick| pick.record(seen, MILLISECOND, world.now()));
            let described = world.balancer.describe(world.now());
            let is_out = |standing| matches!(standing, Standing::Ejected(_));
            let out = described.endpoints.iter().filter(|status| is_out(status.standing)).count();
            prop_assert!(out < counting);
            prop_assert!(out <= 1 || out as f64 * 100.0 <= percent * counting as f64);
        }
    }
}

#[test]
fn who_comes_back_is_asked_once_before_it_is_trusted_or_not() {
    for (is_well, asked) in [(false, 1), (true, 50)] {
        let world = World::new(BalanceConfig::default(), equals(4));
        world.spread(100, good);
        world.fail(2, 5);
        world.spread(100, good);
        world.manual.advance(HALF_MINUTE);
        let bad = (Seen::Failure, MILLISECOND);
        let counts = world.spread(400, |host| if host == 2 && !is_well { bad } else { good(host) });
        assert!(if is_well { counts[2] > asked } else { counts[2] == asked }, "{counts:?}");
    }
}
