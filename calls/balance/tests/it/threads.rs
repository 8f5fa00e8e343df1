//! Many threads pick and record while the list changes: nothing is lost, and nobody waits for ever.

use std::sync::{Arc, Mutex};

use mamparo_balance::{BalanceConfig, Balancer, Seen};
use mamparo_context::{Clock, Random};

use crate::support::{MILLISECOND, SECOND, equals};

#[test]
fn what_is_picked_by_many_threads_ends_and_is_counted() {
    const THREADS: u64 = 4;
    const PICKS: u64 = 20_000;
    let (clock, manual) = Clock::manual();
    let first = Balancer::new(BalanceConfig::default(), equals(4), clock.moment()).unwrap();
    let current = Mutex::new(Arc::new(first));
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            let (clock, current) = (&clock, &current);
            scope.spawn(move || {
                let random = Random::seeded(seed);
                for number in 0..PICKS {
                    let balancer = Arc::clone(&current.lock().unwrap());
                    let pick = balancer.pick(None, &[], clock.moment(), &random).unwrap();
                    let seen = if random.below(3) == 0 { Seen::Failure } else { Seen::Success };
                    if number % 7 > 0 {
                        pick.record(seen, MILLISECOND, clock.moment());
                    }
                }
            });
        }
        for number in 0..200 {
            manual.advance(SECOND);
            let balancer = Arc::clone(&current.lock().unwrap());
            // The first four are always there.
            let next =
                balancer.with(BalanceConfig::default(), equals(4 + number % 2), clock.moment()).unwrap();
            *current.lock().unwrap() = Arc::new(next);
        }
    });
    let last = current.into_inner().unwrap();
    let described =
        last.with(BalanceConfig::default(), equals(4), clock.moment()).unwrap().describe(clock.moment());
    assert!(described.endpoints.iter().all(|status| status.in_flight == 0), "{described:?}");
    let requests: u64 = described.endpoints.iter().map(|status| status.requests).sum();
    assert!(requests > PICKS && requests <= THREADS * PICKS, "{described:?}");
}
