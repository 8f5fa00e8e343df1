//! An adaptive limit as a library call: its line, what it counts, and what is no sample.
#![cfg(not(feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use mamparo_context::{Clock, Context, Criticality, Fault, ManualClock, Random};
use mamparo_policy::adaptive::{AdaptiveConfig, AdaptiveLimit};
use mamparo_policy::shed::LineConfig;
use mamparo_policy::{Admission, Mode, Outcome, Policy, Reason};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn limit(config: AdaptiveConfig) -> (Arc<AdaptiveLimit>, Clock, ManualClock) {
    let (clock, hand) = Clock::manual();
    let limit = AdaptiveLimit::new(config, clock.clone(), Random::seeded(1)).unwrap();
    (Arc::new(limit), clock, hand)
}

fn two() -> AdaptiveConfig {
    AdaptiveConfig { initial: 2, min: 1, min_samples: 1, ..AdaptiveConfig::default() }
}

fn two_with_a_line() -> AdaptiveConfig {
    let line = LineConfig { capacity: 3, ..LineConfig::default() };
    AdaptiveConfig { line: Some(line), ..two() }
}

#[tokio::test]
async fn what_is_above_the_limit_is_refused_and_told_when_to_come_again() {
    let (limit, clock, _hand) = limit(two());
    let cx = Context::root();
    let first = limit.try_enter(&cx, clock.moment()).unwrap();
    let _second = limit.try_enter(&cx, clock.moment()).unwrap();
    let refusal = limit.try_enter(&cx, clock.moment()).unwrap_err();
    assert_eq!((refusal.policy, refusal.reason), (Policy::Adaptive, Reason::Overloaded));
    let after = refusal.retry_after.unwrap();
    assert!((MS(500)..=MS(1_500)).contains(&after), "{after:?}");
    drop(first);
    assert!(limit.try_enter(&cx, clock.moment()).is_ok());
    let counted = limit.counts().read();
    assert_eq!((counted.admitted, counted.refused), (3, 1));
}

#[tokio::test]
async fn the_line_lets_the_highest_class_go_first() {
    let (limit, clock, _hand) = limit(two_with_a_line());
    let held = [(); 2].map(|()| limit.try_enter(&Context::root(), clock.moment()).unwrap());
    let (done, mut order) = tokio::sync::mpsc::unbounded_channel();
    for class in [Criticality::Sheddable, Criticality::CriticalPlus, Criticality::Critical] {
        let (limit, done) = (Arc::clone(&limit), done.clone());
        tokio::spawn(async move {
            let cx = Context::root().with_criticality(class);
            let permit = limit.enter(&cx).await.unwrap();
            done.send(class).unwrap();
            drop(permit);
        });
        tokio::task::yield_now().await;
    }
    assert_eq!(limit.state().waiting, 3);
    drop(held);
    for class in [Criticality::CriticalPlus, Criticality::Critical, Criticality::Sheddable] {
        assert_eq!(order.recv().await, Some(class));
    }
    tokio::task::yield_now().await;
    assert_eq!((limit.state().in_flight, limit.state().waiting), (0, 0));
}

#[tokio::test]
async fn a_wait_ends_with_the_longest_wait_or_the_deadline() {
    let (limit, clock, hand) = limit(two_with_a_line());
    let _held = [(); 2].map(|()| limit.try_enter(&Context::root(), clock.moment()).unwrap());
    for (timeout, wait, reason) in
        [(MS(5_000), MS(100), Reason::WaitedTooLong), (MS(30), MS(30), Reason::DeadlinePassed)]
    {
        let (own, at) = (Arc::clone(&limit), clock.clone());
        let waits = tokio::spawn(async move {
            let cx = Context::root().with_timeout(&at, timeout);
            own.enter(&cx).await.map(drop)
        });
        tokio::task::yield_now().await;
        assert_eq!(hand.next_wakeup(), Some(wait));
        hand.advance(wait);
        assert_eq!(waits.await.unwrap().unwrap_err().reason, reason);
        assert_eq!(limit.state().waiting, 0);
    }
}

#[tokio::test]
async fn a_full_line_refuses_and_a_call_that_cannot_be_served_in_time_does_not_wait() {
    let (limit, clock, hand) = limit(two_with_a_line());
    let now = clock.moment();
    let held = limit.try_enter(&Context::root(), now).unwrap();
    hand.advance(MS(200));
    held.record(&Outcome::Success, clock.moment());
    let learned = limit.state();
    assert_eq!(learned.rtt, Some(MS(200)));
    let _held: Vec<_> =
        (0..learned.limit).map(|_| limit.try_enter(&Context::root(), clock.moment()).unwrap()).collect();
    let waits: Vec<_> = (0..3)
        .map(|_| {
            let limit = Arc::clone(&limit);
            tokio::spawn(async move { limit.enter(&Context::root()).await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    let refusal = limit.enter(&Context::root()).await.map(drop).unwrap_err();
    assert_eq!(refusal.reason, Reason::QueueFull);
    let short = Context::root().with_timeout(&clock, MS(2));
    assert_eq!(limit.enter(&short).await.map(drop).unwrap_err().reason, Reason::WaitTooLong);
    waits.into_iter().for_each(|wait| wait.abort());
}

#[tokio::test]
async fn whoever_gives_up_leaves_the_line_and_gives_back_what_they_were_granted() {
    let (limit, clock, _hand) = limit(two_with_a_line());
    let held = [(); 2].map(|()| limit.try_enter(&Context::root(), clock.moment()).unwrap());
    let cx = Context::root();
    let mut first = Box::pin(limit.enter(&cx));
    let mut second = Box::pin(limit.enter(&cx));
    assert!(
        std::future::poll_fn(|task| std::task::Poll::Ready(first.as_mut().poll(task))).await.is_pending()
    );
    assert!(
        std::future::poll_fn(|task| std::task::Poll::Ready(second.as_mut().poll(task))).await.is_pending()
    );
    drop(first);
    assert_eq!(limit.state().waiting, 1);
    drop(held);
    // The second was granted its place, and is dropped before it has looked.
    assert_eq!(limit.state().in_flight, 1);
    drop(second);
    assert_eq!((limit.state().in_flight, limit.state().waiting), (0, 0));
}

#[test]
fn cancelled_calls_and_failures_of_our_own_are_no_samples() {
    let (limit, clock, hand) = limit(two());
    let start = limit.state();
    for outcome in [
        None,
        Some(Outcome::Failure(Fault::internal())),
        Some(Outcome::Failure(Fault::caller())),
        Some(Outcome::Failure(Fault::upstream())),
    ] {
        let permit = limit.try_enter(&Context::root(), clock.moment()).unwrap();
        hand.advance(MS(500));
        match outcome {
            Some(outcome) => permit.record(&outcome, clock.moment()),
            None => drop(permit),
        }
        assert_eq!(limit.state(), start, "{outcome:?}");
    }
}

#[test]
fn no_answer_in_time_and_too_much_to_do_are_drops() {
    for outcome in
        [Outcome::BackPressure(Fault::upstream()), Outcome::Failure(Fault::upstream().indeterminate())]
    {
        let (limit, clock, hand) = limit(AdaptiveConfig { initial: 50, ..two() });
        let permit = limit.try_enter(&Context::root(), clock.moment()).unwrap();
        hand.advance(MS(500));
        permit.record(&outcome, clock.moment());
        assert!(limit.state().learned < 50.0, "{outcome:?}");
    }
}

#[test]
fn shadow_refuses_nothing_and_says_what_it_would_have_refused() {
    let (limit, clock, _hand) = limit(AdaptiveConfig { mode: Mode::Shadow, ..two() });
    let permits: Vec<_> =
        (0..5).map(|_| limit.try_enter(&Context::root(), clock.moment()).unwrap()).collect();
    assert_eq!(limit.state().in_flight, 2);
    let counted = limit.counts().read();
    assert_eq!((counted.admitted, counted.shadow_refused), (2, 3));
    drop(permits);
    assert_eq!(limit.state().in_flight, 0);
}

#[tokio::test]
async fn a_higher_limit_lets_those_go_who_wait() {
    let (limit, clock, _hand) = limit(two_with_a_line());
    let _held = [(); 2].map(|()| limit.try_enter(&Context::root(), clock.moment()).unwrap());
    let own = Arc::clone(&limit);
    let waits = tokio::spawn(async move { own.enter(&Context::root()).await.map(drop) });
    tokio::task::yield_now().await;
    assert!(limit.reconfigure(AdaptiveConfig { min: 0, ..two() }).is_err());
    limit.reconfigure(AdaptiveConfig { min: 3, initial: 3, ..two_with_a_line() }).unwrap();
    assert!(waits.await.unwrap().is_ok());
    assert_eq!(limit.state().limit, 3);
}
