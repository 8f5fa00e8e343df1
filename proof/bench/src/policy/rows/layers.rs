//! Policies as tower layers before a service that does nothing, all by the machine's clock.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use mamparo_context::Clock;
use mamparo_policy::Outcome;
use mamparo_policy::breaker::{Breaker, BreakerConfig};
use mamparo_policy::bulkhead::{Bulkhead, BulkheadConfig};
use mamparo_policy::layer::PolicyLayer;
use mamparo_policy::rate_limit::{RateLimit, RateLimitConfig};
use mamparo_policy::retry::{Repeat, Retry, RetryConfig, RetryLayer};
use mamparo_policy::stack::{Stack, StackLayer};
use tower::{Layer, Service, ServiceBuilder};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::ratelimiter::RateLimiterLayer;
use tower_resilience::retry as resilience;
use tower_resilience::timelimiter::TimeLimiterLayer;

use super::{Row, Subject, subject};

pub(super) fn rows() -> Vec<Row> {
    vec![breaker(), limiter(), bulkhead(), retry(), stack()]
}

/// The output of a future that waits for nothing but another thread, and for that shortly.
#[inline]
pub(super) fn done<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::hint::spin_loop(),
        }
    }
}

/// Does nothing, and cannot fail.
#[derive(Clone, Debug)]
struct Nothing;

/// An error that any layer can be made into.
#[derive(Clone, Debug)]
struct Never;

impl std::fmt::Display for Never {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("never")
    }
}

impl std::error::Error for Never {}

impl Service<()> for Nothing {
    type Response = ();
    type Error = Never;
    type Future = std::future::Ready<Result<(), Never>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(()))
    }
}

/// Readies a service and calls it, as its users do.
fn called<S>(name: &'static str, service: S) -> Subject
where
    S: Service<()> + Clone + Send + 'static,
    S::Error: std::fmt::Debug,
{
    let mut service = service;
    subject(name, move || {
        done(std::future::poll_fn(|task| service.poll_ready(task))).unwrap();
        done(service.call(())).unwrap();
    })
}

fn good(_: &Result<(), Never>) -> Outcome {
    Outcome::Success
}

fn breaker() -> Row {
    let breaker = Arc::new(Breaker::new(BreakerConfig::default(), Clock::system()).unwrap());
    let own = called("", PolicyLayer::new(breaker, good).layer(Nothing));
    let theirs = CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(100);
    let peers = vec![called("tower-resilience", theirs.build().unwrap().layer(Nothing))];
    Row { what: "breaker as layer", own, peers }
}

/// So many in a second that none is ever refused.
fn plenty() -> RateLimitConfig {
    RateLimitConfig::new(1_000_000_000, Duration::from_secs(1))
}

fn limiter() -> Row {
    let limit = Arc::new(RateLimit::new(plenty(), Clock::system()).unwrap());
    let own = called("", PolicyLayer::new(limit, good).layer(Nothing));
    let theirs = RateLimiterLayer::builder().limit_for_period(1_000_000_000).build().unwrap();
    Row { what: "limiter as layer", own, peers: vec![called("tower-resilience", theirs.layer(Nothing))] }
}

fn bulkhead() -> Row {
    let bulkhead = Arc::new(Bulkhead::new(BulkheadConfig::of(64), Clock::system()).unwrap());
    let own = called("", PolicyLayer::new(bulkhead, good).layer(Nothing));
    let theirs = BulkheadLayer::builder().max_concurrent_calls(64).build().unwrap();
    let peers = vec![
        called("tower-resilience", theirs.layer(Nothing)),
        called("tower ConcurrencyLimit", ServiceBuilder::new().concurrency_limit(64).service(Nothing)),
    ];
    Row { what: "bulkhead as layer", own, peers }
}

/// Retries what failed, out of a budget: as ours does.
#[derive(Clone)]
struct Attempts(Arc<tower::retry::budget::TpsBudget>);

impl tower::retry::Policy<(), (), Never> for Attempts {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, (): &mut (), result: &mut Result<(), Never>) -> Option<Self::Future> {
        use tower::retry::budget::Budget;
        match result {
            Ok(()) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| std::future::ready(())),
        }
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

fn retry() -> Row {
    let config = RetryConfig { repeat: Repeat::Idempotent, ..RetryConfig::default() };
    let retry = Arc::new(Retry::new(config).unwrap());
    let own = called("", RetryLayer::new(retry, Clock::system(), good).layer(Nothing));
    let theirs = resilience::RetryLayer::<(), (), Never>::builder().max_attempts(3).build();
    let tower = tower::retry::RetryLayer::new(Attempts(Arc::default()));
    let peers = vec![
        called("tower-resilience, without a budget", theirs.layer(Nothing)),
        called("tower Retry, TpsBudget", tower.layer(Nothing)),
    ];
    Row { what: "retry as layer", own, peers }
}

fn stack() -> Row {
    let stack = Stack::client("bench")
        .timeout(Default::default())
        .retry(RetryConfig::default())
        .rate_limit(plenty())
        .bulkhead(BulkheadConfig::of(64))
        .breaker(BreakerConfig::default())
        .build()
        .unwrap();
    let own = called("", StackLayer::new(Arc::new(stack), good).layer(Nothing));
    let theirs = ServiceBuilder::new()
        .layer(TimeLimiterLayer::builder().timeout_duration(Duration::from_secs(10)).build())
        .map_err(|_| Never)
        .layer(resilience::RetryLayer::<(), (), Never>::builder().max_attempts(3).build())
        .map_err(|_| Never)
        .layer(RateLimiterLayer::builder().limit_for_period(1_000_000_000).build().unwrap())
        .map_err(|_| Never)
        .layer(BulkheadLayer::builder().max_concurrent_calls(64).build().unwrap())
        .map_err(|_| Never)
        .layer(CircuitBreakerLayer::builder().build().unwrap())
        .service(Nothing);
    let peers = vec![called("tower-resilience", theirs)];
    Row { what: "stack of five as layer", own, peers }
}
