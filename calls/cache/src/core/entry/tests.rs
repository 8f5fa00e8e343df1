//! The life of an entry, as tables and as properties.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

fn rules() -> Rules {
    Rules {
        time_to_live: Some(10 * SECOND),
        jitter: 0.0,
        negative: Some(SECOND),
        stale_while_revalidate: 5 * SECOND,
        stale_if_error: 60 * SECOND,
        error_pause: 3 * SECOND,
        early_refresh: 0.0,
    }
}

#[test]
fn an_entry_is_fresh_then_stale_then_a_fallback_then_nothing() {
    let rules = rules();
    let times = rules.times(NOW, false, None, Duration::ZERO, 0.5).unwrap();
    for (after, freshness) in [
        (0, Freshness::Fresh),
        (9_999, Freshness::Fresh),
        (10_000, Freshness::Stale),
        (14_999, Freshness::Stale),
        (15_000, Freshness::Fallback),
        (69_999, Freshness::Fallback),
        (70_000, Freshness::Expired),
    ] {
        let at = NOW + Duration::from_millis(after);
        assert_eq!(rules.judge(&times, at, None, || 0.0), freshness, "after {after} ms");
    }
}

#[test]
fn a_failed_refresh_is_not_repeated_for_a_while() {
    let rules = rules();
    let times = rules.times(NOW, false, None, Duration::ZERO, 0.5).unwrap();
    let failed_at = NOW + 20 * SECOND;
    let times = rules.after_failure(times, failed_at);
    for (after, freshness) in
        [(20, Freshness::Quiet), (22, Freshness::Quiet), (23, Freshness::Fallback), (70, Freshness::Expired)]
    {
        assert_eq!(rules.judge(&times, NOW + after * SECOND, None, || 0.0), freshness, "after {after} s");
    }
}

#[test]
fn a_failed_early_refresh_leaves_the_entry_fresh_and_quiet() {
    let rules = Rules { early_refresh: 1.0, ..rules() };
    let times = rules.times(NOW, false, None, SECOND, 0.5).unwrap();
    let at = NOW + 9 * SECOND;
    assert_eq!(rules.judge(&times, at, None, || 0.0), Freshness::Early);
    let times = rules.after_failure(times, at);
    assert_eq!(rules.judge(&times, at, None, || 0.0), Freshness::Fresh);
}

#[test]
fn an_entry_under_suspicion_is_stale_and_not_gone() {
    let rules = rules();
    let times = rules.times(NOW, false, None, Duration::ZERO, 0.5).unwrap();
    let since = Some(NOW + SECOND);
    for (after, freshness) in [(1, Freshness::Stale), (6, Freshness::Fallback), (61, Freshness::Expired)] {
        assert_eq!(rules.judge(&times, NOW + after * SECOND, since, || 0.0), freshness, "after {after} s");
    }
    let for_ever = Rules { time_to_live: None, ..rules };
    let times = for_ever.times(NOW, false, None, Duration::ZERO, 0.5).unwrap();
    assert_eq!(for_ever.judge(&times, NOW + SECOND, since, || 0.0), Freshness::Stale);
    assert_eq!(for_ever.judge(&times, NOW + SECOND, None, || 0.0), Freshness::Fresh);
}

#[test]
fn an_absence_has_a_time_of_its_own_or_is_not_kept() {
    let rules = rules();
    let times = rules.times(NOW, true, None, Duration::ZERO, 0.5).unwrap();
    assert_eq!(times.fresh_until, NOW + SECOND);
    let none = Rules { negative: None, ..rules };
    assert_eq!(none.times(NOW, true, None, Duration::ZERO, 0.5), None);
    assert!(none.times(NOW, true, Some(SECOND), Duration::ZERO, 0.5).is_some());
    assert_eq!(rules.times(NOW, false, Some(Duration::ZERO), Duration::ZERO, 0.5), None);
}

#[test]
fn the_chance_of_an_early_refresh_is_that_of_xfetch() {
    let rules = Rules { early_refresh: 1.0, time_to_live: Some(1_000 * SECOND), ..rules() };
    let times = rules.times(NOW, false, None, SECOND, 0.0).unwrap();
    // With one cost of a load left the chance is 1/e; with three, e^-3.
    for (left, chance) in [(1.0, 0.3679), (3.0, 0.0498), (0.1, 0.9048)] {
        let at = Moment::from_nanos(times.fresh_until.as_nanos() - (left * 1e9) as u64);
        let draws = 100_000;
        let early = (0..draws)
            .filter(|draw| {
                let unit = (f64::from(*draw) + 0.5) / f64::from(draws);
                rules.judge(&times, at, None, || unit) == Freshness::Early
            })
            .count();
        let found = early as f64 / f64::from(draws);
        assert!((found - chance).abs() < 0.001, "{left} left: {found}, not {chance}");
    }
}

proptest! {
    #[test]
    fn before_it_is_calm_no_draw_would_have_refreshed(
        cost in 0_u64..10_000_000_000, beta in 0.0..4.0_f64, before in 1_u64..1_000_000_000_000,
    ) {
        let rules = Rules { early_refresh: beta, time_to_live: Some(3_600 * SECOND), ..rules() };
        let times = rules.times(NOW, false, None, Duration::from_nanos(cost), 0.0).unwrap();
        let at = Moment::from_nanos(times.calm_until.as_nanos().saturating_sub(before));
        prop_assert!(!rules.is_early(times.cost, times.fresh_until.since(at), 0.0));
        prop_assert!(times.calm_until <= times.fresh_until);
    }

    #[test]
    fn jitter_shortens_by_its_share_at_the_most(jitter in 0.0..=1.0_f64, unit in 0.0..1.0_f64) {
        let rules = Rules { jitter, ..rules() };
        if let Some(times) = rules.times(NOW, false, None, Duration::ZERO, unit) {
            let life = times.fresh_until.since(NOW).as_secs_f64();
            prop_assert!((10.0 * (1.0 - jitter) - 1e-6..=10.0).contains(&life), "{}", life);
        }
    }

    #[test]
    fn an_entry_never_gets_fresher(step in 1_u64..3_000, suspect in proptest::option::of(0_u64..30_000)) {
        let rules = rules();
        let times = rules.times(NOW, false, None, Duration::ZERO, 0.0).unwrap();
        let since = suspect.map(|after| NOW + Duration::from_millis(after));
        let rank = |freshness| match freshness {
            Freshness::Fresh | Freshness::Early => 0,
            Freshness::Stale | Freshness::Quiet => 1,
            Freshness::Fallback => 2,
            Freshness::Expired => 3,
        };
        let mut last = 0;
        for at in (0..100_000).step_by(step as usize) {
            let now = rank(rules.judge(&times, NOW + Duration::from_millis(at), since, || 1.0));
            prop_assert!(now >= last);
            last = now;
        }
    }
}
