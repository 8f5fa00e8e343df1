//! Policies alone, with the time passed in.

use std::sync::Arc;
use std::time::Duration;

use failsafe::{CircuitBreaker as _, backoff, failure_policy};
use mamparo_context::{Clock, Context, Fault, Moment};
use mamparo_policy::breaker::{Breaker, BreakerConfig, WindowConfig};
use mamparo_policy::bulkhead::{Bulkhead, BulkheadConfig};
use mamparo_policy::rate_limit::{RateLimit, RateLimitConfig};
use mamparo_policy::retry::{End, Retry, RetryConfig, Tries};
use mamparo_policy::stack::Stack;
use mamparo_policy::{Admission, Admit, Outcome};

use super::layers::done;
use super::{Row, subject};

pub(super) fn rows() -> Vec<Row> {
    vec![clock(), rate_breaker(), count_breaker(), open_breaker(), limiter(), bulkhead(), retry(), stack()]
}

fn clock() -> Row {
    let clock = Clock::system();
    let own = subject("", move || _ = std::hint::black_box(clock.moment()));
    let std_clock = Clock::system();
    let peers = vec![subject("std::time::Instant::now", move || _ = std::hint::black_box(std_clock.now()))];
    Row { what: "reading the clock", own, peers }
}

fn now() -> Moment {
    Clock::manual().0.moment()
}

/// A breaker of ours under `config`, and one of failsafe that decides by the same.
fn breaker(what: &'static str, config: BreakerConfig, theirs: impl FnMut() + Clone + Send + 'static) -> Row {
    let clock = Clock::manual().0;
    let (breaker, cx) = (Arc::new(Breaker::new(config, clock).unwrap()), Context::root());
    let own = subject("", move || match breaker.acquire(&cx, now_of(&*breaker)) {
        Admit::Admit(pass) => breaker.record(pass, &Outcome::Success, now_of(&*breaker)),
        _ => unreachable!("it is closed"),
    });
    Row { what, own, peers: vec![subject("failsafe", theirs)] }
}

fn rate_breaker() -> Row {
    let window = WindowConfig::Time(Duration::from_secs(10));
    let config = BreakerConfig { window, ..BreakerConfig::default() };
    let pause = backoff::constant(Duration::from_secs(1));
    let policy = failure_policy::success_rate_over_time_window(0.5, 20, Duration::from_secs(10), pause);
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    breaker("breaker, rate over 10 s", config, move || failsafe.call(|| Ok::<_, ()>(())).unwrap())
}

fn count_breaker() -> Row {
    let config =
        BreakerConfig { consecutive_failures: Some(5), failure_percent: None, ..BreakerConfig::default() };
    let policy = failure_policy::consecutive_failures(5, backoff::constant(Duration::from_secs(1)));
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    breaker("breaker, failures in a row", config, move || failsafe.call(|| Ok::<_, ()>(())).unwrap())
}

#[inline]
fn now_of(policy: &impl Admission) -> Moment {
    policy.clock().moment()
}

fn open_breaker() -> Row {
    let clock = Clock::manual().0;
    let (breaker, cx) = (Arc::new(Breaker::new(BreakerConfig::default(), clock).unwrap()), Context::root());
    for _ in 0..20 {
        let Admit::Admit(pass) = breaker.acquire(&cx, now()) else { continue };
        breaker.record(pass, &Outcome::Failure(Fault::upstream()), now());
    }
    let at = now();
    let own = subject("", move || match breaker.acquire(&cx, at) {
        Admit::Refuse(refusal) => _ = std::hint::black_box(refusal),
        _ => unreachable!("it is open"),
    });
    let failsafe = failsafe::Config::new()
        .failure_policy(failure_policy::consecutive_failures(
            1,
            backoff::constant(Duration::from_secs(3_600)),
        ))
        .build();
    _ = failsafe.call(|| Err::<(), _>(()));
    let peers = vec![subject("failsafe", move || {
        _ = std::hint::black_box(failsafe.call(|| Ok::<_, ()>(())).is_err());
    })];
    Row { what: "breaker, open: refused", own, peers }
}

/// So many in a second that none is ever refused.
fn plenty() -> RateLimitConfig {
    RateLimitConfig { burst: Some(u32::MAX), ..RateLimitConfig::new(1_000_000_000, Duration::from_secs(1)) }
}

fn limiter() -> Row {
    let clock = Clock::manual().0;
    let (limit, cx) = (Arc::new(RateLimit::new(plenty(), clock).unwrap()), Context::root());
    let at = now();
    let own = subject("", move || match limit.acquire(&cx, at) {
        Admit::Admit(pass) => limit.record(pass, &Outcome::Success, at),
        _ => unreachable!("there are plenty"),
    });
    let second = std::num::NonZeroU32::new(1_000_000_000).unwrap();
    let quota = governor::Quota::per_second(second).allow_burst(std::num::NonZeroU32::MAX);
    let fake = governor::clock::FakeRelativeClock::default();
    let faked = Arc::new(governor::RateLimiter::direct_with_clock(quota, fake));
    let real = Arc::new(governor::RateLimiter::direct(quota));
    let peers = vec![
        subject("governor, a clock that is moved by hand", move || faked.check().unwrap()),
        subject("governor, its own clock (time stamp counter)", move || real.check().unwrap()),
    ];
    Row { what: "limiter", own, peers }
}

fn bulkhead() -> Row {
    let clock = Clock::manual().0;
    let (bulkhead, cx) = (Arc::new(Bulkhead::new(BulkheadConfig::of(64), clock).unwrap()), Context::root());
    let at = now();
    let own = subject("", move || match bulkhead.acquire(&cx, at) {
        Admit::Admit(pass) => bulkhead.record(pass, &Outcome::Success, at),
        _ => unreachable!("there is room"),
    });
    let semaphore = Arc::new(tokio::sync::Semaphore::new(64));
    let peers = vec![subject("tokio::sync::Semaphore", move || drop(semaphore.try_acquire().unwrap()))];
    Row { what: "bulkhead", own, peers }
}

fn retry() -> Row {
    let retry = Arc::new(Retry::new(RetryConfig::default()).unwrap());
    let cx = Context::root();
    let end = End { now: now(), until: None, minimum: Duration::ZERO, refused: false };
    let own = subject("", move || {
        let mut tries = std::hint::black_box(Tries::default());
        _ = std::hint::black_box(retry.next(&mut tries, &Outcome::Success, &cx, end, || 0.5));
    });
    Row { what: "retry, without failure", own, peers: Vec::new() }
}

fn stack() -> Row {
    let clock = Clock::manual().0;
    let stack = Stack::client("bench")
        .clock(clock)
        .timeout(Default::default())
        .retry(RetryConfig::default())
        .rate_limit(plenty())
        .bulkhead(BulkheadConfig::of(64))
        .breaker(BreakerConfig::default())
        .build()
        .unwrap();
    let (stack, cx) = (Arc::new(stack), Context::root());
    let own = subject("", move || {
        done(stack.call(&cx, |_| std::future::ready(Ok::<_, std::convert::Infallible>(())))).unwrap();
    });
    Row { what: "stack of five", own, peers: Vec::new() }
}
