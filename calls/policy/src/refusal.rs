//! That a policy did not let a call happen, and why: the call was never sent.

use std::fmt;
use std::time::Duration;

use mamparo_context::{Fault, Origin, Retry};

use crate::ToFault;

/// Which policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Deadline and timeout.
    Timeout,
    /// Retry, and its budget.
    Retry,
    /// Hedge.
    Hedge,
    /// Circuit breaker.
    Breaker,
    /// Bulkhead.
    Bulkhead,
    /// Rate limit.
    RateLimit,
    /// Load shedding.
    Shed,
    /// Adaptive concurrency limit.
    Adaptive,
    /// Throttling by the client itself.
    Throttle,
    /// Injected faults.
    FaultInjection,
    /// The lane that a call runs on.
    Lane,
}

impl Policy {
    /// As it stands in files, metrics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
            Self::Breaker => "breaker",
            Self::Bulkhead => "bulkhead",
            Self::RateLimit => "rate-limit",
            Self::Shed => "shed",
            Self::Adaptive => "adaptive",
            Self::Throttle => "throttle",
            Self::FaultInjection => "fault-injection",
            Self::Lane => "lane",
        }
    }
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody waits for the answer any more.
    DeadlinePassed,
    /// Less time is left than an attempt takes at the least.
    TooLittleTime,
    /// The wait would outlast the deadline.
    WaitTooLong,
    /// As many wait already as may.
    QueueFull,
    /// It waited for as long as it may.
    WaitedTooLong,
    /// The breaker is open.
    Open,
    /// The breaker is half-open, and as many probes as may are under way.
    Probing,
    /// A person has opened the breaker.
    ForcedOpen,
    /// A person has taken the dependency out of use.
    Isolated,
    /// More than the quota in this time.
    OverQuota,
    /// It costs more than the quota ever holds at once.
    TooCostly,
    /// What the nodes share cannot be reached, and the rule for that is to refuse.
    StoreDown,
    /// There is too much to do, and this matters least.
    Overloaded,
    /// The dependency refuses most of what it is asked; this share is not even sent.
    Throttled,
    /// A fault was injected.
    Injected,
    /// It is being shut down.
    Closed,
}

impl Reason {
    /// As it stands in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeadlinePassed => "deadline-passed",
            Self::TooLittleTime => "too-little-time",
            Self::WaitTooLong => "wait-too-long",
            Self::QueueFull => "queue-full",
            Self::WaitedTooLong => "waited-too-long",
            Self::Open => "open",
            Self::Probing => "probing",
            Self::ForcedOpen => "forced-open",
            Self::Isolated => "isolated",
            Self::OverQuota => "over-quota",
            Self::TooCostly => "too-costly",
            Self::StoreDown => "store-down",
            Self::Overloaded => "overloaded",
            Self::Throttled => "throttled",
            Self::Injected => "injected",
            Self::Closed => "closed",
        }
    }
}

/// A policy did not let a call happen. The call was never sent, so sending it again is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which policy.
    pub policy: Policy,
    /// Why.
    pub reason: Reason,
    /// After which time it may go better; `None` when nobody knows.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Refused by `policy`; nobody knows for how long.
    pub const fn new(policy: Policy, reason: Reason) -> Self {
        Self { policy, reason, retry_after: None }
    }

    /// The same refusal, to be tried again not before `after` has passed.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by {}: {}", self.policy.as_str(), self.reason.as_str())?;
        match self.retry_after {
            Some(after) => write!(f, ", try again after {after:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

impl ToFault for Refusal {
    fn fault(&self) -> Fault {
        let retry = match (self.reason, self.retry_after) {
            (
                Reason::DeadlinePassed
                | Reason::TooLittleTime
                | Reason::WaitTooLong
                | Reason::TooCostly
                | Reason::Isolated
                | Reason::Closed,
                _,
            ) => Retry::Never,
            (_, Some(after)) => Retry::After(after),
            (_, None) => Retry::Now,
        };
        Fault { origin: Origin::Internal, retry, indeterminate: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_well_and_was_never_sent() {
        let open = Refusal::new(Policy::Breaker, Reason::Open).retry_after(Duration::from_millis(250));
        assert_eq!(open.to_string(), "refused by breaker: open, try again after 250ms");
        assert_eq!(open.fault().retry, Retry::After(Duration::from_millis(250)));
        assert!(!open.fault().indeterminate);
        let late = Refusal::new(Policy::Timeout, Reason::DeadlinePassed);
        assert_eq!(late.fault().retry, Retry::Never);
    }
}
