//! Fallback: another answer in place of a failure, where one is better than none.
#![doc = include_str!("../../../docs/policies/fallback.md")]

use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Mode;
use crate::stack::{CallError, Cause};

/// Which failures another answer stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FallbackConfig {
    /// Whether it acts. In the mode `shadow` the failure stays, and is counted.
    pub mode: Mode,
    /// A policy refused the call.
    pub refused: bool,
    /// The time was over.
    pub timed_out: bool,
    /// It was made, and failed in a way that is not the caller's fault.
    pub failed: bool,
}

impl Default for FallbackConfig {
    fn default() -> Self {
        Self { mode: Mode::Enforce, refused: true, timed_out: true, failed: true }
    }
}

/// Puts another answer in place of a failure. It is outermost: what it sees is what the caller would have seen.
#[derive(Debug)]
pub struct Fallback {
    config: FallbackConfig,
    used: AtomicU64,
    shadow_used: AtomicU64,
}

impl Fallback {
    /// For these failures.
    pub const fn new(config: FallbackConfig) -> Self {
        Self { config, used: AtomicU64::new(0), shadow_used: AtomicU64::new(0) }
    }

    /// How often another answer was given.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How often another answer would have been given, had it been enforced.
    pub fn shadow_used(&self) -> u64 {
        self.shadow_used.load(Ordering::Relaxed)
    }

    /// The result, or `other` in place of a failure that it stands in for. A request that is wrong in itself stays
    /// wrong: another answer would hide it.
    ///
    /// # Errors
    /// The failures that it does not stand in for.
    pub fn apply<T, E: crate::ToFault>(
        &self,
        result: Result<T, CallError<E>>,
        other: impl FnOnce(&CallError<E>) -> T,
    ) -> Result<T, CallError<E>> {
        let error = match result {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match self.config.mode {
            Mode::Enforce if self.stands_in_for(&error) => {
                self.used.fetch_add(1, Ordering::Relaxed);
                Ok(other(&error))
            }
            Mode::Shadow if self.stands_in_for(&error) => {
                self.shadow_used.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
            _ => Err(error),
        }
    }

    fn stands_in_for<E: crate::ToFault>(&self, error: &CallError<E>) -> bool {
        match &error.cause {
            Cause::Refused(_) => self.config.refused,
            Cause::TimedOut { .. } => self.config.timed_out,
            Cause::Injected { .. } => self.config.failed,
            Cause::Failed(error) => {
                self.config.failed && error.fault().origin != mamparo_context::Origin::Caller
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mamparo_context::Fault;

    use super::*;
    use crate::{Policy, Reason, Refusal, ToFault};

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Failed(Fault);

    impl ToFault for Failed {
        fn fault(&self) -> Fault {
            self.0
        }
    }

    #[test]
    fn it_stands_in_for_what_it_was_told_and_never_for_a_wrong_request() {
        let plain = |cause: Cause<Failed>| cause.given_up(None);
        let refused = plain(Refusal::new(Policy::Breaker, Reason::Open).into());
        let late = plain(Cause::TimedOut { after: Duration::ZERO, whole: true });
        let failed = |fault| plain(Cause::Failed(Failed(fault)));
        let all = FallbackConfig::default();
        for (config, error, stands_in) in [
            (all, refused, true),
            (FallbackConfig { refused: false, ..all }, refused, false),
            (all, late, true),
            (FallbackConfig { timed_out: false, ..all }, late, false),
            (all, failed(Fault::upstream()), true),
            (FallbackConfig { failed: false, ..all }, failed(Fault::upstream()), false),
            (all, failed(Fault::caller()), false),
            (FallbackConfig { mode: Mode::Shadow, ..all }, refused, false),
        ] {
            let fallback = Fallback::new(config);
            let result = fallback.apply(Err::<u8, _>(error), |_| 7);
            assert_eq!(result.is_ok(), stands_in, "{error:?}");
            assert_eq!(fallback.used(), u64::from(stands_in));
            assert_eq!(fallback.shadow_used(), u64::from(config.mode == Mode::Shadow));
        }
    }
}
