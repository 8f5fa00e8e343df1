//! Decides what becomes of a message whose handler failed. No clock, randomness or I/O.

use std::time::Duration;

use mamparo_context::Retry;
use mamparo_ledger::Error;

use crate::limits::LEDGER_PAUSE;
use crate::{Options, Reject, chain};

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was applied, now or before.
    Done,
    /// It is tried again, not before this time has passed.
    Again {
        /// How long to wait.
        after: Duration,
        /// Why it failed.
        error: String,
    },
    /// It is a dead letter.
    Dead {
        /// Why: the error and its causes.
        error: String,
    },
    /// It is not the message that fails but the ledger: everything is given back, and nothing is leased for a
    /// while. Counts as no attempt.
    Pause {
        /// For how long.
        after: Duration,
    },
}

/// Judges a failed attempt, number `attempt` (from 1); `unit` in `0.0..1.0` is the jitter.
///
/// - The ledger is busy, full or away, or did not confirm the commit: [`Verdict::Pause`].
/// - [`Reject`], data that cannot be read as JSON, and whatever [`Error::fault`] calls permanent: dead.
/// - Any other error of the application: nobody said that it is permanent, so it is tried again.
/// - The attempts are used up: dead.
pub fn judge(error: &Error, attempt: u32, options: &Options, unit: f64) -> Verdict {
    let fault = error.fault();
    let asked = match fault.retry {
        Retry::After(after) => after,
        Retry::Now | Retry::Never => Duration::ZERO,
    };
    if let Error::Busy { .. } | Error::DiskFull | Error::Unavailable(_) | Error::Indeterminate(_) = error {
        return Verdict::Pause { after: asked.max(LEDGER_PAUSE) };
    }
    let permanent = match error {
        Error::App(own) => own.is::<Reject>() || own.is::<serde_json::Error>(),
        _ => !fault.is_transient(),
    };
    if permanent {
        return Verdict::Dead { error: chain(error) };
    }
    if attempt >= options.attempts_max {
        return Verdict::Dead { error: format!("{} (after {attempt} attempts)", chain(error)) };
    }
    Verdict::Again { after: pause(options, attempt, unit).max(asked), error: chain(error) }
}

/// Full jitter: from zero to the bound, which doubles with every attempt.
fn pause(options: &Options, attempt: u32, unit: f64) -> Duration {
    let bound = options.backoff.saturating_mul(1_u32 << attempt.saturating_sub(1).min(20));
    bound.min(options.backoff_max).mul_f64(unit.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            attempts_max: 3,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_millis(350),
            ..Options::default()
        }
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Done => "done",
            Verdict::Again { .. } => "again",
            Verdict::Dead { .. } => "dead",
            Verdict::Pause { .. } => "pause",
        }
    }

    #[test]
    fn failures_are_told_apart() {
        let parse = serde_json::from_str::<u32>("x").unwrap_err();
        let busy = Error::Busy { retry_after: Duration::from_millis(1) };
        for (error, attempt, expected) in [
            (Error::app("shop closed"), 1, "again"),
            (Error::app("shop closed"), 3, "dead"),
            (Error::Aborted("rolled back".into()), 2, "again"),
            (Error::Aborted("rolled back".into()), 3, "dead"),
            (Reject::new("no such product").into(), 1, "dead"),
            (Error::app(parse), 1, "dead"),
            (Error::Panicked("index".into()), 1, "dead"),
            (Error::ForeignAwait, 1, "dead"),
            (Error::Constraint { message: "unique".into() }, 1, "dead"),
            (Error::DeadlinePassed, 1, "dead"),
            (busy, 99, "pause"),
            (Error::DiskFull, 99, "pause"),
            (Error::Unavailable("closed".into()), 99, "pause"),
            (Error::Indeterminate("closed".into()), 99, "pause"),
        ] {
            let verdict = judge(&error, attempt, &options(), 0.5);
            assert_eq!(word(&verdict), expected, "{error} at attempt {attempt}");
        }
    }

    #[test]
    fn pauses_double_up_to_their_bound_with_full_jitter() {
        for (attempt, unit, millis) in
            [(1, 1.0, 100), (2, 1.0, 200), (3, 1.0, 350), (99, 0.5, 175), (2, 0.0, 0)]
        {
            assert_eq!(pause(&options(), attempt, unit), Duration::from_millis(millis), "{attempt} {unit}");
        }
    }

    #[test]
    fn a_dead_letter_says_how_often_it_was_tried() {
        let verdict = judge(&Error::app("shop closed"), 3, &options(), 0.0);
        assert_eq!(verdict, Verdict::Dead { error: "shop closed (after 3 attempts)".into() });
    }
}
