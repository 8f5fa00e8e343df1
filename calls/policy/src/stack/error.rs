//! Why a call through a stack has no answer.

use std::time::Duration;

use mamparo_context::{Fault, Retry};

use crate::retry::GaveUp;
use crate::{Refusal, ToFault};

/// Why a call through a stack has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}{}", given_up.map_or("", told))]
pub struct CallError<E> {
    /// What the last attempt came to.
    #[source]
    pub cause: Cause<E>,
    /// Why it was not made again, where that might have helped.
    pub given_up: Option<GaveUp>,
    /// Whether any attempt, the last one or one before it, may have taken effect although nobody was answered. A
    /// last attempt that was certainly refused says nothing about those before it.
    pub indeterminate: bool,
}

/// What an attempt came to that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause<E> {
    /// A policy did not let it be made.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The time was over; nobody knows whether it took effect.
    #[error("not answered within {after:?}")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
        /// The time of the whole call was over, not that of one attempt.
        whole: bool,
    },
    /// A fault was injected.
    #[error("a fault was injected")]
    Injected {
        /// Whether the call was made, and its answer thrown away.
        sent: bool,
    },
    /// It was made, and failed.
    #[error("{0}")]
    Failed(E),
}

fn told(given_up: GaveUp) -> &'static str {
    match given_up {
        GaveUp::Attempts => " (and the attempts are used up)",
        GaveUp::Budget => " (and the retry budget is spent)",
        GaveUp::Deadline => " (and there is no time for another attempt)",
        GaveUp::RetryAfter => " (and it asks to be left alone for longer than anybody waits)",
    }
}

impl<E> Cause<E> {
    /// As an error of a call that might have been made again but for `given_up`.
    pub(crate) const fn given_up(self, given_up: Option<GaveUp>) -> CallError<E> {
        CallError { cause: self, given_up, indeterminate: false }
    }
}

impl<E> Cause<E> {
    /// What it means, where it did not come from whoever was called.
    pub fn own_fault(&self) -> Option<Fault> {
        match self {
            Self::Refused(refusal) => Some(refusal.fault()),
            Self::TimedOut { .. } | Self::Injected { sent: true } => Some(Fault::upstream().indeterminate()),
            Self::Injected { sent: false } => Some(Fault::upstream()),
            Self::Failed(_) => None,
        }
    }
}

impl<E: ToFault> ToFault for Cause<E> {
    fn fault(&self) -> Fault {
        match self {
            Self::Failed(error) => error.fault(),
            own => own.own_fault().unwrap_or(Fault::internal()),
        }
    }
}

impl<E: ToFault> ToFault for CallError<E> {
    /// What has been given up here is not to be repeated by anybody above: layers of retries would multiply.
    fn fault(&self) -> Fault {
        let mut fault = self.cause.fault();
        fault.indeterminate |= self.indeterminate;
        match self.given_up {
            Some(_) => Fault { retry: Retry::Never, ..fault },
            None => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Policy, Reason};

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("no answer")]
    struct NoAnswer;

    impl ToFault for NoAnswer {
        fn fault(&self) -> Fault {
            Fault::upstream().indeterminate()
        }
    }

    #[test]
    fn it_reads_well_and_says_what_it_means() {
        let failed = Cause::Failed(NoAnswer);
        let error = failed.given_up(Some(GaveUp::Budget));
        assert_eq!(error.to_string(), "no answer (and the retry budget is spent)");
        assert_eq!(error.fault(), Fault { retry: Retry::Never, ..NoAnswer.fault() });
        let error = Cause::Failed(NoAnswer).given_up(None);
        assert_eq!((error.to_string().as_str(), error.fault()), ("no answer", NoAnswer.fault()));
        let refused: Cause<NoAnswer> = Refusal::new(Policy::Bulkhead, Reason::QueueFull).into();
        assert_eq!(refused.given_up(None).to_string(), "refused by bulkhead: queue-full");
        let late: Cause<NoAnswer> = Cause::TimedOut { after: Duration::from_millis(300), whole: false };
        assert_eq!(late.to_string(), "not answered within 300ms");
        assert!(late.fault().indeterminate && late.fault().is_transient());
    }
}
