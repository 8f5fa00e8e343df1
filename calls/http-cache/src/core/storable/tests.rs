//! Tables of answers: which are kept, for how long, and why the others are not.

use http::HeaderValue;
use mamparo_context::{Moment, Timestamp};

use super::*;

const NOW: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
const MINUTE_AGO: &str = "Wed, 31 Dec 2025 23:59:00 GMT";
const IN_A_MINUTE: &str = "Thu, 01 Jan 2026 00:01:00 GMT";

fn now() -> When {
    When { now: Moment::from_nanos(1), wall: Timestamp::from_micros(1_767_225_600_000_000) }
}

fn judge_with(
    rules: &Rules,
    status: u16,
    authorized: bool,
    lines: &[(&'static str, &str)],
) -> Result<Times, Unstorable> {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let headers = lines.iter().map(line).collect();
    judge((StatusCode::from_u16(status).unwrap(), &headers), authorized, rules, now(), now())
}

fn rules() -> Rules {
    Rules { targeted: vec![HeaderName::from_static("cdn-cache-control")], ..Rules::default() }
}

#[test]
fn how_long_an_answer_is_fresh_is_said_by_the_nearest_who_says_it() {
    for (lines, seconds) in [
        (&[("cache-control", "max-age=60")][..], 60),
        (&[("cache-control", "max-age=60, s-maxage=30")], 30),
        (&[("cache-control", "s-maxage=90, max-age=60")], 90),
        (&[("cache-control", "max-age=60"), ("expires", NOW)], 60),
        (&[("expires", IN_A_MINUTE)], 60),
        (&[("expires", IN_A_MINUTE), ("date", MINUTE_AGO)], 120),
        (&[("expires", IN_A_MINUTE), ("expires", IN_A_MINUTE)], 60),
        (&[("cache-control", "max-age=60"), ("cdn-cache-control", "max-age=5")], 5),
        (&[("cache-control", "no-store"), ("cdn-cache-control", "max-age=5")], 5),
        (&[("cache-control", "max-age=60"), ("cdn-cache-control", "malformed=")], 60),
    ] {
        let lifetime = judge_with(&rules(), 200, false, lines).map(|times| times.lifetime);
        assert_eq!(lifetime, Ok(Duration::from_secs(seconds)), "{lines:?}");
    }
}

#[test]
fn what_must_not_be_kept_is_not_and_the_reason_is_told() {
    use Unstorable::*;
    for (status, authorized, lines, expected) in [
        (200, false, &[("cache-control", "max-age=60")][..], None),
        (200, false, &[("cache-control", "max-age=60, no-store")], Some(NoStore)),
        (200, false, &[("cache-control", "max-age=60, private")], Some(Private)),
        (200, false, &[("cache-control", "max-age=60, private=\"x\"")], Some(Private)),
        (200, false, &[("cache-control", "max-age=60"), ("set-cookie", "a=1")], Some(SetCookie)),
        (200, false, &[("cache-control", "max-age=60"), ("vary", "*")], Some(Vary)),
        (200, false, &[("cache-control", "max-age=0")], Some(Worthless)),
        (200, false, &[("cache-control", "max-age=60"), ("age", "60")], Some(Worthless)),
        (200, false, &[("cache-control", "max-age=60"), ("age", "59")], None),
        (200, false, &[("cache-control", "max-age=0"), ("etag", "\"a\"")], None),
        (200, false, &[("cache-control", "no-cache"), ("etag", "\"a\"")], None),
        (200, false, &[("cache-control", "no-cache, max-age=60")], Some(Worthless)),
        (200, false, &[("expires", "0")], Some(Worthless)),
        (200, false, &[("expires", IN_A_MINUTE), ("expires", NOW)], Some(Worthless)),
        (200, false, &[("cache-control", "max-age=60"), ("cdn-cache-control", "private")], Some(Private)),
        (200, false, &[], Some(Worthless)),
        (200, false, &[("etag", "\"a\"")], None),
        (404, false, &[("etag", "\"a\"")], Some(Worthless)),
        (404, false, &[("cache-control", "max-age=60")], None),
        (302, false, &[("etag", "\"a\"")], Some(Status)),
        (302, false, &[("cache-control", "max-age=60")], None),
        (599, false, &[("cache-control", "max-age=60")], None),
        (599, false, &[("cache-control", "max-age=60, must-understand")], Some(Status)),
        (200, false, &[("cache-control", "max-age=60, must-understand, no-store")], None),
        (206, false, &[("cache-control", "max-age=60")], Some(Status)),
        (304, false, &[("cache-control", "max-age=60")], Some(Status)),
        (200, false, &[("cache-control", "max-age=60"), ("content-range", "bytes 0-1/2")], Some(Status)),
        (200, true, &[("cache-control", "max-age=60")], Some(Authorization)),
        (200, true, &[("cache-control", "max-age=60, public")], None),
        (200, true, &[("cache-control", "max-age=60, must-revalidate")], None),
        (200, true, &[("cache-control", "s-maxage=60")], None),
    ] {
        let found = judge_with(&rules(), status, authorized, lines).err();
        assert_eq!(found, expected, "{status} {lines:?}");
    }
    let lines = &[("cache-control", "max-age=60"), ("set-cookie", "a=1")];
    let keeps = Rules { keeps_cookies: true, ..rules() };
    assert!(judge_with(&keeps, 200, false, lines).is_ok());
}

#[test]
fn what_says_nothing_lives_as_the_rules_say() {
    let default = Rules { default_ttl: Duration::from_secs(7), heuristic_percent: 10, ..rules() };
    let guess = Rules { heuristic_percent: 10, ..rules() };
    for (rules, status, lines, seconds) in [
        (&default, 200, &[][..], 7),
        (&default, 301, &[], 7),
        (&default, 200, &[("cache-control", "max-age=60")], 60),
        (&guess, 200, &[("last-modified", MINUTE_AGO)], 6),
        (&guess, 200, &[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")], 86_400),
    ] {
        let lifetime = judge_with(rules, status, false, lines).map(|times| times.lifetime);
        assert_eq!(lifetime, Ok(Duration::from_secs(seconds)), "{status} {lines:?}");
    }
    for status in [404, 500, 503] {
        assert!(judge_with(&default, status, false, &[]).is_err(), "an error is not kept unless it says so");
    }
}

#[test]
fn what_must_be_asked_for_again_is_never_stale() {
    let rules = Rules {
        stale_while_revalidate: Duration::from_secs(5),
        stale_if_error: Duration::from_secs(6),
        ..rules()
    };
    for (said, behind, error, may_be_stale) in [
        ("max-age=60", 5, 6, true),
        ("max-age=60, stale-while-revalidate=1, stale-if-error=2", 1, 2, true),
        ("max-age=60, stale-while-revalidate=0", 0, 6, true),
        ("max-age=60, must-revalidate, stale-while-revalidate=1", 0, 0, false),
        ("max-age=60, proxy-revalidate, stale-if-error=1", 0, 0, false),
        ("s-maxage=60", 0, 0, false),
        ("s-maxage=60, stale-while-revalidate=1", 1, 0, false),
    ] {
        let times = judge_with(&rules, 200, false, &[("cache-control", said)]).unwrap();
        let stale = (times.stale_while_revalidate.as_secs(), times.stale_if_error.as_secs());
        assert_eq!((stale.0, stale.1, times.may_be_stale), (behind, error, may_be_stale), "{said}");
    }
}
