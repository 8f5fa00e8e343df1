//! The budget out of which all calls of a target ask again: taking from it is one atomic step, so that no burst can
//! take more than there is.

use std::time::Duration;

use mamparo_context::Moment;
use mamparo_context::duration::nanos;

use super::config::BudgetConfig;
use crate::sync::{AtomicU64, Ordering};

/// Tokens that pay for asking again. Good calls fill it, so that it is what share of calls may be repeats.
#[derive(Debug)]
pub struct Budget {
    tokens: AtomicU64,
    /// When the floor has been used up to, in nanoseconds.
    floor: AtomicU64,
    config: BudgetConfig,
}

/// What was taken from a budget, and comes back if the call succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Withdrawal {
    tokens: u32,
}

impl Budget {
    /// A full budget.
    pub fn new(config: BudgetConfig) -> Self {
        Self { tokens: AtomicU64::new(config.tokens.into()), floor: AtomicU64::new(0), config }
    }

    /// The same budget under another configuration: what is in it stays, as far as it has room.
    pub(crate) fn resized(&self, config: BudgetConfig) -> Self {
        let budget = Self::new(config);
        budget.tokens.store(self.tokens().min(config.tokens.into()), Ordering::Relaxed);
        budget.floor.store(self.floor.load(Ordering::Relaxed), Ordering::Relaxed);
        budget
    }

    /// What is in it.
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Takes what it costs to ask again after a failure, or after an answer that asked for less; `None` if there is
    /// not enough, and the floor is used up.
    pub fn withdraw(&self, busy: bool, now: Moment) -> Option<Withdrawal> {
        let tokens = if busy { self.config.busy_cost } else { self.config.failure_cost };
        let take = |held: u64| held.checked_sub(tokens.into());
        if self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return Some(Withdrawal { tokens });
        }
        self.take_floor(now).then_some(Withdrawal { tokens: 0 })
    }

    /// A call has succeeded, at once or after `withdrawn` was spent on it.
    #[inline]
    pub fn deposit(&self, withdrawn: Option<Withdrawal>) {
        self.fill(match withdrawn {
            Some(withdrawal) => withdrawal.tokens.max(self.config.success_gain),
            None => self.config.success_gain,
        });
    }

    /// What was paid for with `withdrawn` was never made.
    pub(crate) fn put_back(&self, withdrawn: Withdrawal) {
        self.fill(withdrawn.tokens);
    }

    #[inline]
    fn fill(&self, gain: u32) {
        let most = u64::from(self.config.tokens);
        let mut held = self.tokens.load(Ordering::Relaxed);
        while held < most {
            let filled = (held + u64::from(gain)).min(most);
            match self.tokens.compare_exchange_weak(held, filled, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => held = other,
            }
        }
    }

    /// So many in each second, evenly: two at once are not more than one a second, and then another.
    fn take_floor(&self, now: Moment) -> bool {
        if self.config.floor_per_second <= 0.0 {
            return false;
        }
        // A floor can be so low that the next time lies beyond all time.
        let each = Duration::try_from_secs_f64(1.0 / self.config.floor_per_second).unwrap_or(Duration::MAX);
        let each = nanos(each);
        let take = |used: u64| (used <= now.as_nanos()).then(|| now.as_nanos().saturating_add(each));
        self.floor.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}
