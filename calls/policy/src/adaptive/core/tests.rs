//! Tables of the algorithms, and properties that hold for all of them.

use proptest::prelude::*;

use super::*;
use crate::adaptive::{AimdConfig, Gradient2Config, VegasConfig};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn at(ms: u64) -> Moment {
    Moment::from_nanos(0) + MS(ms)
}

fn sample(rtt: u64, in_flight: u64, dropped: bool) -> Sample {
    Sample { rtt: MS(rtt), in_flight, dropped, now: at(0) }
}

#[test]
fn vegas_keeps_a_few_calls_in_line() {
    // The limit is 100: a step is 2, the limit grows below 6 calls in line and shrinks above 12.
    for (rtt, in_flight, dropped, next, why) in [
        (100, 100, false, 112.0, "nothing stands in line"),
        (102, 100, false, 112.0, "2 stand in line"),
        (104, 100, false, 102.0, "4 stand in line"),
        (110, 100, false, 100.0, "10 stand in line"),
        (120, 100, false, 98.0, "17 stand in line"),
        (100, 49, false, 100.0, "less than half is used"),
        (100, 50, false, 112.0, "half is used"),
        (100, 100, true, 98.0, "a call was dropped"),
        (100, 10, true, 98.0, "a drop counts also while little is used"),
    ] {
        let mut vegas = Vegas::new(VegasConfig::default());
        vegas.baseline(MS(100));
        assert_eq!(vegas.sample(&sample(rtt, in_flight, dropped), 100.0), next, "{why}");
    }
}

#[test]
fn the_queue_is_reckoned_as_netflix_does() {
    for (limit, idle, rtt, queue) in
        [(100.0, 10, 20, 50.0), (100.0, 10, 10, 0.0), (100.0, 10, 5, 0.0), (30.0, 10, 40, 23.0)]
    {
        assert_eq!(Vegas::queue(limit, MS(idle), MS(rtt)), queue);
    }
}

#[test]
fn gradient2_tolerates_latency_up_to_a_factor() {
    for (rtt, in_flight, dropped, next, why) in [
        (100, 100, false, 100.8, "as usual: a fifth of the 4 in line"),
        (140, 100, false, 100.8, "within the tolerance"),
        (600, 100, false, 90.8, "never more than a half of it at a time"),
        (100, 49, false, 100.0, "less than half is used"),
        (100, 100, true, 90.0, "a call was dropped"),
    ] {
        let mut gradient = Gradient2::new(Gradient2Config::default());
        gradient.baseline(MS(100));
        let got = gradient.sample(&sample(rtt, in_flight, dropped), 100.0);
        assert!((got - next).abs() < 1e-6, "{why}: {got}");
    }
}

#[test]
fn aimd_adds_one_and_takes_a_tenth() {
    for (rtt, in_flight, dropped, next) in
        [(100, 100, false, 101.0), (100, 49, false, 100.0), (100, 100, true, 90.0), (5_001, 100, false, 90.0)]
    {
        assert_eq!(Aimd::new(AimdConfig::default()).sample(&sample(rtt, in_flight, dropped), 100.0), next);
    }
}

#[test]
fn calls_are_gathered_until_there_are_enough() {
    let config = AdaptiveConfig { min_samples: 3, ..AdaptiveConfig::default() };
    let call = |began, in_flight, dropped| Call { began: at(began), in_flight, dropped };
    let mut window = Window::new(at(0));
    for (began, ends) in [(0, 40), (10, 110)] {
        window.add(&call(began, 2, false), at(ends));
        assert_eq!(window.close(&config, at(ends)), None);
    }
    window.add(&call(60, 7, true), at(120));
    let sample = window.close(&config, at(120)).unwrap();
    assert_eq!((sample.rtt, sample.in_flight, sample.dropped), (MS(70), 7, true));
    // Too few calls: closed after ten windows with what it has.
    window.add(&call(130, 1, true), at(1_119));
    assert_eq!(window.close(&config, at(1_119)), None);
    assert_eq!(window.close(&config, at(1_120)).unwrap().rtt, MS(989));
    assert_eq!(window.close(&config, at(9_000)), None, "nobody called");
}

#[test]
fn new_values_keep_what_was_learned_within_the_new_bounds() {
    let config = AdaptiveConfig { initial: 50, ..AdaptiveConfig::default() };
    let mut core = Core::new(config, at(0));
    core.reconfigure(AdaptiveConfig { initial: 10, max: 200, ..config }, at(0));
    assert_eq!(core.limit(), 50);
    core.reconfigure(AdaptiveConfig { initial: 10, max: 30, ..config }, at(0));
    assert_eq!(core.limit(), 30);
}

fn algorithms() -> impl Strategy<Value = AlgorithmConfig> {
    prop_oneof![
        Just(AlgorithmConfig::Vegas(VegasConfig::default())),
        Just(AlgorithmConfig::Gradient2(Gradient2Config::default())),
        Just(AlgorithmConfig::Aimd(AimdConfig { slow: MS(50), ..AimdConfig::default() })),
    ]
}

proptest! {
    /// Whatever happens, the limit stays within its bounds.
    #[test]
    fn the_limit_never_leaves_its_bounds(
        algorithm in algorithms(),
        calls in proptest::collection::vec((0..500u64, 0..2_000u64, 0..3_000u64, any::<bool>()), 1..400),
    ) {
        let config = AdaptiveConfig {
            algorithm, min: 3, initial: 20, max: 80, min_samples: 1,
            window: MS(10), probe_every: MS(1_000), ..AdaptiveConfig::default()
        };
        let (mut core, mut now) = (Core::new(config, at(0)), 5_000);
        for (pause, rtt, in_flight, dropped) in calls {
            now += pause;
            let call = Call { began: at(now - rtt), in_flight, dropped };
            core.record(call, at(now), || 0.5);
            prop_assert!((3..=80).contains(&(core.learned() as u64)));
            prop_assert!((1..=80).contains(&core.limit()), "{}", core.limit());
        }
    }

    /// The limit does not grow while less than half of it is used.
    #[test]
    fn it_does_not_grow_while_it_is_not_used(
        algorithm in algorithms(),
        rtts in proptest::collection::vec(1..500u64, 1..400),
    ) {
        let config = AdaptiveConfig { algorithm, initial: 40, min_samples: 1, ..AdaptiveConfig::default() };
        let mut core = Core::new(config, at(0));
        for (number, rtt) in rtts.into_iter().enumerate() {
            let (now, before) = (1_000 + number as u64 * 100, core.learned());
            let in_flight = (before / 2.0 - 1.0).max(0.0) as u64;
            core.record(Call { began: at(now - rtt), in_flight, dropped: false }, at(now), || 0.5);
            prop_assert!(core.learned() <= before);
        }
    }
}
