//! Which endpoints are probed next, and what the answers make of them. Whoever owns it performs the probes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mamparo_context::{Moment, Random};

use super::config::HealthConfig;

/// What the probes of an endpoint say.
///
/// ```
/// use mamparo_balance::health::{Checks, Health, HealthConfig, Transition};
/// use mamparo_context::Moment;
///
/// let address = "10.0.0.7:80".parse()?;
/// let mut checks = Checks::new(HealthConfig::default(), [address], Moment::ZERO);
/// assert_eq!(checks.health(address), Health::Unknown);
/// assert_eq!(checks.record(address, true), Some(Transition::Confirmed));
/// assert_eq!(checks.health(address), Health::Healthy);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// None has come back yet. It is picked: a process that has just started must be able to serve.
    Unknown,
    /// It answers as it should.
    Healthy,
    /// It does not; it is not picked.
    Unhealthy,
}

/// What a probe has changed.
///
/// ```
/// use mamparo_balance::health::{Checks, HealthConfig, Transition};
/// use mamparo_context::Moment;
///
/// let address = "10.0.0.7:80".parse()?;
/// let mut checks = Checks::new(HealthConfig::default(), [address], Moment::ZERO);
/// assert_eq!(checks.record(address, false), Some(Transition::Lost));
/// assert_eq!(checks.record(address, true), None);
/// assert_eq!(checks.record(address, true), Some(Transition::Recovered));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The first probe was answered well: it is known to be healthy.
    Confirmed,
    /// It is unhealthy from now on. A first probe that fails is enough, since nothing speaks for the endpoint yet.
    Lost,
    /// It was unhealthy, and is healthy from now on.
    Recovered,
}

/// When which endpoint is probed, and what is thought of each.
///
/// ```
/// use mamparo_balance::health::{Checks, HealthConfig, Transition};
/// use mamparo_context::{Moment, Random};
///
/// let address = "10.0.0.7:8080".parse()?;
/// let mut checks = Checks::new(HealthConfig::default(), [address], Moment::ZERO);
/// let random = Random::seeded(1);
/// assert_eq!(checks.due(Moment::ZERO, 8, &random), [address]);
/// // Whoever asked has probed it meanwhile.
/// assert_eq!(checks.record(address, true), Some(Transition::Confirmed));
/// assert!(checks.next_due() > Some(Moment::ZERO));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checks {
    config: HealthConfig,
    probed: BTreeMap<SocketAddr, Probed>,
}

#[derive(Clone, Copy, Debug)]
struct Probed {
    health: Health,
    /// Answers in a row that speak against what is thought of it.
    against: u32,
    next: Moment,
}

impl Checks {
    /// Nothing is known of `addresses`, and all of them are due.
    pub fn new(config: HealthConfig, addresses: impl IntoIterator<Item = SocketAddr>, now: Moment) -> Self {
        let new = Probed { health: Health::Unknown, against: 0, next: now };
        Self { config, probed: addresses.into_iter().map(|address| (address, new)).collect() }
    }

    /// The same for `config` and `addresses`, of which those stay what they are that are known and `keep` says so. Their
    /// next probes come no later than `config` has it.
    pub fn with(
        &self,
        config: HealthConfig,
        addresses: impl IntoIterator<Item = SocketAddr>,
        keep: impl Fn(SocketAddr) -> bool,
        now: Moment,
    ) -> Self {
        let mut new = Self::new(config, addresses, now);
        let latest = now + new.config.interval;
        for (address, probed) in &mut new.probed {
            if let Some(known) = self.probed.get(address).filter(|_| keep(*address)) {
                *probed = Probed { next: known.next.min(latest), ..*known };
            }
        }
        new
    }

    /// How they are probed.
    pub fn config(&self) -> &HealthConfig {
        &self.config
    }

    /// When the next endpoint is due; `None` without endpoints.
    pub fn next_due(&self) -> Option<Moment> {
        self.probed.values().map(|probed| probed.next).min()
    }

    /// At most `most` of the endpoints that are to be probed now; whoever asks must do so. An interval begins with the
    /// probe, not with its answer, and is drawn longer by the jitter.
    pub fn due(&mut self, now: Moment, most: usize, random: &Random) -> Vec<SocketAddr> {
        let HealthConfig { interval, jitter, .. } = self.config;
        let due = self.probed.iter_mut().filter(|(_, probed)| probed.next <= now).take(most);
        let begin = |(address, probed): (&SocketAddr, &mut Probed)| {
            let longer: Duration = random.jitter(interval.mul_f64(jitter));
            probed.next = now + interval + longer;
            *address
        };
        due.map(begin).collect()
    }

    /// Takes in what a probe came to. One of an endpoint that is gone changes nothing.
    pub fn record(&mut self, address: SocketAddr, passed: bool) -> Option<Transition> {
        let probed = self.probed.get_mut(&address)?;
        let (needed, after) = match (probed.health, passed) {
            (Health::Unknown, true) => (1, Transition::Confirmed),
            (Health::Unknown, false) => (1, Transition::Lost),
            (Health::Healthy, false) => (self.config.unhealthy, Transition::Lost),
            (Health::Unhealthy, true) => (self.config.healthy, Transition::Recovered),
            (Health::Healthy, true) | (Health::Unhealthy, false) => {
                probed.against = 0;
                return None;
            }
        };
        probed.against += 1;
        if probed.against < needed {
            return None;
        }
        probed.against = 0;
        probed.health = if passed { Health::Healthy } else { Health::Unhealthy };
        Some(after)
    }

    /// What is thought of an endpoint; nothing of one that is not there.
    pub fn health(&self, address: SocketAddr) -> Health {
        self.probed.get(&address).map_or(Health::Unknown, |probed| probed.health)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn checks(ports: std::ops::Range<u16>) -> Checks {
        Checks::new(HealthConfig::default(), ports.map(address), at(0))
    }

    #[test]
    fn answers_in_a_row_change_what_is_thought() {
        use Transition::{Confirmed, Lost, Recovered};
        let cases: [(&str, &[Option<Transition>]); 7] = [
            ("+", &[Some(Confirmed)]),
            ("-", &[Some(Lost)]),
            ("+--+--", &[Some(Confirmed), None, None, None, None, None]),
            ("+---", &[Some(Confirmed), None, None, Some(Lost)]),
            ("-+-++", &[Some(Lost), None, None, None, Some(Recovered)]),
            ("-++--+---", &[Some(Lost), None, Some(Recovered), None, None, None, None, None, Some(Lost)]),
            ("-----", &[Some(Lost), None, None, None, None]),
        ];
        for (answers, transitions) in cases {
            let mut checks = checks(0..1);
            let got: Vec<_> = answers.chars().map(|c| checks.record(address(0), c == '+')).collect();
            assert_eq!(got, transitions, "{answers}");
        }
    }

    #[test]
    fn an_endpoint_is_due_once_in_an_interval_and_a_little_more() {
        let (mut checks, random) = (checks(0..3), Random::seeded(1));
        assert_eq!(checks.next_due(), Some(at(0)));
        assert_eq!(checks.due(at(0), 2, &random).len(), 2);
        assert_eq!(checks.next_due(), Some(at(0)), "one is left over");
        assert_eq!(checks.due(at(0), 2, &random), [address(2)]);
        let next = checks.next_due().unwrap();
        assert!(next >= at(5_000) && next <= at(5_500), "{next:?}");
        assert_eq!(checks.due(at(4_999), 9, &random), []);
        assert_eq!(checks.due(at(5_500), 9, &random).len(), 3);
    }

    #[test]
    fn what_stays_is_still_known_and_what_is_new_is_not() {
        let (mut old, random) = (checks(0..3), Random::seeded(1));
        old.due(at(0), 9, &random);
        for port in 0..3 {
            old.record(address(port), false);
        }
        let quick = HealthConfig { interval: Duration::from_secs(2), ..HealthConfig::default() };
        let mut new = old.with(quick, (1..4).map(address), |known| known != address(2), at(1_000));
        let health = |port| new.health(address(port));
        assert_eq!([1, 2, 3].map(health), [Health::Unhealthy, Health::Unknown, Health::Unknown]);
        assert_eq!(health(0), Health::Unknown, "it is gone");
        assert_eq!(new.record(address(0), true), None);
        assert_eq!(new.due(at(1_000), 9, &random), [address(2), address(3)]);
        assert_eq!(new.due(at(3_000), 9, &random), [address(1)], "no later than the new interval has it");
        assert_eq!(Checks::new(HealthConfig::default(), [], at(0)).next_due(), None);
    }
}
