//! What is stale and served all the same (RFC 5861).

use mamparo_http_cache::{Begin, Verdict};

use crate::rig::*;

const LENIENT: &[(&str, &str)] =
    &[("cache-control", "max-age=10, stale-while-revalidate=20, stale-if-error=60"), ("etag", "\"1\"")];

#[test]
fn what_is_stale_is_served_at_once_and_one_request_is_forwarded_behind() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, LENIENT, "one"));
    rig.pass(12);
    let Begin::StaleServe { answer: stale, revalidate } = rig.begin(&get("/a")) else {
        panic!("it is fetched behind");
    };
    assert_eq!((&stale.body()[..], &stale.headers()["age"]), (&b"one"[..], &"12".parse().unwrap()));
    for _ in 0..10 {
        let Begin::Stale(again) = rig.begin(&get("/a")) else { panic!("it is fetched already") };
        let status = again.headers()["cache-status"].to_str().unwrap();
        assert_eq!((&again.body()[..], status), (&b"one"[..], "mamparo; hit; ttl=-2"));
    }
    rig.fetch(revalidate, &get("/a"), |forwarded| {
        assert_eq!(forwarded["if-none-match"], "\"1\"");
        answer(200, LENIENT, "two")
    });
    assert_eq!(rig.hit(&get("/a")).body, "two");
    let counts = rig.cache.counts();
    assert_eq!((counts.refreshes, counts.stale, counts.misses), (1, 11, 1));
}

#[test]
fn a_fetch_behind_that_fails_is_not_repeated_at_once() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, LENIENT, "one"));
    rig.pass(12);
    assert_eq!(rig.send(&get("/a"), |_| answer(503, &[], "")).body, "one");
    rig.hit(&get("/a"));
    rig.pass(2);
    assert!(matches!(rig.begin(&get("/a")), Begin::StaleServe { .. }));
}

#[test]
fn a_head_is_served_what_is_stale_and_leaves_the_fetch_to_a_get() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, LENIENT, "one"));
    rig.pass(12);
    rig.hit(&ask("HEAD", "/a"));
    assert!(matches!(rig.begin(&get("/a")), Begin::StaleServe { .. }));
}

#[test]
fn what_is_old_stands_in_for_an_error_for_as_long_as_it_may() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, LENIENT, "one"));
    rig.pass(40);
    let got = rig.forwarded(&get("/a"), answer(502, &[], "bad"));
    assert_eq!((got.status, &*got.body), (200, "one"));
    assert_eq!(got.cache_status(), "mamparo; fwd=stale; fwd-status=502; ttl=-30");
    let quiet = rig.hit(&get("/a"));
    assert_eq!(quiet.body, "one", "the service is left alone for a moment");
    rig.pass(2);
    let Begin::Miss(fill) = rig.begin(&get("/a")) else { panic!("it is asked again") };
    let instead = fill.fail(rig.when()).unwrap();
    assert_eq!(&instead.body()[..], b"one");
    rig.pass(2);
    let missing = rig.forwarded(&get("/a"), answer(404, &[], "gone"));
    assert_eq!(missing.status, 404, "this is an answer, and no error");
    rig.forwarded(&get("/b"), answer(200, LENIENT, "one"));
    rig.pass(70);
    assert_eq!(rig.forwarded(&get("/b"), answer(502, &[], "bad")).status, 502);
}

#[test]
fn who_cannot_wait_any_longer_gets_what_is_old_and_says_nothing_of_the_service() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, LENIENT, "one"));
    rig.pass(40);
    let fill = rig.miss(&get("/a"));
    let Begin::Wait(_waiter) = rig.begin(&get("/a")) else { panic!("it is fetched") };
    assert_eq!(&fill.give_up(rig.when()).unwrap().body()[..], b"one");
    let next = rig.miss(&get("/a"));
    let Begin::Wait(_waiter) = rig.begin(&get("/a")) else { panic!("the service has not failed") };
    drop(next);
    assert!(rig.miss(&get("/b")).give_up(rig.when()).is_none());
}

#[test]
fn an_error_does_not_drive_out_what_is_kept() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.pass(10);
    for status in [500, 503, 429, 408] {
        assert_eq!(rig.forwarded(&get("/a"), answer(status, &[], "bad")).status, status);
    }
    assert_eq!(rig.forwarded(&get("/a"), answer(304, &[], "")).body, "one");
}

#[test]
fn who_insists_on_what_is_new_gets_the_error() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, LENIENT, "one"));
    rig.pass(12);
    let insists = get("/a").with("cache-control", "no-cache");
    assert_eq!(rig.forwarded(&insists, answer(503, &[], "bad")).status, 503);
    let strict = [("cache-control", "max-age=10, stale-if-error=60, must-revalidate"), ("etag", "\"1\"")];
    rig.forwarded(&get("/b"), answer(200, &strict, "one"));
    rig.pass(12);
    assert_eq!(rig.forwarded(&get("/b"), answer(503, &[], "bad")).status, 503);
}

#[test]
fn a_cache_can_be_told_what_answers_do_not_say() {
    let rig = rig_with(|config| {
        config.default_ttl = 5 * SECOND;
        config.stale_while_revalidate = 5 * SECOND;
        config.stale_if_error = 60 * SECOND;
    });
    rig.forwarded(&get("/a"), answer(200, &[], "one"));
    rig.pass(4);
    rig.hit(&get("/a"));
    rig.pass(5);
    let got = rig.send(&get("/a"), |_| answer(200, &[], "two"));
    assert_eq!((got.asked, &*got.body), (false, "one"));
    rig.pass(30);
    assert_eq!(rig.forwarded(&get("/a"), answer(503, &[], "bad")).body, "two");
}

#[test]
fn a_body_that_breaks_off_is_not_kept_and_what_was_is() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, LENIENT, "one"));
    rig.pass(12);
    let Begin::StaleServe { mut revalidate, .. } = rig.begin(&get("/a")) else { panic!("behind") };
    let mut new = answer(200, LENIENT, "two");
    let status = new.status();
    assert!(matches!(revalidate.answer_head(status, new.headers_mut(), rig.when()), Verdict::Store));
    revalidate.push(&"tw".into());
    assert!(revalidate.fail(rig.when()).is_none(), "the client has got the head of the other already");
    assert_eq!(rig.hit(&get("/a")).body, "one");
}
