//! What travels with a call or a message through every hop.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::{Clock, Criticality, Deadline, IdempotencyKey, Random, TraceContext};

/// Which try of the same work this is, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The first try.
    pub const FIRST: Attempt = Attempt(NonZeroU32::MIN);

    /// Try number `number`, counted from 1; `None` for 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number of this try, counted from 1.
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The next try.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// On whose behalf the work is done, as proven at the edge. Never read from an untrusted hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// The principal of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What travels with a call or a message through every hop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    deadline: Option<Deadline>,
    criticality: Criticality,
    attempt: Attempt,
    trace: TraceContext,
    idempotency_key: Option<IdempotencyKey>,
    principal: Option<Principal>,
}

impl Context {
    /// A context in which a new trace begins, without a deadline.
    pub fn root() -> Self {
        Self::from_trace(TraceContext::root(&Random::system(), true))
    }

    /// A context that continues `trace`, without a deadline.
    pub fn from_trace(trace: TraceContext) -> Self {
        Self {
            deadline: None,
            criticality: Criticality::default(),
            attempt: Attempt::FIRST,
            trace,
            idempotency_key: None,
            principal: None,
        }
    }

    /// The same context with the earlier of its own deadline and the one `timeout` from now: a deadline is
    /// inherited, never extended.
    #[must_use]
    pub fn with_timeout(self, clock: &Clock, timeout: Duration) -> Self {
        match clock.now().checked_add(timeout) {
            Some(at) => self.with_deadline(Deadline::at(at)),
            None => self,
        }
    }

    /// The same context with the earlier of its own deadline and `deadline`.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |own| own.min(deadline)));
        self
    }

    /// The same context with another criticality.
    #[must_use]
    pub fn with_criticality(mut self, criticality: Criticality) -> Self {
        self.criticality = criticality;
        self
    }

    /// The same context with another attempt number.
    #[must_use]
    pub fn with_attempt(mut self, attempt: Attempt) -> Self {
        self.attempt = attempt;
        self
    }

    /// The same context in another trace or span.
    #[must_use]
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        self.trace = trace;
        self
    }

    /// The same context under an idempotency key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// The same context on behalf of `principal`.
    #[must_use]
    pub fn with_principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// The moment after which nobody waits any more.
    pub const fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// What is left of the deadline; `None` without one, zero once it has passed.
    pub fn remaining(&self, clock: &Clock) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.remaining(clock.now()))
    }

    /// How much it matters that this is done now.
    pub const fn criticality(&self) -> Criticality {
        self.criticality
    }

    /// Which try of the same work this is.
    pub const fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The trace it belongs to.
    pub const fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// The key under which it takes effect at most once.
    pub const fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    /// On whose behalf it is done.
    pub const fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_inherited_and_never_extended() {
        let (clock, manual) = Clock::manual();
        let cx = Context::root().with_timeout(&clock, Duration::from_secs(2));
        let longer = cx.clone().with_timeout(&clock, Duration::from_secs(9));
        let shorter = cx.clone().with_timeout(&clock, Duration::from_secs(1));
        assert_eq!(longer.deadline(), cx.deadline());
        assert!(shorter.deadline() < cx.deadline());
        manual.advance(Duration::from_secs(3));
        assert_eq!(cx.remaining(&clock), Some(Duration::ZERO));
        assert_eq!(cx.clone().with_timeout(&clock, Duration::MAX).deadline(), cx.deadline());
    }
}
