//! What a balancer knows, for a person or a metric to look at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mamparo_context::Moment;
use serde::Serialize;

use crate::cohort::Cohort;
use crate::config::{Algorithm, BalanceConfig};
use crate::select::{Reach, warmth};
use crate::state::Member;

/// What a balancer knows.
///
/// ```
/// use std::time::Duration;
///
/// use mamparo_balance::{BalanceConfig, Balancer, Endpoint, Reach, Seen};
/// use mamparo_context::{Moment, Random};
///
/// let endpoints = vec![Endpoint::new("10.0.0.7:80".parse()?)];
/// let balancer = Balancer::new(BalanceConfig::default(), endpoints, Moment::ZERO)?;
/// let random = Random::seeded(1);
/// let pick = balancer.pick(None, &[], Moment::ZERO, &random).ok_or("nobody is there")?;
/// pick.record(Seen::Success, Duration::from_millis(2), Moment::ZERO);
/// let described = balancer.describe(Moment::ZERO);
/// assert_eq!(described.reach, Reach::Available);
/// let json = serde_json::to_value(&described.endpoints)?;
/// assert_eq!(json[0]["standing"], "healthy");
/// assert_eq!(json[0]["latency"], "2ms");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Which endpoint takes the next request.
    pub algorithm: Algorithm,
    /// How far it reaches for endpoints now.
    pub reach: Reach,
    /// What has happened.
    pub counts: Counts,
    /// Each of its endpoints, in the order of its list.
    pub endpoints: Vec<EndpointStatus>,
}

/// What is known of an endpoint.
///
/// ```
/// use mamparo_balance::{BalanceConfig, Balancer, Endpoint};
/// use mamparo_context::{Moment, Random};
///
/// let endpoints = vec![Endpoint::new("10.0.0.7:80".parse()?)];
/// let balancer = Balancer::new(BalanceConfig::default(), endpoints, Moment::ZERO)?;
/// let random = Random::seeded(1);
/// let pick = balancer.pick(None, &[], Moment::ZERO, &random).ok_or("nobody is there")?;
/// drop(pick);
/// let status = &balancer.describe(Moment::ZERO).endpoints[0];
/// assert_eq!((status.requests, status.failures, status.latency), (1, 0, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndpointStatus {
    /// Where it listens.
    pub address: SocketAddr,
    /// How much it takes in proportion to the others.
    pub weight: u32,
    /// Where it stands.
    pub zone: Option<Arc<str>>,
    /// Who must answer there.
    pub identity: Option<Arc<str>>,
    /// Whether it is picked.
    pub standing: Standing,
    /// Requests under way.
    pub in_flight: u32,
    /// Its latency as it counts now, failures included; `None` while nothing is known.
    #[serde(with = "mamparo_context::duration::option")]
    pub latency: Option<Duration>,
    /// Requests that it was picked for.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// How often it was ejected.
    pub ejections: u64,
}

/// Whether an endpoint is picked.
///
/// ```
/// use std::time::Duration;
///
/// use mamparo_balance::Standing;
///
/// let ejected = Standing::Ejected(Duration::from_secs(30));
/// assert_eq!(serde_json::to_string(&ejected)?, r#"{"ejected":"30s"}"#);
/// assert_eq!(serde_json::to_string(&Standing::Warming(0.5))?, r#"{"warming":0.5}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is.
    Healthy,
    /// It is, with this share of its weight: it is in its slow start.
    Warming(f64),
    /// It takes nothing, since it has no weight.
    Draining,
    /// Its probes fail.
    Unhealthy,
    /// It is left out for so much longer, because of the answers that it gave.
    #[serde(with = "mamparo_context::duration")]
    Ejected(Duration),
}

/// What has happened since the first of the balancers that went on from each other.
///
/// ```
/// use mamparo_balance::{BalanceConfig, Balancer};
/// use mamparo_context::{Moment, Random};
///
/// let nobody = Balancer::new(BalanceConfig::default(), vec![], Moment::ZERO)?;
/// assert!(nobody.pick(None, &[], Moment::ZERO, &Random::seeded(1)).is_none());
/// assert_eq!(nobody.counts().picks_refused, 1);
/// # Ok::<(), mamparo_balance::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Endpoints that were ejected.
    pub ejections: u64,
    /// Outliers that were not ejected, because too many were already, or none would have been left.
    pub ejections_refused: u64,
    /// Picks while too few endpoints were available.
    pub panic_picks: u64,
    /// Picks that found nobody.
    pub picks_refused: u64,
}

impl Counts {
    pub(crate) fn of(cohort: &Cohort) -> Self {
        Self {
            ejections: cohort.ejections.load(Ordering::Relaxed),
            ejections_refused: cohort.ejections_refused.load(Ordering::Relaxed),
            panic_picks: cohort.panic_picks.load(Ordering::Relaxed),
            picks_refused: cohort.picks_refused.load(Ordering::Relaxed),
        }
    }
}

pub(crate) fn describe(
    config: &BalanceConfig,
    members: &[Arc<Member>],
    reach: Reach,
    counts: Counts,
    now: Moment,
) -> Description {
    let endpoints = members.iter().map(|member| status(config, member, now)).collect();
    Description { algorithm: config.algorithm, reach, counts, endpoints }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a latency, for a person to look at"
)]
fn status(config: &BalanceConfig, Member { endpoint, rules, state }: &Member, now: Moment) -> EndpointStatus {
    let nanos = state.average.load().at(rules.fading, now);
    EndpointStatus {
        address: endpoint.address,
        weight: endpoint.weight,
        zone: endpoint.zone.clone(),
        identity: endpoint.identity.clone(),
        standing: standing(config, endpoint.weight, state, now),
        in_flight: state.in_flight.load(Ordering::Relaxed),
        latency: nanos.map(|nanos| Duration::from_nanos(nanos as u64)),
        requests: state.requests.load(Ordering::Relaxed),
        failures: state.failures.load(Ordering::Relaxed),
        ejections: state.ejections.load(Ordering::Relaxed),
    }
}

fn standing(config: &BalanceConfig, weight: u32, state: &crate::state::State, now: Moment) -> Standing {
    if weight == 0 {
        return Standing::Draining;
    }
    if state.unhealthy.load(Ordering::Relaxed) {
        return Standing::Unhealthy;
    }
    let left = state.ejected_until().since(now);
    if !left.is_zero() {
        return Standing::Ejected(left);
    }
    match config.slow_start.map_or(1.0, |window| warmth(state.warming_since(), window, now)) {
        1.0 => Standing::Healthy,
        share => Standing::Warming(share),
    }
}
