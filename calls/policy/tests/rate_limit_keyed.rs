//! Shows that many keys are limited each on its own, in bounded memory, and that forgetting loses nothing.
#![cfg(not(feature = "shuttle"))]

use std::time::Duration;

use mamparo_context::Moment;
use mamparo_policy::rate_limit::{KeyedRateLimit, KeyedRateLimitConfig, Quota};
use mamparo_policy::{Mode, Reason};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const START: Moment = Moment::from_nanos(1_000_000_000);

fn after(millis: u64) -> Moment {
    START + Duration::from_millis(millis)
}

fn limit(rate: u32, burst: u32, keys: usize) -> KeyedRateLimit<String> {
    let config =
        KeyedRateLimitConfig { keys, ..KeyedRateLimitConfig::new(Quota::new(rate, SECOND).burst(burst)) };
    KeyedRateLimit::new(config).expect("a valid limit")
}

#[test]
fn each_key_has_its_own_bucket() {
    let limit = limit(10, 2, 100);
    for key in ["a", "b"] {
        assert!(limit.acquire(key, 2, START).is_ok());
        let refusal = limit.acquire(key, 1, START).unwrap_err();
        assert_eq!(
            (refusal.reason, refusal.retry_after),
            (Reason::OverQuota, Some(Duration::from_millis(100)))
        );
    }
    assert_eq!(limit.acquire("a", 3, after(10_000)).unwrap_err().reason, Reason::TooCostly);
    limit.refund("a", 1);
    assert!(limit.acquire("a", 1, START).is_ok());
    assert_eq!(limit.standing("a", START).remaining, 0);
    assert_eq!(limit.standing("never seen", START).remaining, 2);
    let counted = limit.counts().read();
    assert_eq!((counted.admitted, counted.refused), (3, 3));
}

#[test]
fn a_flood_of_keys_shares_a_bucket_and_leaves_the_known_ones_alone() {
    let limit = limit(1, 10, 8);
    for key in 0..8 {
        assert!(limit.acquire(format!("known {key}").as_str(), 5, START).is_ok());
    }
    let admitted =
        (0..1_000).filter(|key| limit.acquire(format!("{key}").as_str(), 1, START).is_ok()).count();
    assert_eq!((admitted, limit.len(), limit.overflowed()), (10, 8, 1_000));
    for key in 0..8 {
        let key = format!("known {key}");
        assert!(
            limit.acquire(key.as_str(), 5, START).is_ok() && limit.acquire(key.as_str(), 1, START).is_err()
        );
    }
    assert!(limit.acquire("new", 1, after(10_000)).is_ok());
    assert_eq!(limit.overflowed(), 1_000, "the buckets are full again, so there is room");
}

#[test]
fn keys_are_forgotten_as_fast_as_others_come_and_memory_is_given_back() {
    let limit = limit(10, 10, 100_000);
    for key in 0..50_000 {
        assert!(limit.acquire(format!("{key}").as_str(), 1, START).is_ok());
    }
    let (keys, bytes) = (limit.len(), limit.bytes());
    assert_eq!(keys, 50_000);
    for key in 50_000..100_000_u64 {
        let _ = limit.acquire(format!("{key}").as_str(), 1, after(101 + key / 10));
    }
    assert!(limit.len() < 10_000, "{}", limit.len());
    assert!(limit.bytes() <= bytes * 2);
    let forgotten = limit.forget_full(after(100_000));
    assert!(forgotten > 0 && limit.is_empty());
    assert!(limit.bytes() < bytes / 10, "{} {bytes}", limit.bytes());
}

#[test]
fn a_key_can_have_its_own_quota_and_a_change_keeps_tokens() {
    let limit = limit(10, 10, 100);
    for key in ["own", "common"] {
        assert!(limit.acquire(key, 6, START).is_ok());
    }
    limit.set_quota("own", Some(Quota::new(1_000, SECOND).burst(100)), START).unwrap();
    assert!(limit.set_quota("own", Some(Quota::new(0, SECOND)), START).is_err());
    let left = |key| (limit.standing(key, START).limit, limit.standing(key, START).remaining);
    assert_eq!((left("own"), left("common")), ((1_000, 4), (10, 4)));

    let config = KeyedRateLimitConfig::new(Quota::new(20, SECOND).burst(50));
    limit.reconfigure(config, START).unwrap();
    assert_eq!((left("own"), left("common")), ((1_000, 4), (20, 4)));
    limit.set_quota("own", None, START).unwrap();
    assert_eq!(left("own"), (20, 4));
    let shadow = KeyedRateLimitConfig { mode: Mode::Shadow, ..config };
    limit.reconfigure(shadow, START).unwrap();
    assert!(limit.acquire("own", 50, START).is_ok());
    assert_eq!(limit.counts().read().shadow_refused, 1);
    assert!(limit.reconfigure(KeyedRateLimitConfig { keys: 0, ..config }, START).is_err());
}

#[test]
fn a_key_takes_few_bytes() {
    let config = KeyedRateLimitConfig { keys: 1 << 20, ..KeyedRateLimitConfig::new(Quota::new(1, SECOND)) };
    let limit = KeyedRateLimit::<u64>::new(config).unwrap();
    for key in 0..400_000 {
        assert!(limit.acquire(&key, 1, START).is_ok());
    }
    let bytes = limit.bytes() as f64 / limit.len() as f64;
    assert!(bytes < 40.0, "{bytes}");
    println!("{bytes:.1} bytes for each key");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Forgetting is not seen: with room for few keys and for all, the same calls go.
    #[test]
    fn forgetting_loses_nothing(calls in prop::collection::vec((0_u64..40, 0_u64..60, 1_u32..4), 1..400)) {
        let (sweeping, hoarding) = (limit(10, 3, 1_000), limit(10, 3, 1_000));
        let mut millis = 0;
        for (key, gap, cost) in calls {
            millis += gap;
            let key = key.to_string();
            sweeping.forget_full(after(millis));
            let answers = [&sweeping, &hoarding].map(|limit| limit.acquire(key.as_str(), cost, after(millis)));
            prop_assert_eq!(answers[0], answers[1]);
        }
    }
}
