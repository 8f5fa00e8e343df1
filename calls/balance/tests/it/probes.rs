//! Endpoints whose probes fail are left out until they pass again.

use mamparo_balance::health::{HealthConfig, Transition};
use mamparo_balance::{Algorithm, BalanceConfig, Reach, Standing};

use crate::support::{SECOND, World, address, equals, good};

fn probing() -> BalanceConfig {
    BalanceConfig {
        algorithm: Algorithm::RoundRobin,
        health: Some(HealthConfig::default()),
        ..BalanceConfig::default()
    }
}

impl World {
    /// Probes whoever is due; the hosts in `bad` fail.
    fn probe(&self, bad: &[u8]) -> Vec<Transition> {
        let due = self.balancer.due_checks(self.now(), 100, &self.random);
        let is_bad = |due: &std::net::SocketAddr| bad.iter().any(|host| address(*host) == *due);
        due.iter().filter_map(|due| self.balancer.record_check(*due, !is_bad(due), self.now())).collect()
    }
}

#[test]
fn who_fails_its_probes_is_left_out_until_it_passes_them() {
    use Transition::{Confirmed, Lost, Recovered};
    let world = World::new(probing(), equals(3));
    assert_eq!(world.balancer.next_check(), Some(world.now()));
    assert_eq!(world.probe(&[]), [Confirmed; 3]);
    assert_eq!(world.probe(&[]), [], "nobody is due");
    let mut told = Vec::new();
    for _ in 0..3 {
        assert_eq!(world.spread(30, good), [10, 10, 10]);
        world.manual.advance(6 * SECOND);
        told.push(world.probe(&[1]));
    }
    assert_eq!(told, [vec![], vec![], vec![Lost]]);
    assert_eq!(world.standing(1), Standing::Unhealthy);
    assert_eq!(world.spread(30, good), [15, 0, 15]);
    world.manual.advance(6 * SECOND);
    assert_eq!(world.probe(&[]), []);
    world.manual.advance(6 * SECOND);
    assert_eq!(world.probe(&[]), [Recovered]);
    assert_eq!(world.spread(30, good), [10, 10, 10]);
}

#[test]
fn all_are_used_when_too_few_are_healthy_and_none_if_that_is_not_wanted() {
    let world = World::new(probing(), equals(4));
    world.probe(&[0, 1]);
    assert_eq!(world.spread(40, good), [0, 0, 20, 20]);
    let mut world = World::new(probing(), equals(4));
    world.probe(&[0, 1, 2, 3]);
    assert_eq!(world.spread(40, good), [10, 10, 10, 10]);
    assert_eq!(world.balancer.describe(world.now()).reach, Reach::Panic);
    world.reload(BalanceConfig { panic_percent: 0.0, ..probing() }, equals(4));
    assert!(world.pick().is_none());
    world.reload(BalanceConfig { panic_percent: 0.0, health: None, ..probing() }, equals(4));
    assert!(world.pick().is_some(), "nobody says that they are bad any more");
}

#[test]
fn the_last_healthy_one_is_not_ejected() {
    let world = World::new(BalanceConfig { panic_percent: 0.0, ..probing() }, equals(2));
    world.probe(&[1]);
    world.fail(0, 20);
    assert_eq!(world.standing(0), Standing::Healthy);
    assert_eq!(world.balancer.counts().ejections_refused, 4);
}

#[test]
fn who_recovers_takes_a_slow_start() {
    let world = World::new(BalanceConfig { slow_start: Some(100 * SECOND), ..probing() }, equals(2));
    world.probe(&[1]);
    for _ in 0..2 {
        world.manual.advance(6 * SECOND);
        world.probe(&[]);
    }
    world.manual.advance(25 * SECOND);
    assert_eq!(world.standing(1), Standing::Warming(0.25));
    assert_eq!(world.standing(0), Standing::Healthy);
}

#[test]
fn without_probes_nobody_is_due() {
    let world = World::new(BalanceConfig::default(), equals(2));
    assert_eq!(world.balancer.next_check(), None);
    assert_eq!(world.balancer.due_checks(world.now(), 9, &world.random), []);
    assert_eq!(world.balancer.record_check(address(0), false, world.now()), None);
}
