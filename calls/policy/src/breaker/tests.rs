//! The breaker's core as tables, and its windows beside a plain model.

use std::collections::VecDeque;
use std::time::Duration;

use mamparo_context::{Fault, Moment};
use proptest::prelude::*;

use super::config::{BreakerConfig, HalfOpenConfig, OpenConfig, SlowCallConfig, WindowConfig};
use super::core::{BreakerPass, BreakerState, Core};
use super::window::{Sample, Window};
use crate::{Outcome, Reason};

const GOOD: Outcome = Outcome::Success;
const BAD: Outcome = Outcome::Failure(Fault::upstream());

fn at(millis: u64) -> Moment {
    Moment::ZERO + Duration::from_millis(millis)
}

fn config() -> BreakerConfig {
    BreakerConfig {
        window: WindowConfig::Calls(10),
        minimum_calls: 4,
        open: OpenConfig { initial: Duration::from_millis(100), jitter: 0.0, ..OpenConfig::default() },
        half_open: HalfOpenConfig { wait: Duration::from_millis(50), ..HalfOpenConfig::default() },
        ..BreakerConfig::default()
    }
}

fn one(core: &mut Core, outcome: Outcome, millis: u64) -> Result<(), Reason> {
    let pass = core.acquire(at(millis)).map_err(|refusal| refusal.reason)?;
    core.record(&pass, &outcome, at(millis));
    Ok(())
}

fn opened(config: BreakerConfig) -> Core {
    let mut core = Core::new(config, 1);
    for _ in 0..4 {
        one(&mut core, BAD, 0).unwrap();
    }
    assert_eq!(core.state(), BreakerState::Open);
    core
}

fn pass(core: &mut Core, millis: u64) -> BreakerPass {
    core.acquire(at(millis)).unwrap()
}

#[test]
fn it_opens_by_rate_by_slowness_and_by_failures_in_a_row() {
    let slow = SlowCallConfig { above: Duration::from_millis(10), percent: 50.0 };
    for (name, config, outcomes, took, expected) in [
        ("too few calls", config(), &[BAD, BAD, BAD][..], 0, BreakerState::Closed),
        ("half of them failed", config(), &[GOOD, GOOD, BAD, BAD], 0, BreakerState::Open),
        ("the share is reached by a good call", config(), &[BAD, BAD, GOOD, GOOD], 0, BreakerState::Open),
        ("fewer than half", config(), &[GOOD, GOOD, GOOD, BAD, BAD], 0, BreakerState::Closed),
        (
            "in a row",
            BreakerConfig { consecutive_failures: Some(2), failure_percent: None, ..config() },
            &[GOOD, BAD, BAD],
            0,
            BreakerState::Open,
        ),
        (
            "not in a row",
            BreakerConfig { consecutive_failures: Some(2), failure_percent: None, ..config() },
            &[BAD, GOOD, BAD, GOOD, BAD],
            0,
            BreakerState::Closed,
        ),
        (
            "slow",
            BreakerConfig { slow_calls: Some(slow), failure_percent: None, ..config() },
            &[GOOD; 4],
            11,
            BreakerState::Open,
        ),
        (
            "as long as it may take",
            BreakerConfig { slow_calls: Some(slow), failure_percent: None, ..config() },
            &[GOOD; 4],
            10,
            BreakerState::Closed,
        ),
        (
            "a request that is wrong, a failure of our own, and being asked for less are no failures",
            config(),
            &[
                Outcome::Failure(Fault::caller()),
                Outcome::Failure(Fault::internal()),
                Outcome::BackPressure(Fault::upstream()),
                BAD,
                BAD,
            ],
            0,
            BreakerState::Closed,
        ),
    ] {
        let mut core = Core::new(config, 1);
        for outcome in outcomes {
            let pass = pass(&mut core, 0);
            core.record(&pass, outcome, at(took));
        }
        assert_eq!(core.state(), expected, "{name}");
    }
}

#[test]
fn after_thousands_of_good_calls_half_a_window_of_failures_opens_it() {
    let mut core = Core::new(BreakerConfig { window: WindowConfig::Calls(100), ..config() }, 1);
    for _ in 0..10_000 {
        one(&mut core, GOOD, 0).unwrap();
    }
    let failures = (1..).find(|_| {
        one(&mut core, BAD, 0).unwrap();
        core.state() == BreakerState::Open
    });
    assert_eq!(failures, Some(50));
}

#[test]
fn a_window_of_time_forgets_while_nobody_calls() {
    let config = BreakerConfig { window: WindowConfig::Time(Duration::from_millis(320)), ..config() };
    let mut core = Core::new(config, 1);
    for _ in 0..3 {
        one(&mut core, BAD, 0).unwrap();
    }
    one(&mut core, BAD, 330).unwrap();
    assert_eq!(core.state(), BreakerState::Closed);
    for _ in 0..3 {
        one(&mut core, BAD, 340).unwrap();
    }
    assert_eq!(core.state(), BreakerState::Open);
}

#[test]
fn one_probe_at_a_time_then_a_ramp_then_closed() {
    let mut core = opened(config());
    assert_eq!(one(&mut core, GOOD, 99), Err(Reason::Open));
    let probe = pass(&mut core, 100);
    assert_eq!(one(&mut core, GOOD, 100), Err(Reason::Probing));
    core.record(&probe, &GOOD, at(101));
    let (a, b) = (pass(&mut core, 101), pass(&mut core, 101));
    assert_eq!(one(&mut core, GOOD, 101), Err(Reason::Probing));
    core.record(&a, &GOOD, at(102));
    core.record(&b, &GOOD, at(102));
    assert_eq!(core.state(), BreakerState::HalfOpen);
    one(&mut core, GOOD, 103).unwrap();
    assert_eq!(core.state(), BreakerState::Closed);
    // It knows nothing of before.
    for _ in 0..3 {
        one(&mut core, BAD, 104).unwrap();
    }
    assert_eq!(core.state(), BreakerState::Closed);
}

#[test]
fn what_is_no_sign_of_health_opens_it_again_for_longer() {
    let slow = SlowCallConfig { above: Duration::from_millis(10), percent: 50.0 };
    for (outcome, took) in [(BAD, 0), (Outcome::BackPressure(Fault::upstream()), 0), (GOOD, 11)] {
        let mut core = opened(BreakerConfig { slow_calls: Some(slow), ..config() });
        let probe = pass(&mut core, 100);
        core.record(&probe, &outcome, at(100 + took));
        assert_eq!(core.state(), BreakerState::Open, "{outcome:?}");
        assert_eq!(core.next_wakeup(), Some(at(100 + took + 200)), "{outcome:?}");
    }
}

#[test]
fn a_probe_that_is_dropped_or_says_nothing_gives_its_place_back() {
    let mut core = opened(config());
    let probe = pass(&mut core, 100);
    core.cancel(&probe);
    let probe = pass(&mut core, 100);
    core.record(&probe, &Outcome::Failure(Fault::internal()), at(101));
    assert_eq!(core.state(), BreakerState::HalfOpen);
    assert!(core.acquire(at(101)).is_ok());
}

#[test]
fn a_probe_that_does_not_come_back_has_failed_and_is_not_listened_to_later() {
    let mut core = opened(config());
    let lost = pass(&mut core, 100);
    assert_eq!(core.next_wakeup(), Some(at(150)));
    assert_eq!(one(&mut core, GOOD, 149), Err(Reason::Probing));
    assert_eq!(one(&mut core, GOOD, 150), Err(Reason::Open));
    let probe = pass(&mut core, 350);
    core.record(&lost, &BAD, at(351));
    core.cancel(&lost);
    assert_eq!(core.state(), BreakerState::HalfOpen);
    assert_eq!(one(&mut core, GOOD, 351), Err(Reason::Probing));
    core.record(&probe, &GOOD, at(352));
    assert_eq!(core.state(), BreakerState::HalfOpen);
}

#[test]
fn late_answers_of_an_older_cycle_are_not_samples() {
    let mut core = Core::new(config(), 1);
    let late: Vec<BreakerPass> = (0..8).map(|_| pass(&mut core, 0)).collect();
    for _ in 0..4 {
        one(&mut core, BAD, 0).unwrap();
    }
    let probe = pass(&mut core, 100);
    late.iter().for_each(|pass| core.record(pass, &BAD, at(100)));
    assert_eq!(core.state(), BreakerState::HalfOpen);
    core.record(&probe, &GOOD, at(100));
    assert_eq!(core.state(), BreakerState::HalfOpen);
}

#[test]
fn retry_after_lengthens_and_is_capped_and_breaks_grow_up_to_their_bound() {
    let asked = |secs| Outcome::Failure(Fault::upstream().retry_after(Duration::from_secs(secs)));
    for (secs, until) in [(0, 100), (3, 3_000), (100_000, 300_000)] {
        let mut core = Core::new(config(), 1);
        for _ in 0..4 {
            one(&mut core, asked(secs), 0).unwrap();
        }
        assert_eq!(core.next_wakeup(), Some(at(until)), "{secs}");
    }
    let mut core = opened(config());
    let mut lengths = Vec::new();
    let mut now = core.until();
    for _ in 0..12 {
        let probe = core.acquire(now).unwrap();
        core.record(&probe, &BAD, now);
        lengths.push(core.until().since(now).as_millis());
        now = core.until();
    }
    assert_eq!(lengths[..4], [200, 400, 800, 1_600]);
    assert_eq!(lengths[11], 10_000);
}

#[test]
fn a_good_call_has_nothing_to_do_with_the_time_once_it_cannot_open_anything() {
    let slow = SlowCallConfig { above: Duration::from_millis(10), percent: 50.0 };
    let window = WindowConfig::Time(Duration::from_secs(1));
    for (own, calls, expected) in [
        (config(), 3, false),
        (config(), 4, true),
        (BreakerConfig { slow_calls: Some(slow), ..config() }, 9, false),
        (BreakerConfig { window, ..config() }, 9, false),
        (BreakerConfig { consecutive_failures: Some(3), failure_percent: None, ..config() }, 0, true),
    ] {
        let mut core = Core::new(own, 1);
        for _ in 0..calls {
            one(&mut core, GOOD, 0).unwrap();
        }
        assert_eq!(core.is_timeless(), expected);
        // The first calls of a window that are not timed are not slow, whoever looks at the time later.
        let untimed = BreakerPass { cycle: core.cycle(), started: Moment::NEVER };
        core.reconfigure(BreakerConfig { slow_calls: Some(slow), ..config() });
        core.record(&untimed, &GOOD, at(1_000_000));
        assert_eq!(core.state(), BreakerState::Closed);
    }
    assert!(!opened(config()).is_timeless());
}

#[test]
fn jitter_shortens_a_break_by_its_share_at_most() {
    let lengths: Vec<u128> = (0..200)
        .map(|seed| {
            let jitter = OpenConfig { jitter: 0.2, ..config().open };
            let mut core = Core::new(BreakerConfig { open: jitter, ..config() }, seed);
            (0..4).for_each(|_| one(&mut core, BAD, 0).unwrap());
            core.until().since(at(0)).as_millis()
        })
        .collect();
    assert!(lengths.iter().all(|length| (80..=100).contains(length)), "{lengths:?}");
    assert!(lengths.iter().any(|length| *length < 85) && lengths.iter().any(|length| *length > 95));
}

#[test]
fn a_person_has_the_last_word() {
    let mut core = Core::new(config(), 1);
    let before = pass(&mut core, 0);
    core.force(Some(BreakerState::ForcedOpen));
    assert_eq!(one(&mut core, GOOD, 0), Err(Reason::ForcedOpen));
    core.force(Some(BreakerState::Isolated));
    assert_eq!(one(&mut core, GOOD, 0), Err(Reason::Isolated));
    core.force(Some(BreakerState::ForcedClosed));
    for _ in 0..20 {
        one(&mut core, BAD, 0).unwrap();
    }
    assert_eq!((core.state(), core.next_wakeup()), (BreakerState::ForcedClosed, None));
    core.force(None);
    core.record(&before, &BAD, at(0));
    assert_eq!(core.state(), BreakerState::Closed);
}

#[test]
fn another_configuration_keeps_what_is_known() {
    let mut core = Core::new(BreakerConfig { failure_percent: Some(100.0), ..config() }, 1);
    for outcome in [GOOD, BAD, BAD, BAD] {
        one(&mut core, outcome, 0).unwrap();
    }
    core.reconfigure(BreakerConfig { window: WindowConfig::Calls(20), ..config() });
    assert_eq!(core.state(), BreakerState::Closed);
    one(&mut core, GOOD, 0).unwrap();
    assert_eq!(core.state(), BreakerState::Open, "3 of 5 failed");
    core.reconfigure(config());
    assert_eq!((core.state(), core.until()), (BreakerState::Open, at(100)));
}

fn samples() -> impl Strategy<Value = Vec<(bool, bool, u64)>> {
    proptest::collection::vec((any::<bool>(), any::<bool>(), 0..40_u64), 0..400)
}

fn count(samples: impl Iterator<Item = (bool, bool)>) -> (u32, u32, u32) {
    samples.fold((0, 0, 0), |(calls, failed, slow), sample| {
        (calls + 1, failed + u32::from(sample.0), slow + u32::from(sample.1))
    })
}

proptest! {
    #[test]
    fn a_window_of_calls_is_the_last_calls(size in 1..50_u32, resized in 1..50_u32, samples in samples()) {
        let mut window = Window::new(WindowConfig::Calls(size));
        let mut model = VecDeque::new();
        for (index, (failed, slow, _)) in samples.into_iter().enumerate() {
            let mut size = size;
            if index >= 200 {
                if index == 200 {
                    window = window.resized(WindowConfig::Calls(resized));
                }
                size = resized;
            }
            window.record(Sample { failed, slow }, Moment::ZERO);
            model.push_back((failed, slow));
            if index == 200 && model.len() > size as usize + 1 {
                model.drain(..model.len() - size as usize - 1);
            }
            while model.len() > size as usize {
                model.pop_front();
            }
            let sums = window.sums(Moment::ZERO);
            prop_assert_eq!((sums.calls, sums.failed, sums.slow), count(model.iter().copied()));
        }
    }

    #[test]
    fn a_window_of_time_is_the_calls_of_its_slices(samples in samples(), millis in 32..1_000_u64) {
        let width = Duration::from_millis(millis).as_nanos() as u64 / 32;
        let mut window = Window::new(WindowConfig::Time(Duration::from_millis(millis)));
        let (mut model, mut now) = (Vec::new(), 0);
        for (failed, slow, step) in samples {
            now += step * 1_000_000;
            window.record(Sample { failed, slow }, Moment::from_nanos(now));
            model.push((now / width, failed, slow));
            let inside = model.iter().filter(|(slice, ..)| now / width - slice < 32);
            let sums = window.sums(Moment::from_nanos(now));
            prop_assert_eq!(
                (sums.calls, sums.failed, sums.slow),
                count(inside.map(|(_, failed, slow)| (*failed, *slow)))
            );
        }
        let same = window.resized(WindowConfig::Time(Duration::from_millis(millis)));
        prop_assert_eq!(same.clone().sums(Moment::from_nanos(now)), window.sums(Moment::from_nanos(now)));
        let wider = window.resized(WindowConfig::Time(Duration::from_millis(2 * millis)));
        prop_assert_eq!(wider.clone().sums(Moment::from_nanos(now)), window.sums(Moment::from_nanos(now)));
    }

    /// Whatever happens in whatever order: never more probes than allowed, and never stuck.
    #[test]
    fn it_is_never_stuck(steps in proptest::collection::vec((0..4_u8, 0..60_u64), 1..300), seed: u64) {
        let mut core = Core::new(config(), seed);
        let (mut now, mut held) = (0, Vec::new());
        for (what, step) in steps {
            now += step;
            match what {
                0 => held.extend(core.acquire(at(now))),
                1 => if let Some(pass) = held.pop() { core.record(&pass, &BAD, at(now)) },
                2 => if let Some(pass) = held.pop() { core.record(&pass, &GOOD, at(now)) },
                _ => if let Some(pass) = held.pop() { core.cancel(&pass) },
            }
        }
        // Nobody comes back any more: within a bounded time a call goes through again.
        for _ in 0..4 {
            now = core.next_wakeup().map_or(now, |at| at.as_nanos() / 1_000_000 + 1).max(now);
            if core.acquire(at(now)).is_ok() {
                return Ok(());
            }
        }
        prop_assert!(false, "stuck {core:?}");
    }
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn a_stricter_configuration_opens_for_its_whole_time() {
    use mamparo_context::{Clock, Context};

    use super::Breaker;
    use crate::{Admission, Admit};

    let (clock, manual) = Clock::manual();
    let open = OpenConfig { jitter: 0.0, ..OpenConfig::default() };
    let lax = BreakerConfig {
        window: WindowConfig::Calls(10),
        minimum_calls: 4,
        failure_percent: Some(90.0),
        open,
        ..BreakerConfig::default()
    };
    let breaker = Breaker::seeded(lax.clone(), clock, 1).unwrap();
    let cx = Context::root();
    let call = |outcome: Outcome| {
        let Admit::Admit(pass) = breaker.admit_now(&cx) else { panic!("it is closed") };
        breaker.record_now(pass.unwrap(), &outcome);
    };
    for _ in 0..5 {
        call(Outcome::Success);
        call(Outcome::Failure(Fault::upstream()));
    }
    breaker.reconfigure(BreakerConfig { failure_percent: Some(10.0), ..lax }).unwrap();
    call(Outcome::Success);
    assert_eq!(breaker.state(), BreakerState::Open);
    manual.advance(Duration::from_millis(999));
    assert!(matches!(breaker.admit_now(&cx), Admit::Refuse(refusal) if refusal.reason == Reason::Open));
}
