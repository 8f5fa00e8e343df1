//! Whether an endpoint is ejected, and for how long.

use std::net::SocketAddr;
use std::time::Duration;

use mamparo_context::Moment;
use mamparo_context::duration::nanos;

use super::config::OutlierConfig;
use super::window::Sums;

/// That an endpoint is left out from now on.
///
/// ```
/// use std::time::Duration;
///
/// use mamparo_balance::outlier::{Cause, Ejection};
/// use mamparo_balance::{BalanceConfig, Balancer, Endpoint, Seen};
/// use mamparo_context::{Moment, Random};
///
/// let (first, second) = ("10.0.0.7:80".parse()?, "10.0.0.8:80".parse()?);
/// let endpoints = vec![Endpoint::new(first), Endpoint::new(second)];
/// let balancer = Balancer::new(BalanceConfig::default(), endpoints, Moment::ZERO)?;
/// let random = Random::seeded(1);
/// let fail = || {
///     let pick = balancer.pick(None, &[second], Moment::ZERO, &random)?;
///     pick.record(Seen::Failure, Duration::from_millis(1), Moment::ZERO)
/// };
/// let told: Vec<Option<Ejection>> = (0..5).map(|_| fail()).collect();
/// let ejection =
///     Ejection { address: first, cause: Cause::ConsecutiveFailures(5), time: Duration::from_secs(30) };
/// assert_eq!(told, [None, None, None, None, Some(ejection)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Which one.
    pub address: SocketAddr,
    /// Why.
    pub cause: Cause,
    /// For how long.
    pub time: Duration,
}

/// Why an endpoint was ejected.
///
/// ```
/// use mamparo_balance::outlier::Cause;
///
/// let why = match Cause::FailurePercent(90) {
///     Cause::ConsecutiveFailures(number) => format!("{number} failures in a row"),
///     Cause::FailurePercent(percent) => format!("{percent}% failed"),
/// };
/// assert_eq!(why, "90% failed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many requests to it failed one after the other.
    ConsecutiveFailures(u32),
    /// This share of the requests in its window failed, in percent, rounded down.
    FailurePercent(u32),
}

/// When an endpoint is an outlier; what a pick carries along of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) consecutive_failures: Option<u32>,
    pub(crate) failure_percent: Option<f64>,
    pub(crate) minimum_calls: u32,
}

impl From<&OutlierConfig> for Bounds {
    fn from(config: &OutlierConfig) -> Self {
        Self {
            consecutive_failures: config.consecutive_failures,
            failure_percent: config.failure_percent,
            minimum_calls: config.minimum_calls,
        }
    }
}

impl Bounds {
    /// Whether an endpoint is an outlier with so many failures in a row and such a window.
    pub(crate) fn judge(self, in_a_row: u32, sums: Sums) -> Option<Cause> {
        if self.consecutive_failures.is_some_and(|most| in_a_row >= most) {
            return Some(Cause::ConsecutiveFailures(in_a_row));
        }
        let most = self.failure_percent?;
        let enough = sums.calls >= self.minimum_calls.max(1);
        let is_outlier = enough && f64::from(sums.failures) * 100.0 >= most * f64::from(sums.calls);
        let percent = u64::from(sums.failures) * 100 / u64::from(sums.calls.max(1));
        is_outlier.then(|| Cause::FailurePercent(u32::try_from(percent).unwrap_or(100)))
    }
}

/// How many endpoints of `total` may be ejected at the same time.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
pub(crate) fn most_ejected(config: &OutlierConfig, total: usize) -> usize {
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    let share = (f64::from(total) * config.max_ejected_percent / 100.0) as u32;
    share.max(1).min(total.saturating_sub(1)) as usize
}

/// The number of the next ejection in the row of them, counted from 1, and how long it lasts, of an endpoint whose last
/// one had the number `last` and ended at `ended`.
pub(crate) fn next_ejection(
    config: &OutlierConfig,
    last: u32,
    ended: Moment,
    now: Moment,
) -> (u32, Duration) {
    let forgiven = nanos(now.since(ended)) / nanos(config.base_time).max(1);
    let number = last.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX)).saturating_add(1);
    (number, config.base_time.saturating_mul(number).min(config.max_time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_fails_in_a_row_or_too_often() {
        let bounds = Bounds::from(&OutlierConfig::default());
        let judge = |in_a_row, failures, calls| bounds.judge(in_a_row, Sums { calls, failures });
        assert_eq!(judge(4, 4, 4), None);
        assert_eq!(judge(5, 5, 5), Some(Cause::ConsecutiveFailures(5)));
        assert_eq!(judge(1, 49, 49), None, "too few");
        assert_eq!(judge(1, 42, 50), None);
        assert_eq!(judge(1, 43, 50), Some(Cause::FailurePercent(86)));
        let never = Bounds::from(&OutlierConfig::never());
        assert_eq!(never.judge(u32::MAX, Sums { calls: 1_000, failures: 1_000 }), None);
    }

    #[test]
    fn one_may_always_be_ejected_and_the_last_never() {
        let of = |percent| OutlierConfig { max_ejected_percent: percent, ..OutlierConfig::default() };
        for (percent, total, most) in [
            (50.0, 0, 0),
            (50.0, 1, 0),
            (100.0, 1, 0),
            (0.0, 2, 1),
            (50.0, 3, 1),
            (50.0, 10, 5),
            (10.0, 19, 1),
            (100.0, 10, 9),
        ] {
            assert_eq!(most_ejected(&of(percent), total), most, "{percent}% of {total}");
        }
    }

    #[test]
    fn ejections_grow_to_a_cap_and_are_forgiven() {
        let config = OutlierConfig::default();
        let ended = Moment::ZERO + Duration::from_secs(1_000);
        for (last, seconds_later, number, lasts) in [
            (0, 0, 1, 30),
            (1, 0, 2, 60),
            (1, 29, 2, 60),
            (1, 30, 1, 30),
            (9, 60, 8, 240),
            (9, 0, 10, 300),
            (10, 0, 11, 300),
            (u32::MAX, 0, u32::MAX, 300),
            (4, 100_000, 1, 30),
        ] {
            let next = next_ejection(&config, last, ended, ended + Duration::from_secs(seconds_later));
            assert_eq!(next, (number, Duration::from_secs(lasts)), "{last}, {seconds_later}s later");
        }
    }
}
