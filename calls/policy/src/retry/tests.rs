//! What is asked again as tables; pauses and budgets as properties.

use std::time::Duration;

use mamparo_context::{Context, Fault, Moment};
use proptest::prelude::*;

use super::Budget;
use super::config::{BackoffConfig, BudgetConfig, Jitter, Repeat, RetryConfig};
use super::core::{Again, End, GaveUp, Retry, Tries};
use crate::draw::Draw;
use crate::{Mode, Outcome};

const FAILED: Outcome = Outcome::Failure(Fault::upstream());

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn end(until: Option<u64>) -> End {
    End {
        now: Moment::ZERO,
        until: until.map(|at| Moment::ZERO + millis(at)),
        minimum: millis(5),
        refused: false,
    }
}

fn plain() -> RetryConfig {
    let backoff = BackoffConfig { jitter: Jitter::None, ..BackoffConfig::default() };
    RetryConfig { backoff, ..RetryConfig::default() }
}

fn ask(config: RetryConfig, outcome: Outcome, cx: &Context, until: Option<u64>) -> Again {
    Retry::new(config).unwrap().next(&mut Tries::default(), &outcome, cx, end(until), || Draw::new(1).unit())
}

#[test]
fn only_what_may_be_repeated_and_may_help_is_asked_again() {
    let (bare, keyed) = (Context::root(), Context::root().with_idempotency_key("k".parse().unwrap()));
    let (unsent, lost) = (Fault::upstream(), Fault::upstream().indeterminate());
    let again = Again::After(millis(50));
    for (repeat, fault, cx, expected) in [
        (Repeat::Unsent, unsent, &bare, again),
        (Repeat::Unsent, lost, &keyed, Again::No),
        (Repeat::Keyed, lost, &bare, Again::No),
        (Repeat::Keyed, lost, &keyed, again),
        (Repeat::Idempotent, lost, &bare, again),
        (Repeat::Idempotent, Fault::caller(), &bare, Again::No),
        (Repeat::Idempotent, Fault::internal(), &bare, Again::No),
    ] {
        let config = RetryConfig { repeat, ..plain() };
        assert_eq!(ask(config, Outcome::Failure(fault), cx, None), expected, "{repeat:?} {fault:?}");
    }
    assert_eq!(ask(plain(), Outcome::Success, &bare, None), Again::No);
}

#[test]
fn attempts_deadline_and_retry_after_end_it() {
    let cx = Context::root();
    let asked = |secs| Outcome::Failure(Fault::upstream().retry_after(Duration::from_secs(secs)));
    for (name, config, outcome, until, expected) in [
        (
            "the last attempt",
            RetryConfig { attempts: 1, ..plain() },
            FAILED,
            None,
            Again::GaveUp(GaveUp::Attempts),
        ),
        ("in time", plain(), FAILED, Some(56), Again::After(millis(50))),
        ("too late for an attempt", plain(), FAILED, Some(55), Again::GaveUp(GaveUp::Deadline)),
        ("asked to wait too long", plain(), asked(6), None, Again::GaveUp(GaveUp::RetryAfter)),
        (
            "nothing to spend",
            RetryConfig {
                budget: BudgetConfig { tokens: 13, floor_per_second: 0.0, ..BudgetConfig::default() },
                ..plain()
            },
            FAILED,
            None,
            Again::GaveUp(GaveUp::Budget),
        ),
        ("shadow", RetryConfig { mode: Mode::Shadow, ..plain() }, FAILED, None, Again::Shadow),
        (
            "asked for less",
            plain(),
            Outcome::BackPressure(Fault::upstream()),
            None,
            Again::After(Duration::from_secs(1)),
        ),
    ] {
        assert_eq!(ask(config, outcome, &cx, until), expected, "{name}");
    }
    let Again::After(pause) = ask(plain(), asked(2), &cx, None) else { panic!("within what is waited for") };
    assert!((2_000..2_500).contains(&pause.as_millis()), "{pause:?}");
}

#[test]
fn pauses_double_up_to_their_bound_and_attempts_run_out() {
    let config = RetryConfig {
        attempts: 6,
        backoff: BackoffConfig { max: millis(300), ..plain().backoff },
        ..plain()
    };
    let (retry, cx, mut tries) = (Retry::new(config).unwrap(), Context::root(), Tries::default());
    let mut next = || retry.next(&mut tries, &FAILED, &cx, end(None), || Draw::new(1).unit());
    for expected in [50, 100, 200, 300, 300] {
        assert_eq!(next(), Again::After(millis(expected)));
    }
    assert_eq!(next(), Again::GaveUp(GaveUp::Attempts));
    assert_eq!(retry.budget().tokens(), 500 - 5 * 14);
}

#[test]
fn a_success_brings_back_what_was_spent_on_it_and_a_plain_one_a_little() {
    let (retry, cx) = (Retry::new(plain()).unwrap(), Context::root());
    let call = |outcomes: &[Outcome]| {
        let mut tries = Tries::default();
        for outcome in outcomes {
            _ = retry.next(&mut tries, outcome, &cx, end(None), || Draw::new(1).unit());
        }
        retry.budget().tokens()
    };
    assert_eq!(call(&[FAILED, Outcome::Success]), 500);
    assert_eq!(call(&[FAILED, FAILED, FAILED]), 472);
    assert_eq!(call(&[Outcome::Success]), 473);
    assert_eq!(call(&[Outcome::BackPressure(Fault::upstream()), Outcome::Failure(Fault::caller())]), 468);
}

#[test]
fn the_floor_lets_a_few_through_an_empty_budget() {
    let config = BudgetConfig { tokens: 0, floor_per_second: 2.0, ..BudgetConfig::default() };
    let budget = Budget::new(config);
    let count =
        (0..10_000_u64).filter(|at| budget.withdraw(false, Moment::ZERO + millis(*at)).is_some()).count();
    assert_eq!(count, 20);
}

proptest! {
    #[test]
    fn pauses_keep_within_their_bounds(seed: u64, made in 1..8_u32, decorrelated: bool) {
        let jitter = if decorrelated { Jitter::Decorrelated } else { Jitter::Full };
        let backoff = BackoffConfig { base: millis(10), max: millis(400), jitter };
        let config = RetryConfig { attempts: 10, backoff, ..RetryConfig::default() };
        let retry = Retry::new(config).unwrap();
        let (cx, mut tries, mut draw) = (Context::root(), Tries::default(), Draw::new(seed));
        for number in 0..made {
            let Again::After(pause) = retry.next(&mut tries, &FAILED, &cx, end(None), || draw.unit()) else {
                return Err(TestCaseError::fail("attempts and budget are there"));
            };
            let least = if decorrelated { millis(10) } else { Duration::ZERO };
            let most = if decorrelated { millis(400) } else { millis((10 << number).min(400)) };
            prop_assert!(pause >= least && pause <= most, "{pause:?}");
        }
    }

    /// However calls fail and succeed, repeats never cost more than the budget held and was given.
    #[test]
    fn a_budget_is_never_overdrawn(outcomes in proptest::collection::vec(0..10_u8, 0..2_000), tokens in 0..200_u32) {
        let config = BudgetConfig { tokens, floor_per_second: 0.0, ..BudgetConfig::default() };
        let budget = Budget::new(config);
        let (mut spent, mut gained) = (0_u64, 0_u64);
        for outcome in outcomes {
            match outcome {
                0..5 => { budget.deposit(None); gained += 1; }
                5..8 => if budget.withdraw(false, Moment::ZERO).is_some() { spent += 14 },
                _ => if budget.withdraw(true, Moment::ZERO).is_some() { spent += 5 },
            }
            prop_assert!(budget.tokens() <= u64::from(tokens));
            prop_assert!(spent <= u64::from(tokens) + gained);
        }
    }
}
