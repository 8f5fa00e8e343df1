//! What tells a shedder of overload.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mamparo_context::Moment;

use super::Codel;
use crate::Admission;
use crate::adaptive::AdaptiveLimit;

/// A sign of overload.
pub trait Signal: Send + Sync + 'static {
    /// Its name in metrics.
    fn name(&self) -> &'static str;

    /// How much there is to do: 1 and more is overload, and so much more than can be done. Asked a few times in a
    /// second.
    fn pressure(&self, now: Moment) -> f64;
}

/// How long work stands in some line; whoever takes it from there tells.
#[derive(Debug)]
pub struct QueueDelay(Mutex<Codel>);

impl QueueDelay {
    /// Overload is a delay that stays above `target` for an `interval`; 5 ms and 100 ms are a good beginning.
    pub const fn new(target: Duration, interval: Duration) -> Self {
        Self(Mutex::new(Codel::new(target, interval)))
    }

    /// Work that was taken from the line at `now` had stood there for `delay`.
    pub fn observe(&self, delay: Duration, now: Moment) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).observe(delay, now);
    }
}

impl Signal for QueueDelay {
    fn name(&self) -> &'static str {
        "queue-delay"
    }

    fn pressure(&self, now: Moment) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pressure(now)
    }
}

/// Calls that an adaptive limit refuses, whoever they are: the shedder takes those who matter least instead.
#[derive(Debug)]
pub struct LimitReached {
    limit: Arc<AdaptiveLimit>,
    /// Admitted and refused when last asked.
    seen: Mutex<(u64, u64)>,
}

/// The share of refusals that is no overload.
const REFUSED_SOME: f64 = 0.01;

impl LimitReached {
    /// Watches `limit` from now on.
    pub fn new(limit: Arc<AdaptiveLimit>) -> Self {
        let seen = Mutex::new(asked(&limit));
        Self { limit, seen }
    }
}

/// Calls that it has admitted and refused.
fn asked(limit: &AdaptiveLimit) -> (u64, u64) {
    let counted = limit.counts().read();
    (counted.admitted, counted.refused + counted.shadow_refused)
}

impl Signal for LimitReached {
    fn name(&self) -> &'static str {
        "adaptive-limit"
    }

    fn pressure(&self, _now: Moment) -> f64 {
        let now = asked(&self.limit);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (admitted, refused) = (now.0.saturating_sub(seen.0), now.1.saturating_sub(seen.1));
        *seen = now;
        let share = if refused == 0 { 0.0 } else { refused as f64 / (admitted + refused) as f64 };
        if share > REFUSED_SOME {
            return 1.0 / (1.0 - share).max(0.01);
        }
        let state = self.limit.state();
        0.99 * (state.in_flight as f64 / state.limit.max(1) as f64).min(1.0)
    }
}
