//! A request on its way to an endpoint: it counts as under way until it is recorded or dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mamparo_context::Moment;

use crate::endpoint::Endpoint;
use crate::outlier::Ejection;
use crate::state::Member;

/// What a request to an endpoint came to.
///
/// ```
/// use std::time::Duration;
///
/// use mamparo_balance::{BalanceConfig, Balancer, Endpoint, Seen};
/// use mamparo_context::{Moment, Random};
///
/// let endpoints = vec![Endpoint::new("10.0.0.7:80".parse()?)];
/// let balancer = Balancer::new(BalanceConfig::default(), endpoints, Moment::ZERO)?;
/// let random = Random::seeded(1);
/// let pick = balancer.pick(None, &[], Moment::ZERO, &random).ok_or("nobody is there")?;
/// // An answer such as `503`, or none at all.
/// pick.record(Seen::Failure, Duration::from_millis(2), Moment::ZERO);
/// assert_eq!(balancer.describe(Moment::ZERO).endpoints[0].failures, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was answered; also that the request was wrong is an answer.
    Success,
    /// The endpoint failed: no connection, no answer in time, or an answer that says so.
    Failure,
}

/// A request on its way to the endpoint that takes it. It counts as under way until it is recorded, or dropped: dropped,
/// it was cancelled and says nothing about the endpoint.
///
/// ```
/// use std::time::Duration;
///
/// use mamparo_balance::{BalanceConfig, Balancer, Endpoint, Seen};
/// use mamparo_context::{Moment, Random};
///
/// let endpoints = vec![Endpoint::new("10.0.0.7:80".parse()?)];
/// let balancer = Balancer::new(BalanceConfig::default(), endpoints, Moment::ZERO)?;
/// let random = Random::seeded(1);
/// let pick = balancer.pick(None, &[], Moment::ZERO, &random).ok_or("nobody is there")?;
/// assert_eq!(balancer.describe(Moment::ZERO).endpoints[0].in_flight, 1);
/// pick.record(Seen::Success, Duration::from_millis(2), Moment::ZERO);
/// assert_eq!(balancer.describe(Moment::ZERO).endpoints[0].in_flight, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a pick that is dropped is a request that was cancelled"]
pub struct Pick(Arc<Member>);

impl Pick {
    #[inline]
    pub(crate) fn new(member: Arc<Member>) -> Self {
        member.state.in_flight.fetch_add(1, Ordering::Relaxed);
        member.state.requests.fetch_add(1, Ordering::Relaxed);
        Self(member)
    }

    /// Where it goes.
    pub fn address(&self) -> SocketAddr {
        self.0.endpoint.address
    }

    /// The endpoint that it goes to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Takes in what it came to, and how long that took. If the endpoint is ejected for it, it says so.
    pub fn record(self, seen: Seen, took: Duration, now: Moment) -> Option<Ejection> {
        self.0.record(seen, took, now)
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.0.state.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
