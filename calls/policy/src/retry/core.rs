//! Decides whether a call is made again, and after which pause: a function of what the last attempt came to.

use std::time::Duration;

use mamparo_context::{Context, Fault, Moment, Retry as Advice};

use super::budget::{Budget, Withdrawal};
use super::config::{Jitter, Repeat, RetryConfig};
use crate::{InvalidConfig, Mode, Outcome};

/// What all calls of a target share.
#[derive(Debug)]
pub struct Retry {
    config: RetryConfig,
    budget: Budget,
}

/// The attempts of one call.
#[derive(Clone, Debug)]
pub struct Tries {
    made: u32,
    pause: Duration,
    withdrawn: Option<Withdrawal>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Again {
    /// It stays as it is: the call has succeeded, or asking again cannot help or is not safe.
    No,
    /// Asking again might have helped, and is not done. Nobody above should do it instead.
    GaveUp(GaveUp),
    /// Ask again after a pause.
    After(Duration),
    /// It would have been asked again, had it been enforced.
    Shadow,
}

/// Why it is not asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GaveUp {
    /// All attempts have been made.
    Attempts,
    /// The budget of the target is spent.
    Budget,
    /// The pause would outlast the deadline.
    Deadline,
    /// The dependency asks to be left alone for longer than anybody waits.
    RetryAfter,
}

impl GaveUp {
    /// As it stands in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::RetryAfter => "retry-after",
        }
    }
}

impl Default for Tries {
    fn default() -> Self {
        Self { made: 1, pause: Duration::ZERO, withdrawn: None }
    }
}

impl Tries {
    /// Attempts that were made, or are under way.
    pub const fn made(&self) -> u32 {
        self.made
    }
}

impl Retry {
    /// With a full budget.
    ///
    /// # Errors
    /// `config` is wrong.
    pub fn new(config: RetryConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { config, budget: Budget::new(config.budget) })
    }

    /// By `config` from now on, with what is left in the budget.
    ///
    /// # Errors
    /// `config` is wrong.
    pub(crate) fn reconfigured(&self, config: RetryConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { config, budget: self.budget.resized(config.budget) })
    }

    /// What it goes by.
    pub const fn config(&self) -> &RetryConfig {
        &self.config
    }

    /// What is left for asking again.
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// An attempt has come to `outcome`; `draw` gives numbers in `0.0..1.0`.
    #[inline]
    pub fn next(
        &self,
        tries: &mut Tries,
        outcome: &Outcome,
        cx: &Context,
        end: End,
        draw: impl FnMut() -> f64,
    ) -> Again {
        match outcome.fault() {
            None => {
                self.succeeded(tries);
                Again::No
            }
            Some(fault) => self.after_failure(tries, outcome, fault, cx, end, draw),
        }
    }

    /// As [`next`](Self::next) after a success: nothing comes next, and the budget is filled.
    #[inline]
    pub fn succeeded(&self, tries: &mut Tries) {
        self.budget.deposit(tries.withdrawn.take());
    }

    fn after_failure(
        &self,
        tries: &mut Tries,
        outcome: &Outcome,
        fault: &Fault,
        cx: &Context,
        End { now, until, minimum, refused }: End,
        mut draw: impl FnMut() -> f64,
    ) -> Again {
        // Who was refused here, and not told until when, does not stand in the line again.
        if self.config.mode == Mode::Off || refused && outcome.retry_after().is_none() {
            return Again::No;
        }
        if !fault.is_transient() || !may_repeat(self.config.repeat, fault, cx) {
            return Again::No;
        }
        if tries.made >= self.config.attempts {
            return Again::GaveUp(GaveUp::Attempts);
        }
        let busy = matches!(outcome, Outcome::BackPressure(_));
        let own = self.pause(tries, busy, &mut draw);
        let pause = match fault.retry {
            Advice::After(asked) if asked > self.config.retry_after_max => {
                return Again::GaveUp(GaveUp::RetryAfter);
            }
            // Those who were all told the same time must not come back together.
            Advice::After(asked) => asked + own.min(asked / 4).max(Duration::from_millis(1)).mul_f64(draw()),
            _ => own,
        };
        if until.is_some_and(|until| now + pause + minimum >= until) {
            return Again::GaveUp(GaveUp::Deadline);
        }
        if refused {
            // Nobody was asked, so asking again costs nothing.
        } else if let Some(withdrawn) = self.budget.withdraw(busy, now) {
            if self.config.mode == Mode::Shadow {
                self.budget.put_back(withdrawn);
                return Again::Shadow;
            }
            tries.withdrawn = Some(withdrawn);
        } else {
            return Again::GaveUp(GaveUp::Budget);
        }
        tries.made += 1;
        Again::After(pause)
    }

    fn pause(&self, tries: &mut Tries, busy: bool, mut draw: impl FnMut() -> f64) -> Duration {
        let backoff = self.config.backoff;
        let base = if busy { self.config.busy_pause.max(backoff.base) } else { backoff.base };
        let max = backoff.max.max(base);
        let grown = base.saturating_mul(1_u32.checked_shl(tries.made - 1).unwrap_or(u32::MAX)).min(max);
        match backoff.jitter {
            Jitter::None => grown,
            Jitter::Full => grown.mul_f64(draw()),
            Jitter::Decorrelated => {
                let most = tries.pause.max(base).saturating_mul(3).min(max);
                let pause = base + most.saturating_sub(base).mul_f64(draw());
                tries.pause = pause;
                pause
            }
        }
    }
}

/// When an attempt ended, and how much time the call has.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// When it ended.
    pub now: Moment,
    /// By when the call must be answered.
    pub until: Option<Moment>,
    /// No attempt begins with less time left.
    pub minimum: Duration,
    /// A policy of our own did not let it be made.
    pub refused: bool,
}

/// Whether the same call may be made again without doing harm.
pub(crate) fn may_repeat(repeat: Repeat, fault: &Fault, cx: &Context) -> bool {
    !fault.indeterminate
        || match repeat {
            Repeat::Unsent => false,
            Repeat::Keyed => cx.idempotency_key().is_some(),
            Repeat::Idempotent => true,
        }
}
