//! Tables of ages, and of what an answer is good for at which age.

use http::HeaderValue;
use http::header::HeaderName;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

fn at(seconds: u64) -> When {
    // 2026-01-01T00:00:00Z
    let start = Timestamp::from_micros(1_767_225_600_000_000);
    let by = Duration::from_secs(seconds);
    When { now: Moment::ZERO + by, wall: start + by }
}

#[test]
fn the_age_that_an_answer_comes_with_is_the_greater_of_two_guesses() {
    for (lines, began, received, age) in [
        (&[][..], 0, 0, 0),
        (&[], 0, 5, 5),
        (&[("age", "7")], 0, 0, 7),
        (&[("age", "7")], 0, 5, 12),
        (&[("age", "7, 9")], 0, 0, 7),
        (&[("age", "7"), ("age", "9")], 0, 0, 7),
        (&[("age", "-7")], 0, 0, 0),
        (&[("age", "soon")], 0, 0, 0),
        (&[("date", "Thu, 01 Jan 2026 00:00:00 GMT")], 8, 10, 10),
        (&[("date", "Thu, 01 Jan 2026 00:00:10 GMT"), ("age", "3")], 8, 10, 5),
        (&[("date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("age", "3")], 10, 10, 10),
        (&[("date", "Fri, 02 Jan 2026 00:00:00 GMT")], 10, 10, 0),
        (&[("date", "no date")], 10, 10, 0),
    ] {
        let found = initial_age(&map(lines), at(began), at(received));
        assert_eq!(found, Duration::from_secs(age), "{lines:?}");
    }
}

/// Fresh to 10, stale while it is fetched again to 15, in place of an error to 30.
fn times() -> Times {
    Times {
        initial_age: 2 * SECOND,
        received: Moment::ZERO,
        lifetime: 10 * SECOND,
        stale_while_revalidate: 5 * SECOND,
        stale_if_error: 20 * SECOND,
        may_be_stale: true,
        always_asks: false,
    }
}

#[test]
fn what_an_answer_is_good_for_depends_on_its_age_and_on_the_request() {
    let plain = Wishes::default();
    let no_cache = Wishes { no_cache: true, ..plain };
    let young = |max| Wishes { max_age: Some(max * SECOND), ..plain };
    let lasting = |min| Wishes { min_fresh: Some(min * SECOND), ..plain };
    let lenient = |max| Wishes { max_stale: Some(max * SECOND), ..plain };
    let strict = Times { may_be_stale: false, ..times() };
    let always = Times { always_asks: true, ..times() };
    for (times, wishes, age, quiet, expected) in [
        (times(), plain, 2, 0, Use::Fresh),
        (times(), plain, 9, 0, Use::Fresh),
        (times(), plain, 10, 0, Use::Behind),
        (times(), plain, 14, 0, Use::Behind),
        (times(), plain, 15, 0, Use::Ask),
        (times(), plain, 14, 99, Use::Stale),
        (times(), plain, 29, 99, Use::Stale),
        (times(), plain, 30, 99, Use::Ask),
        (times(), no_cache, 2, 0, Use::Ask),
        (times(), no_cache, 2, 99, Use::Ask),
        (times(), no_cache, 12, 99, Use::Ask),
        (times(), young(0), 12, 99, Use::Stale),
        (times(), young(5), 5, 0, Use::Fresh),
        (times(), young(5), 6, 0, Use::Ask),
        (times(), young(0), 12, 0, Use::Ask),
        (times(), lasting(3), 7, 0, Use::Fresh),
        (times(), lasting(3), 8, 0, Use::Ask),
        (times(), lasting(0), 12, 0, Use::Ask),
        (times(), lenient(10), 20, 0, Use::Stale),
        (times(), lenient(10), 21, 0, Use::Ask),
        (strict, lenient(10), 20, 0, Use::Ask),
        (always, plain, 2, 0, Use::Ask),
        (always, lenient(10), 12, 99, Use::Ask),
    ] {
        let now = Moment::ZERO + (age - 2) * SECOND;
        let quiet_until = Moment::ZERO + quiet * SECOND;
        assert_eq!(times.judge(&wishes, now, quiet_until), expected, "{wishes:?} at {age}");
    }
}

#[test]
fn only_what_is_stale_and_not_too_old_stands_in_for_an_error() {
    for (age, expected) in [(9, false), (10, true), (29, true), (30, false)] {
        assert_eq!(times().replaces_error(Moment::ZERO + (age - 2) * SECOND), expected, "{age}");
    }
    assert!(!Times { always_asks: true, ..times() }.replaces_error(Moment::ZERO + 10 * SECOND));
}
