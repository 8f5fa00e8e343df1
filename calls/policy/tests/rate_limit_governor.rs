//! Shows that our rate limit decides as governor does, which others have used for years, call by call.
//!
//! The two differ where they must: governor rounds the interval down to whole nanoseconds, we round up, so rates are
//! chosen here whose interval needs no rounding. governor reads its clock itself; both are given the same fake one.
#![cfg(not(feature = "shuttle"))]

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use mamparo_context::{Clock, Context, Moment};
use mamparo_policy::Admit;
use mamparo_policy::rate_limit::{RateLimit, RateLimitConfig};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_same_calls_go(
        rate in prop::sample::select(vec![1_u32, 2, 5, 8, 10, 100, 125, 1_000, 10_000, 1_000_000]),
        burst in 1_u32..30,
        calls in prop::collection::vec((0.0_f64..3.0, 1_u32..6), 1..300),
    ) {
        let nonzero = |number| NonZeroU32::new(number).expect("not zero");
        let fake = FakeRelativeClock::default();
        let quota = Quota::per_second(nonzero(rate)).allow_burst(nonzero(burst));
        let theirs = RateLimiter::direct_with_clock(quota, fake.clone());
        let config = RateLimitConfig::new(rate, Duration::from_secs(1)).burst(burst);
        let ours = RateLimit::new(config, Clock::manual().0).expect("a valid limit");
        let interval = 1e9 / f64::from(rate);
        // Both begin with a full bucket.
        let mut now = Moment::ZERO + Duration::from_secs(100);
        for (gap, cost) in calls {
            let gap = Duration::from_nanos((gap * interval) as u64);
            fake.advance(gap);
            now = now + gap;
            let own = ours.acquire_n(&Context::root(), cost, now);
            match theirs.check_n(nonzero(cost)) {
                Ok(Ok(())) => prop_assert!(matches!(own, Admit::Admit(()))),
                Ok(Err(until)) => {
                    let wait = until.wait_time_from(governor::clock::Clock::now(&fake));
                    let Admit::Refuse(refusal) = own else { return Err(TestCaseError::fail("ours goes")) };
                    prop_assert_eq!(refusal.retry_after, Some(wait));
                }
                Err(_) => {
                    let Admit::Refuse(refusal) = own else { return Err(TestCaseError::fail("ours goes")) };
                    prop_assert_eq!(refusal.reason, mamparo_policy::Reason::TooCostly);
                }
            }
        }
    }
}
