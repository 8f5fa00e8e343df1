//! When a second attempt is made.

use std::time::Duration;

use mamparo_context::{Context, Fault, Moment};

use super::core::Start;
use super::{Hedge, HedgeConfig, Race};
use crate::retry::{BudgetConfig, Repeat};
use crate::{Mode, Outcome};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn only_what_may_be_made_twice_is() {
    let (bare, keyed) = (Context::root(), Context::root().with_idempotency_key("k".parse().unwrap()));
    for (config, applies) in [
        (HedgeConfig::default(), [false, true]),
        (HedgeConfig { repeat: Repeat::Idempotent, ..HedgeConfig::default() }, [true, true]),
        (HedgeConfig { mode: Mode::Off, ..HedgeConfig::default() }, [false, false]),
    ] {
        let hedge = Hedge::new(config).unwrap();
        assert_eq!([hedge.applies(&bare), hedge.applies(&keyed)], applies);
    }
    assert!(HedgeConfig { repeat: Repeat::Unsent, ..HedgeConfig::default() }.check().is_err());
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn the_delay_follows_what_calls_take_within_its_bounds() {
    let config = HedgeConfig { minimum: millis(5), maximum: millis(50), ..HedgeConfig::default() };
    let hedge = Hedge::new(config).unwrap();
    assert_eq!(hedge.delay(), millis(50), "the initial one, within its bounds");
    let answer = |time, count| {
        for _ in 0..count {
            hedge.answered(&mut Race::default(), &Outcome::Success, time, Moment::ZERO);
        }
    };
    answer(millis(10), 99);
    assert_eq!(hedge.delay(), millis(50));
    answer(millis(10), 1);
    assert!((10..12).contains(&hedge.delay().as_millis()), "{:?}", hedge.delay());
    answer(millis(1), 20_000);
    assert_eq!(hedge.delay(), millis(5));
    answer(millis(900), 20_000);
    assert_eq!(hedge.delay(), millis(50));
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn the_budget_bounds_second_attempts_and_a_good_answer_pays_back() {
    let budget = BudgetConfig { tokens: 28, floor_per_second: 0.0, ..BudgetConfig::default() };
    let hedge = Hedge::new(HedgeConfig { budget, ..HedgeConfig::default() }).unwrap();
    let start = |race: &mut Race| hedge.start(race, Moment::ZERO);
    let (mut a, mut b, mut c) = (Race::default(), Race::default(), Race::default());
    assert_eq!(
        [start(&mut a), start(&mut a), start(&mut b), start(&mut c)],
        [Start::Yes, Start::No, Start::Yes, Start::NoBudget]
    );
    hedge.answered(&mut a, &Outcome::Success, millis(1), Moment::ZERO);
    hedge.answered(&mut b, &Outcome::Failure(Fault::upstream()), millis(1), Moment::ZERO);
    assert_eq!((start(&mut c), hedge.budget().tokens()), (Start::Yes, 0));

    let shadow = Hedge::new(HedgeConfig { mode: Mode::Shadow, ..HedgeConfig::default() }).unwrap();
    let mut race = Race::default();
    let told = [shadow.start(&mut race, Moment::ZERO), shadow.start(&mut race, Moment::ZERO)];
    assert_eq!((told, shadow.budget().tokens()), ([Start::Shadow, Start::No], 500));
}
