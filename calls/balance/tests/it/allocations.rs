//! A pick and what it comes to allocate nothing.

use mamparo_balance::{Algorithm, BalanceConfig, Seen};

use crate::support::{MILLISECOND, World, address, weighted};

#[test]
fn a_pick_that_is_recorded_allocates_nothing() {
    use Algorithm::{LeastRequest, Maglev, P2c, Random, RoundRobin};
    for algorithm in [RoundRobin, LeastRequest, P2c, Random, Maglev] {
        let config = BalanceConfig { algorithm, ..BalanceConfig::default() };
        let world = World::new(config, weighted(&[1, 2, 3, 4]));
        let round = |tried: &[std::net::SocketAddr], seen| {
            let pick = world.balancer.pick(Some(7), tried, world.now(), &world.random).unwrap();
            pick.record(seen, MILLISECOND, world.now())
        };
        round(&[], Seen::Success);
        let tried = [address(0), address(1), address(2)];
        let counted = allocation_counter::measure(|| {
            round(&[], Seen::Success);
            round(&tried, Seen::Success);
            round(&tried, Seen::Failure);
        });
        assert_eq!(counted.count_total, 0, "{algorithm:?}");
    }
}
