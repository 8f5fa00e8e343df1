//! The stack: policies around a call, in the one safe order, as one value and one future.
#![doc = include_str!("../../../docs/policies/stack.md")]

mod attempt;
mod builder;
mod config;
mod counts;
mod describe;
mod error;
mod execution;
mod layer;
mod parts;
mod permit;
mod serve;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use builder::{ClientBuilder, GatewayBuilder, ServerBuilder};
pub use config::{AdmissionConfig, ClientConfig, InvalidStack, ServerConfig};
pub use counts::StackCounted;
use counts::StackCounts;
pub use error::{CallError, Cause};
pub use execution::Execution;
pub use layer::{StackLayer, StackService};
use mamparo_context::{Clock, Context, Moment};
use parts::Parts;
pub use permit::{Entering, StackPermit};
pub use serve::{ServeFuture, ServeLayer, ServeService, Serving};

use crate::draw::Draw;
use crate::fault_injection::FaultInjection;
use crate::hedge::Hedge;
use crate::retry::{Again, End, Retry, Tries};
use crate::sync::{Mutex, lock};
use crate::timeout::TimeoutConfig;
use crate::{Classify, Outcome, ToFault};

/// Policies around the calls of one target, or around the requests that a server takes. Share it in an [`Arc`]:
/// breaker, limits and budget are those of all calls that go through it.
#[derive(Debug)]
pub struct Stack {
    name: Arc<str>,
    side: Side,
    clock: Clock,
    timeout: TimeoutConfig,
    parts: Parts,
    repeats: Repeats,
    faults: Option<Arc<FaultInjection>>,
    counts: Arc<StackCounts>,
    draw: Mutex<Draw>,
}

/// A call whose error says what it means.
pub type PlainExecution<'s, O, F, T, E> = Execution<&'s Stack, O, F, fn(&Result<T, E>) -> Outcome>;

/// Whose calls they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
    Gateway,
}

/// How a call is made more than once.
#[derive(Clone, Debug)]
enum Repeats {
    None,
    Retry(Arc<Retry>),
    Hedge(Arc<Hedge>),
}

impl Stack {
    /// Policies around the calls of `target`.
    pub fn client(target: &str) -> ClientBuilder {
        ClientBuilder::new(target)
    }

    /// Policies around the requests that `service` takes.
    pub fn server(service: &str) -> ServerBuilder {
        ServerBuilder::new(service)
    }

    /// Policies around the requests that `route` passes on. Whoever does so takes them [through](Self::enter).
    pub fn gateway(route: &str) -> GatewayBuilder {
        GatewayBuilder::new(route)
    }

    /// Whose calls go through it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes one call. `op` is asked for each attempt and is handed its context: the number of the attempt, and by
    /// when it must be answered; both are to be sent on.
    ///
    /// Dropped, it drops the attempt that is under way; what became of it nobody knows.
    ///
    /// # Errors
    /// [`CallError`]: refused, too late, or failed.
    pub fn call<O, F, T, E>(&self, cx: &Context, op: O) -> PlainExecution<'_, O, F, T, E>
    where
        O: FnMut(Context) -> F,
        F: Future<Output = Result<T, E>>,
        E: ToFault,
    {
        Execution::new(self, cx.clone(), op, Outcome::of)
    }

    /// As [`call`](Self::call), where `classify` says what a result means: an answer can be a failure, too.
    ///
    /// # Errors
    /// As [`call`](Self::call); an answer that means a failure, and is not made again, is no error but that answer.
    pub fn call_with<O, F, T, E, C>(&self, cx: &Context, classify: C, op: O) -> Execution<&Self, O, F, C>
    where
        O: FnMut(Context) -> F,
        F: Future<Output = Result<T, E>>,
        C: Classify<Result<T, E>>,
    {
        Execution::new(self, cx.clone(), op, classify)
    }

    /// As [`call_with`](Self::call_with), for a call that may outlive the borrow, such as one on a task of its own.
    ///
    /// # Errors
    /// As [`call_with`](Self::call_with).
    pub fn call_owned<O, F, T, E, C>(
        self: &Arc<Self>,
        cx: Context,
        classify: C,
        op: O,
    ) -> Execution<Arc<Self>, O, F, C>
    where
        O: FnMut(Context) -> F,
        F: Future<Output = Result<T, E>>,
        C: Classify<Result<T, E>>,
    {
        Execution::new(Arc::clone(self), cx, op, classify)
    }

    /// The breaker, to look at or to force.
    pub fn breaker(&self) -> Option<&Arc<crate::breaker::Breaker>> {
        self.parts.breaker.as_ref()
    }

    /// The bulkhead, to look at.
    pub fn bulkhead(&self) -> Option<&Arc<crate::bulkhead::Bulkhead>> {
        self.parts.bulkhead.as_ref()
    }

    /// The rate limit, to look at.
    pub fn rate_limit(&self) -> Option<&Arc<crate::rate_limit::RateLimit>> {
        self.parts.rate_limit.as_ref()
    }

    /// The throttle, to look at.
    pub fn throttle(&self) -> Option<&Arc<crate::throttle::Throttle>> {
        self.parts.throttle.as_ref()
    }

    /// The adaptive limit, to look at.
    pub fn adaptive(&self) -> Option<&Arc<crate::adaptive::AdaptiveLimit>> {
        self.parts.adaptive.as_ref()
    }

    /// The shedder, to look at, and to exempt calls.
    pub fn shedder(&self) -> Option<&Arc<crate::shed::Shedder>> {
        self.parts.shed.as_ref()
    }

    /// The retry, with its budget.
    pub fn retry(&self) -> Option<&Retry> {
        match &self.repeats {
            Repeats::Retry(retry) => Some(retry),
            _ => None,
        }
    }

    /// The hedge, with its budget and its delay.
    pub fn hedge(&self) -> Option<&Hedge> {
        match &self.repeats {
            Repeats::Hedge(hedge) => Some(hedge),
            _ => None,
        }
    }

    /// The faults on purpose, to look at.
    pub fn faults(&self) -> Option<&FaultInjection> {
        self.faults.as_deref()
    }

    /// What it has done.
    pub fn counted(&self) -> StackCounted {
        self.counts.read()
    }

    /// What each of its admission policies has done, by name, in their order.
    pub fn counted_by_policy(&self) -> Vec<(&'static str, crate::Counted)> {
        self.parts.counted()
    }

    /// The same policies, with what they know, around the calls of one endpoint: it has a breaker and a count of its
    /// own, and shares all else.
    ///
    /// Cost: a few reference counts; keep what you get.
    #[must_use]
    pub fn with_breaker(&self, breaker: Arc<crate::breaker::Breaker>) -> Self {
        let mut stack = self.again();
        stack.parts.breaker = Some(breaker);
        stack
    }

    /// Its hedge, with what that knows, and none of its other policies: for whoever takes calls through those
    /// [in a way of its own](Self::enter). What it does counts here.
    #[must_use]
    pub fn hedge_alone(&self) -> Option<Self> {
        self.hedge()?;
        Some(Self { parts: Parts::default(), faults: None, timeout: TimeoutConfig::NONE, ..self.again() })
    }

    fn again(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            side: self.side,
            clock: self.clock.clone(),
            timeout: self.timeout,
            parts: self.parts.clone(),
            repeats: self.repeats.clone(),
            faults: self.faults.clone(),
            counts: Arc::clone(&self.counts),
            draw: Mutex::new(Draw::new(lock(&self.draw).number())),
        }
    }

    /// Whether anybody looks at the time of a call that went well.
    #[inline]
    fn times_success(&self) -> bool {
        matches!(self.repeats, Repeats::Hedge(_)) || self.parts.times_success()
    }

    /// When an attempt that came to `outcome` has ended; `otherwise` if nobody looks at that time.
    #[inline]
    fn ended_at(&self, outcome: &Outcome, otherwise: Moment) -> Moment {
        let timed = *outcome != Outcome::Success || self.times_success();
        if timed { self.clock.moment() } else { otherwise }
    }

    #[inline]
    fn next(&self, retry: &Retry, tries: &mut Tries, outcome: &Outcome, cx: &Context, end: End) -> Again {
        retry.next(tries, outcome, cx, end, || lock(&self.draw).unit())
    }
}
