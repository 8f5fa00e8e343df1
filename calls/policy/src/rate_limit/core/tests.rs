//! Shows the arithmetic of a bucket as tables, and against fractions that round nothing.

use std::time::Duration;

use mamparo_context::Moment;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(nanos: u64) -> u64 {
    ticks(Moment::from_nanos(nanos))
}

#[test]
fn a_burst_goes_at_once_and_then_one_for_each_interval() {
    let price = Price::new(10, SECOND, 3);
    let mut tat = 0;
    let start = 5_000_000_000;
    for (nanos, answer) in [
        (start, Ok(())),
        (start, Ok(())),
        (start, Ok(())),
        (start, Err(start + 100_000_000)),
        (start + 99_999_999, Err(start + 100_000_000)),
        (start + 100_000_000, Ok(())),
        (start + 100_000_000, Err(start + 200_000_000)),
        (start + 1_000_000_000, Ok(())),
        (start + 1_000_000_000, Ok(())),
        (start + 1_000_000_000, Ok(())),
        (start + 1_000_000_000, Err(start + 1_100_000_000)),
    ] {
        let taken = take(tat, price, 1, at(nanos));
        assert_eq!(taken.map(|_| ()).map_err(|due| moment(due).as_nanos()), answer, "{nanos}");
        tat = taken.unwrap_or(tat);
    }
}

#[test]
fn a_leaky_bucket_spaces_calls_and_a_costly_one_leaves_a_longer_gap() {
    let price = Price::new(10, SECOND, 0);
    let tat = take(0, price, 3, at(1_000_000_000)).unwrap();
    assert_eq!(
        take(tat, price, 1, at(1_299_999_999)).map_err(moment),
        Err(Moment::from_nanos(1_300_000_000))
    );
    assert!(take(tat, price, 1, at(1_300_000_000)).is_ok());
    assert_eq!((available(tat, price, at(1_000_000_000)), available(tat, price, at(1_300_000_000))), (0, 1));
    assert!(price.can_ever(1_000_000));
}

#[test]
fn what_costs_more_than_a_burst_can_never_go() {
    let price = Price::new(10, SECOND, 3);
    assert!(price.can_ever(3));
    assert!(!price.can_ever(4));
    assert!(!price.can_ever(u64::MAX));
}

#[test]
fn nothing_overflows_at_the_end_of_time() {
    for price in [Price::new(1, Duration::MAX, u32::MAX), Price::new(u32::MAX, SECOND, u32::MAX)] {
        for tat in [0, END] {
            for now in [0, ticks(Moment::NEVER)] {
                let after = take(tat, price, u64::MAX, now);
                assert!(after.is_ok_and(|tat| tat <= END) || after.is_err());
                assert!(due(tat, price, u64::MAX, u64::MAX) <= END);
                assert!(convert(tat, price, Price::new(3, SECOND, 3), now) <= END);
                assert!(refund(tat, price, u64::MAX) <= END);
            }
        }
    }
}

#[test]
fn the_tokens_that_are_there_stay_when_the_quota_changes() {
    let old = Price::new(10, SECOND, 20);
    let now = at(9_000_000_000);
    let tat = take(0, old, 15, now).unwrap();
    for (new, tokens) in [
        (Price::new(1000, SECOND, 20), 5),
        (Price::new(1, Duration::from_secs(60), 20), 5),
        (Price::new(10, SECOND, 100), 5),
        (Price::new(10, SECOND, 2), 2),
        (old, 5),
    ] {
        assert_eq!(available(convert(tat, old, new, now), new, now), tokens, "{new:?}");
    }
    let half_a_token_later = at(9_050_000_000);
    let slow = Price::new(1, SECOND, 20);
    let tat = convert(tat, old, slow, half_a_token_later);
    assert_eq!(available(tat, slow, half_a_token_later), 5);
    assert_eq!(available(tat, slow, half_a_token_later + at(500_000_000)), 6);
}

/// The bucket as a fraction, without rounding: tokens in units of 1 / (per in nanoseconds).
struct Exact {
    rate: i128,
    per: i128,
    burst: i128,
    level: i128,
    last: i128,
}

impl Exact {
    fn new(rate: u32, per: Duration, burst: u32) -> Self {
        let per = i128::try_from(per.as_nanos()).unwrap();
        let burst = i128::from(burst) * per;
        Self { rate: rate.into(), per, burst, level: burst, last: 0 }
    }

    fn fill(&mut self, now: u64) {
        let now = i128::from(now);
        self.level = self.burst.min(self.level + (now - self.last) * self.rate);
        self.last = now;
    }

    fn has(&self, cost: u64) -> bool {
        self.level >= i128::from(cost) * self.per
    }

    fn take(&mut self, cost: u64) {
        self.level -= i128::from(cost) * self.per;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// What the whole numbers admit, the fractions admit too; and what they refuse is at most the rounding away.
    #[test]
    fn never_more_than_the_exact_quota_and_hardly_less(
        rate in 1_u32..5_000_000,
        per in prop_oneof![Just(1_u64), 1_u64..1_000, Just(60_000), Just(86_400_000)],
        burst in 1_u32..50,
        calls in prop::collection::vec((0.0_f64..3.0, 1_u64..5), 1..300),
    ) {
        let per = Duration::from_millis(per);
        let price = Price::new(rate, per, burst);
        let mut exact = Exact::new(rate, per, burst);
        let (mut tat, mut now) = (0, 0_u64);
        let mut lost = 0_u64;
        let interval = per.as_nanos() as f64 / f64::from(rate);
        for (gap, cost) in calls {
            now += (gap * interval) as u64;
            exact.fill(now);
            match take(tat, price, cost, at(now)) {
                Ok(after) => {
                    prop_assert!(exact.has(cost));
                    exact.take(cost);
                    tat = after;
                    lost += cost;
                }
                Err(due) => {
                    prop_assert!(due > at(now));
                    // Each token may have been charged one tick too much, and the interval that fills a burst too.
                    let slack = (lost + u64::from(burst) + 1) / TICKS_PER_NANO + 1;
                    let spare = exact.level - i128::from(cost) * exact.per;
                    prop_assert!(spare <= i128::from(slack) * exact.rate, "{spare} {slack}");
                }
            }
        }
    }

    /// The moment that a refused call is told is the first at which it goes.
    #[test]
    fn the_moment_named_is_the_first_at_which_it_goes(
        rate in 1_u32..1_000_000, burst in 1_u32..20, used in 1_u64..20, cost in 1_u64..20, now in 0_u64..1 << 40,
    ) {
        let price = Price::new(rate, SECOND, burst);
        prop_assume!(price.can_ever(cost) && price.can_ever(used));
        let tat = take(0, price, used, at(now)).unwrap();
        if let Err(due) = take(tat, price, cost, at(now)) {
            prop_assert!(take(tat, price, cost, due).is_ok());
            prop_assert_eq!(take(tat, price, cost, due - 1), Err(due));
            prop_assert_eq!(super::due(tat, price, 0, cost), due);
        }
    }

    #[test]
    fn a_change_of_quota_makes_no_tokens(
        rate in 1_u32..1_000_000, burst in 0_u32..100, to_rate in 1_u32..1_000_000, to_burst in 0_u32..100,
        ahead in 0_u64..1 << 40, now in 0_u64..1 << 50,
    ) {
        let (from, to) = (Price::new(rate, SECOND, burst), Price::new(to_rate, SECOND, to_burst));
        let tat = now + ahead.min(from.tolerance);
        let converted = convert(tat, from, to, now);
        if to.tolerance > 0 {
            prop_assert!(available(converted, to, now) <= available(tat, from, now));
            let there = available(tat, from, now).min(u64::from(to_burst));
            prop_assert!(from.tolerance == 0 || available(converted, to, now) >= there);
        }
    }
}
