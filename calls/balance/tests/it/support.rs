//! Endpoints, a clock and a seed for a test.

use std::net::SocketAddr;
use std::time::Duration;

use mamparo_balance::{BalanceConfig, Balancer, Endpoint, EndpointStatus, Pick, Seen, Standing};
use mamparo_context::{Clock, ManualClock, Moment, Random};

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 80))
}

pub(crate) fn host(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(address) => address.ip().octets()[3].into(),
        SocketAddr::V6(_) => panic!("no test has such an address"),
    }
}

/// Endpoints 0, 1, 2 and so on with these weights.
pub(crate) fn weighted(weights: &[u32]) -> Vec<Endpoint> {
    (0..).zip(weights).map(|(host, weight)| Endpoint::new(address(host)).weight(*weight)).collect()
}

pub(crate) fn equals(number: usize) -> Vec<Endpoint> {
    weighted(&vec![1; number])
}

/// A balancer, the time and the chance.
pub(crate) struct World {
    pub(crate) balancer: Balancer,
    pub(crate) clock: Clock,
    pub(crate) manual: ManualClock,
    pub(crate) random: Random,
}

impl World {
    pub(crate) fn new(config: BalanceConfig, endpoints: Vec<Endpoint>) -> Self {
        Self::seeded(config, endpoints, 1)
    }

    pub(crate) fn seeded(config: BalanceConfig, endpoints: Vec<Endpoint>, seed: u64) -> Self {
        let (clock, manual) = Clock::manual();
        let balancer = Balancer::new(config, endpoints, clock.moment()).unwrap();
        Self { balancer, clock, manual, random: Random::seeded(seed) }
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.moment()
    }

    pub(crate) fn reload(&mut self, config: BalanceConfig, endpoints: Vec<Endpoint>) {
        self.balancer = self.balancer.with(config, endpoints, self.now()).unwrap();
    }

    pub(crate) fn pick(&self) -> Option<Pick> {
        self.balancer.pick(None, &[], self.now(), &self.random)
    }

    /// Requests that are answered at once after `took`, by a function of the host; tells how many each host had.
    pub(crate) fn spread(&self, requests: u32, answer: impl Fn(usize) -> (Seen, Duration)) -> Vec<u32> {
        let mut counts = vec![0; self.balancer.endpoints().len()];
        for _ in 0..requests {
            let pick = self.pick().expect("somebody is there");
            let host = host(pick.address());
            counts[host] += 1;
            let (seen, took) = answer(host);
            self.manual.advance(MILLISECOND);
            pick.record(seen, took, self.now());
        }
        counts
    }

    /// The endpoint fails so often, whoever is picked meanwhile.
    pub(crate) fn fail(&self, host: u8, times: u32) {
        for _ in 0..times {
            let others: Vec<SocketAddr> =
                self.balancer.endpoints().map(|e| e.address).filter(|a| *a != address(host)).collect();
            let pick = self.balancer.pick(None, &others, self.now(), &self.random).unwrap();
            assert_eq!(pick.address(), address(host), "it is not there to fail");
            pick.record(Seen::Failure, MILLISECOND, self.now());
        }
    }

    pub(crate) fn status(&self, host: u8) -> EndpointStatus {
        let described = self.balancer.describe(self.now());
        described.endpoints.into_iter().find(|status| status.address == address(host)).unwrap()
    }

    pub(crate) fn standing(&self, host: u8) -> Standing {
        self.status(host).standing
    }
}

pub(crate) fn good(_: usize) -> (Seen, Duration) {
    (Seen::Success, 10 * MILLISECOND)
}
