//! A change of the list or of the configuration forgets nothing of who stays.

use mamparo_balance::health::{HealthConfig, Transition};
use mamparo_balance::outlier::OutlierConfig;
use mamparo_balance::{Algorithm, BalanceConfig, Balancer, Endpoint, Seen, Standing};
use mamparo_context::Moment;

use crate::support::{MILLISECOND, SECOND, World, address, equals, good, host};

fn config() -> BalanceConfig {
    BalanceConfig { health: Some(HealthConfig::default()), ..BalanceConfig::default() }
}

#[test]
fn who_stays_is_known_and_who_comes_back_is_new() {
    let mut world = World::new(config(), equals(4));
    for due in world.balancer.due_checks(world.now(), 9, &world.random) {
        world.balancer.record_check(due, due != address(1), world.now());
    }
    world.fail(2, 5);
    world.spread(100, good);
    let before = world.balancer.describe(world.now());
    let turns = BalanceConfig { algorithm: Algorithm::RoundRobin, ..config() };
    world.reload(turns.clone(), equals(5));
    let after = world.balancer.describe(world.now());
    assert_eq!(before.endpoints, after.endpoints[..4]);
    assert_eq!(before.counts, after.counts);
    assert_eq!(world.standing(1), Standing::Unhealthy);
    assert!(matches!(world.standing(2), Standing::Ejected(_)));
    let due = world.balancer.due_checks(world.now(), 9, &world.random);
    assert_eq!(due, [address(4)], "only the new one");

    world.reload(turns.clone(), equals(1));
    world.reload(turns, equals(4));
    assert_eq!((1..4).map(|host| world.standing(host)).collect::<Vec<_>>(), [Standing::Healthy; 3]);
    assert_eq!(world.status(0).requests, after.endpoints[0].requests);
}

#[test]
fn requests_under_way_end_where_they_count() {
    let mut world = World::new(BalanceConfig::default(), equals(1));
    let old: Vec<_> = (0..7).map(|_| world.pick().unwrap()).collect();
    let gone = world.pick().unwrap();
    world.reload(BalanceConfig::default(), equals(2));
    assert_eq!(world.status(0).in_flight, 8);
    for pick in old {
        pick.record(Seen::Failure, MILLISECOND, world.now());
    }
    assert_eq!((world.status(0).in_flight, world.status(0).failures), (1, 7));
    assert!(matches!(world.standing(0), Standing::Ejected(_)), "also by what the old one picked");
    assert_eq!(host(world.pick().unwrap().address()), 1);
    world.reload(BalanceConfig::default(), vec![Endpoint::new(address(9))]);
    gone.record(Seen::Failure, MILLISECOND, world.now());
    assert_eq!(world.status(9).failures, 0);
}

#[test]
fn an_old_balancer_goes_on_working() {
    let world = World::new(BalanceConfig::default(), equals(2));
    let new = world.balancer.with(BalanceConfig::default(), equals(3), world.now()).unwrap();
    world.fail(0, 5);
    assert_eq!(host(world.pick().unwrap().address()), 1);
    assert_eq!(new.counts().ejections, 1);
    drop(new);
    assert!(world.pick().is_some());
}

#[test]
fn another_identity_is_another_endpoint() {
    let endpoints = |identity: &str| {
        vec![Endpoint::new(address(0)).identity(identity), Endpoint::new(address(1)).identity("b")]
    };
    let mut world = World::new(config(), endpoints("a"));
    for due in world.balancer.due_checks(world.now(), 9, &world.random) {
        assert_eq!(world.balancer.record_check(due, true, world.now()), Some(Transition::Confirmed));
    }
    world.fail(0, 5);
    world.fail(1, 3);
    world.reload(config(), endpoints("c"));
    let status = world.status(0);
    assert_eq!((status.standing, status.failures), (Standing::Healthy, 0));
    assert_eq!(status.identity.as_deref(), Some("c"));
    assert_eq!(world.balancer.due_checks(world.now(), 9, &world.random), [address(0)]);
    assert_eq!(world.status(1).failures, 3);
}

#[test]
fn another_weight_or_window_is_the_same_endpoint() {
    let mut world = World::new(BalanceConfig::default(), equals(2));
    world.fail(0, 4);
    let weights = vec![Endpoint::new(address(0)).weight(5), Endpoint::new(address(1)).weight(0)];
    let outlier = OutlierConfig { window: 60 * SECOND, ..OutlierConfig::default() };
    world.reload(BalanceConfig { outlier, ..BalanceConfig::default() }, weights);
    assert_eq!(world.status(0).failures, 4);
    assert_eq!(world.standing(1), Standing::Draining);
    assert_eq!(world.spread(50, good), [50, 0]);
}

#[test]
fn what_failed_in_a_window_of_another_length_is_not_taken_for_new() {
    let window = |seconds: u32| {
        let outlier = OutlierConfig {
            consecutive_failures: None,
            window: seconds * SECOND,
            minimum_calls: 50,
            ..OutlierConfig::default()
        };
        BalanceConfig { outlier, ..BalanceConfig::default() }
    };
    let mut world = World::new(window(10), equals(2));
    world.fail(0, 49);
    // At twice the time a slice of twice the length has the same number.
    world.manual.advance(world.now().since(Moment::ZERO));
    world.reload(window(20), equals(2));
    world.fail(0, 1);
    assert_eq!(world.standing(0), Standing::Healthy);
    world.fail(0, 49);
    assert!(matches!(world.standing(0), Standing::Ejected(_)));
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let world = World::new(BalanceConfig::default(), equals(1));
    let heavy = vec![Endpoint::new(address(0)).weight(1_000_001)];
    let refused = world.balancer.with(BalanceConfig::default(), heavy, world.now()).unwrap_err();
    assert_eq!(refused.to_string(), "balance: endpoints.weight: at most 1000000");
    let many = (0..1_025).map(|port| Endpoint::new(([10, 0, 0, 1], port).into())).collect();
    let refused = Balancer::new(BalanceConfig::default(), many, Moment::ZERO).unwrap_err();
    assert_eq!(refused.field, "endpoints");
    let twice = [equals(2), equals(1)].concat();
    let balancer = Balancer::new(BalanceConfig::default(), twice, Moment::ZERO).unwrap();
    assert_eq!(balancer.endpoints().len(), 2);
}
