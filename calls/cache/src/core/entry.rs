//! Decides what an entry is good for at a moment, and when a new one will be what.

use std::time::Duration;

use mamparo_context::Moment;

/// `-ln(unit)` of the smallest number that is drawn, 2^-53, is less than this: earlier than so many times the cost of
/// a load before the end of its life an entry is never refreshed, and nothing needs to be drawn.
const EARLIEST: f64 = 37.0;
/// The smallest number that is drawn.
const SMALLEST: f64 = f64::EPSILON / 2.0;

/// The rules that all entries of a cache follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// How long an entry is fresh; `None` for ever.
    pub time_to_live: Option<Duration>,
    /// Which share of that time is taken away at random, at the most: entries that were written together do not
    /// end together.
    pub jitter: f64,
    /// How long an absence is known; `None` never.
    pub negative: Option<Duration>,
    /// How long after it was fresh an entry is served while a new one is loaded.
    pub stale_while_revalidate: Duration,
    /// How long after it was fresh an entry is served when a load fails or takes long.
    pub stale_if_error: Duration,
    /// How long after a load that failed nothing is loaded where there is an entry to serve.
    pub error_pause: Duration,
    /// How eagerly an entry is refreshed before its end; 0 never, 1 as the cost of its load suggests.
    pub early_refresh: f64,
}

/// When an entry is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Before this moment it is fresh, and nothing else needs to be looked at.
    pub calm_until: Moment,
    /// Until when it is fresh.
    pub fresh_until: Moment,
    /// Until when nothing is loaded, for a load has failed.
    pub quiet_until: Moment,
    /// How long its load took.
    pub cost: Duration,
}

/// What an entry is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is served.
    Fresh,
    /// It is served, and its successor is loaded already.
    Early,
    /// It is served, and its successor is loaded.
    Stale,
    /// It is served, for a load has failed a moment ago.
    Quiet,
    /// It is served only if a load fails or takes long.
    Fallback,
    /// It is not served.
    Expired,
}

impl Freshness {
    /// Whether it is as good as new.
    pub const fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh | Self::Early)
    }

    /// Whether it is served without waiting for a load.
    pub const fn is_served(self) -> bool {
        matches!(self, Self::Fresh | Self::Early | Self::Stale | Self::Quiet)
    }
}

impl Rules {
    /// The times of an entry that is written at `now`; `None` if it is not worth keeping. `life` overrides the
    /// time to live, `unit` is a number drawn from `0.0..1.0`.
    pub fn times(
        &self,
        now: Moment,
        is_absent: bool,
        life: Option<Duration>,
        cost: Duration,
        unit: f64,
    ) -> Option<Times> {
        let life = match life {
            Some(own) => Some(own),
            None if is_absent => Some(self.negative?),
            None => self.time_to_live.map(|life| life.mul_f64(1.0 - self.jitter * unit)),
        };
        let fresh_until = match life {
            Some(Duration::ZERO) => return None,
            Some(life) => now + life,
            None => Moment::NEVER,
        };
        Some(Times {
            calm_until: self.calm_until(fresh_until, cost),
            fresh_until,
            quiet_until: Moment::ZERO,
            cost,
        })
    }

    /// The times of the same entry after its refresh has failed at `now`.
    #[must_use]
    pub fn after_failure(&self, times: Times, now: Moment) -> Times {
        Times { quiet_until: now + self.error_pause, ..times }
    }

    fn calm_until(&self, fresh_until: Moment, cost: Duration) -> Moment {
        if fresh_until == Moment::NEVER {
            return Moment::NEVER;
        }
        let before = cost.as_nanos() as f64 * self.early_refresh * EARLIEST;
        Moment::from_nanos(fresh_until.as_nanos().saturating_sub(before as u64))
    }

    /// What an entry is good for at `now`. `suspect_since` is the moment since when it may no longer be true, if
    /// there is one; `unit` draws a number from `0.0..1.0`.
    pub fn judge(
        &self,
        times: &Times,
        now: Moment,
        suspect_since: Option<Moment>,
        unit: impl FnOnce() -> f64,
    ) -> Freshness {
        let fresh_until = suspect_since.map_or(times.fresh_until, |since| since.min(times.fresh_until));
        if now < fresh_until {
            // What is refreshed early and fails is still fresh, and not tried again by every reader.
            let may_be_early = now >= times.calm_until && now >= times.quiet_until;
            return match may_be_early && self.is_early(times.cost, fresh_until.since(now), unit()) {
                true => Freshness::Early,
                false => Freshness::Fresh,
            };
        }
        let error_until = fresh_until + self.stale_if_error.max(self.stale_while_revalidate);
        if now >= error_until {
            Freshness::Expired
        } else if now < times.quiet_until {
            Freshness::Quiet
        } else if now < fresh_until + self.stale_while_revalidate {
            Freshness::Stale
        } else {
            Freshness::Fallback
        }
    }

    /// XFetch: each reader refreshes with the chance `e^(-left / (early_refresh * cost))`.
    fn is_early(&self, cost: Duration, left: Duration, unit: f64) -> bool {
        let ahead = -self.early_refresh * cost.as_secs_f64() * unit.max(SMALLEST).ln();
        self.early_refresh > 0.0 && ahead >= left.as_secs_f64()
    }
}

#[cfg(test)]
mod tests;
