//! When a second attempt is made.

use std::time::Duration;

use mamparo_context::{Context, Fault, Moment};

use super::core::{Due, Start};
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
fn the_budget_bounds_second_attempts_and_pays_back_what_cured_a_failure_or_was_never_made() {
    let budget = BudgetConfig { tokens: 28, floor_per_second: 0.0, ..BudgetConfig::default() };
    let hedge = Hedge::new(HedgeConfig { budget, ..HedgeConfig::default() }).unwrap();
    let start = |race: &mut Race, due| hedge.start(race, due, Moment::ZERO);
    let (mut a, mut b, mut c) = (Race::default(), Race::default(), Race::default());
    assert_eq!(
        [
            start(&mut a, Due::Failed),
            start(&mut a, Due::Failed),
            start(&mut b, Due::Failed),
            start(&mut c, Due::Slow)
        ],
        [Start::Yes, Start::No, Start::Yes, Start::NoBudget]
    );
    assert!(hedge.is_over(&c) && hedge.is_over(&a));
    hedge.answered(&mut a, &Outcome::Success, millis(1), Moment::ZERO);
    hedge.answered(&mut b, &Outcome::Failure(Fault::upstream()), millis(1), Moment::ZERO);
    let mut d = Race::default();
    assert_eq!((start(&mut d, Due::Slow), hedge.budget().tokens()), (Start::Yes, 0));
    hedge.refused(&mut d);
    assert_eq!((start(&mut c, Due::Slow), hedge.budget().tokens()), (Start::Yes, 0));
    hedge.answered(&mut c, &Outcome::Success, millis(1), Moment::ZERO);
    assert_eq!(hedge.budget().tokens(), 1, "it answered, and was slow: that is no gift");

    let shadow = Hedge::new(HedgeConfig { mode: Mode::Shadow, ..HedgeConfig::default() }).unwrap();
    let mut race = Race::default();
    let told = [(); 2].map(|()| shadow.start(&mut race, Due::Slow, Moment::ZERO));
    assert_eq!((told, shadow.budget().tokens()), ([Start::Shadow, Start::Shadowed], 500));
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn a_shadow_does_not_fill_an_empty_budget() {
    let budget = BudgetConfig { tokens: 20, floor_per_second: 1.0, ..BudgetConfig::default() };
    let shadow = Hedge::new(HedgeConfig { budget, mode: Mode::Shadow, ..HedgeConfig::default() }).unwrap();
    assert!(shadow.budget().withdraw(false, Moment::ZERO).is_some());
    for second in 1..10 {
        let at = Moment::ZERO + millis(1_000 * second);
        assert_eq!(shadow.start(&mut Race::default(), Due::Slow, at), Start::Shadow, "out of the floor");
    }
    assert_eq!(shadow.budget().tokens(), 6);
}
