//! Throttling by the client, against a dependency that accepts a part of what it is asked.
#![cfg(not(feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use mamparo_context::{Clock, Context, Criticality, Fault, ManualClock, Random};
use mamparo_policy::throttle::{Throttle, ThrottleConfig};
use mamparo_policy::{Admission, Mode, Outcome, Policy, Reason};

const BUSY: Outcome = Outcome::BackPressure(Fault::upstream());

fn throttle(config: ThrottleConfig) -> (Arc<Throttle>, Clock, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Arc::new(Throttle::new(config, clock.clone(), Random::seeded(1)).unwrap()), clock, hand)
}

/// Makes `calls`, one each 10 ms, of which the dependency accepts `accept` in a second; how many were sent.
fn drive(throttle: &Arc<Throttle>, hand: &ManualClock, calls: u32, accept: u32) -> u32 {
    let (cx, clock) = (Context::root(), throttle.clock().clone());
    let (mut sent, mut left) = (0, 0);
    for number in 0..calls {
        if number % 100 == 0 {
            left = accept;
        }
        if let Ok(permit) = throttle.try_enter(&cx, clock.moment()) {
            sent += 1;
            let outcome = if left > 0 { Outcome::Success } else { BUSY };
            left = left.saturating_sub(1);
            permit.record(&outcome, clock.moment());
        }
        hand.advance(Duration::from_millis(10));
    }
    sent
}

#[test]
fn no_more_is_sent_than_k_times_what_is_accepted() {
    let (throttle, _clock, hand) = throttle(ThrottleConfig::default());
    assert_eq!(drive(&throttle, &hand, 12_000, 100), 12_000, "all is well");
    drive(&throttle, &hand, 24_000, 10);
    let sent = drive(&throttle, &hand, 12_000, 10);
    assert!((2_200..3_000).contains(&sent), "{sent}: twice the 1,200 accepted, and a few more");
    // It works again: the share falls as the window forgets.
    drive(&throttle, &hand, 24_000, 100);
    assert_eq!(drive(&throttle, &hand, 12_000, 100), 12_000);
}

#[test]
fn a_dependency_that_accepts_nothing_is_still_asked_now_and_then() {
    let (throttle, _clock, hand) = throttle(ThrottleConfig::default());
    drive(&throttle, &hand, 24_000, 0);
    let sent = drive(&throttle, &hand, 12_000, 0);
    assert!((60..200).contains(&sent), "{sent}: one in a hundred");
    assert_eq!(throttle.share(Criticality::Critical), 0.99);
}

#[test]
fn attempts_count_before_their_answers() {
    let (throttle, clock, _hand) = throttle(ThrottleConfig::default());
    let held: Vec<_> =
        (0..1_000).filter_map(|_| throttle.try_enter(&Context::root(), clock.moment()).ok()).collect();
    assert!(held.len() < 100, "{} were sent while none was answered", held.len());
    let refusal =
        (0..1_000).find_map(|_| throttle.try_enter(&Context::root(), clock.moment()).err()).unwrap();
    assert_eq!((refusal.policy, refusal.reason), (Policy::Throttle, Reason::Throttled));
}

#[test]
fn each_class_has_a_window_of_its_own_unless_told_otherwise() {
    for (per_class, others) in [(true, 0.0), (false, 0.5)] {
        let (throttle, clock, _hand) = throttle(ThrottleConfig { per_class, ..ThrottleConfig::default() });
        let low = Context::root().with_criticality(Criticality::Sheddable);
        for _ in 0..200 {
            if let Ok(permit) = throttle.try_enter(&low, clock.moment()) {
                permit.record(&BUSY, clock.moment());
            }
        }
        assert!(throttle.share(Criticality::Sheddable) > 0.9);
        assert!(throttle.share(Criticality::Critical) >= others);
        assert!(per_class == (throttle.share(Criticality::Critical) == 0.0));
    }
}

#[test]
fn what_was_cancelled_or_our_own_fault_was_never_asked_and_a_wrong_request_was_accepted() {
    for (outcome, share) in [
        (None, 0.0),
        (Some(Outcome::Failure(Fault::internal())), 0.0),
        (Some(Outcome::Failure(Fault::caller())), 0.0),
        (Some(Outcome::Failure(Fault::upstream())), 0.5),
        (Some(BUSY), 0.5),
    ] {
        let (throttle, clock, _hand) = throttle(ThrottleConfig { floor: 1.0, ..ThrottleConfig::default() });
        for _ in 0..10 {
            let permit = throttle.try_enter(&Context::root(), clock.moment()).unwrap();
            match outcome {
                Some(outcome) => permit.record(&outcome, clock.moment()),
                None => drop(permit),
            }
        }
        throttle.reconfigure(ThrottleConfig::default()).unwrap();
        let got = throttle.share(Criticality::Critical);
        assert!(got >= share && (share > 0.0 || got == 0.0), "{outcome:?}: {got}");
    }
}

#[test]
fn modes_and_values_change_while_it_runs() {
    let (throttle, _clock, hand) =
        throttle(ThrottleConfig { mode: Mode::Shadow, ..ThrottleConfig::default() });
    assert_eq!(drive(&throttle, &hand, 2_000, 0), 2_000);
    assert!(throttle.counts().read().shadow_refused > 1_000);
    for (config, field) in [
        (ThrottleConfig { window: Duration::ZERO, ..ThrottleConfig::default() }, "window"),
        (ThrottleConfig { k: 0.9, ..ThrottleConfig::default() }, "k"),
        (ThrottleConfig { floor: 0.0, ..ThrottleConfig::default() }, "floor"),
    ] {
        assert_eq!(throttle.reconfigure(config).unwrap_err().field, field);
    }
    throttle
        .reconfigure(ThrottleConfig { window: Duration::from_secs(60), ..ThrottleConfig::default() })
        .unwrap();
    assert!(throttle.share(Criticality::Critical) > 0.9, "what was counted is kept");
}
