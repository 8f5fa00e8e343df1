//! The service is asked whether what is kept is still the same.

use crate::rig::*;

#[test]
fn what_has_not_changed_lives_on_with_what_the_304_says() {
    let rig = rig();
    let with = [
        ("cache-control", "max-age=10"),
        ("etag", "\"1\""),
        ("last-modified", DAY_BEFORE),
        ("x-old", "kept"),
        ("x-new", "0"),
    ];
    rig.forwarded(&get("/a"), answer(200, &with, "one"));
    rig.pass(10);
    let got = rig.send(&get("/a").with("if-none-match", "\"client's\""), |forwarded| {
        assert_eq!(forwarded["if-none-match"], "\"1\"");
        assert_eq!(forwarded["if-modified-since"], DAY_BEFORE);
        answer(304, &[("cache-control", "max-age=20"), ("x-new", "1"), ("content-length", "0")], "")
    });
    assert_eq!((got.status, &*got.body), (200, "one"));
    assert_eq!(got.cache_status(), "mamparo; fwd=stale; fwd-status=304; stored; ttl=20");
    rig.pass(19);
    let later = rig.hit(&get("/a"));
    assert_eq!((later.header("x-old"), later.header("x-new")), (Some("kept"), Some("1")));
    assert_eq!((later.header("age"), later.header("content-length")), (Some("19"), Some("3")));
    assert_eq!(rig.cache.counts().revalidated, 1);
}

#[test]
fn a_client_that_has_it_is_told_so_when_the_service_has_said_so() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.pass(10);
    let got = rig.forwarded(&get("/a").with("if-none-match", "\"1\""), answer(304, &[], ""));
    assert_eq!(got.status, 304);
    rig.pass(10);
    let part = get("/a").with("range", "bytes=0-0");
    let got = rig.send(&part, |forwarded| {
        assert!(!forwarded.contains_key("range"));
        answer(304, &[], "")
    });
    assert_eq!((got.status, &*got.body), (206, "o"));
}

#[test]
fn what_has_changed_takes_the_place_of_what_was_kept() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.pass(10);
    let new = answer(200, &[("cache-control", "max-age=10"), ("etag", "\"2\"")], "two");
    assert_eq!(rig.forwarded(&get("/a"), new).body, "two");
    assert_eq!(rig.hit(&get("/a")).body, "two");
    rig.pass(10);
    rig.forwarded(&get("/a"), answer(200, &[("cache-control", "no-store")], "secret"));
    let got = rig.send(&get("/a"), |forwarded| {
        assert!(!forwarded.contains_key("if-none-match"), "nothing is kept any more");
        answer(404, &[("cache-control", "max-age=10")], "gone")
    });
    assert_eq!(got.status, 404);
    assert_eq!(rig.hit(&get("/a")).status, 404);
}

#[test]
fn a_304_that_forbids_the_keeping_is_obeyed() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.pass(10);
    let got = rig.forwarded(&get("/a"), answer(304, &[("cache-control", "no-store")], ""));
    assert_eq!(got.body, "one", "it is still what the service says it is");
    let got = rig.forwarded(&get("/a"), fresh(10, "two"));
    assert_eq!(got.cache_status(), "mamparo; fwd=uri-miss; stored");
}

#[test]
fn a_304_of_another_answer_is_the_end_of_what_was_kept() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.pass(10);
    assert_eq!(rig.forwarded(&get("/a"), answer(304, &[("etag", "\"2\"")], "")).body, "one");
    rig.send(&get("/a"), |forwarded| {
        assert!(!forwarded.contains_key("if-none-match"));
        fresh(10, "two")
    });
}

#[test]
fn a_304_that_nobody_asked_for_is_passed_on() {
    let rig = rig();
    assert_eq!(rig.forwarded(&get("/a"), answer(304, &[], "")).status, 304);
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.hit(&get("/a"));
}

#[test]
fn a_cookie_of_a_304_goes_to_its_client_and_to_nobody_else() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.pass(10);
    let got = rig.forwarded(&get("/a"), answer(304, &[("set-cookie", "session=1")], ""));
    assert_eq!((&*got.body, got.header("set-cookie")), ("one", Some("session=1")));
    assert_eq!(rig.hit(&get("/a")).header("set-cookie"), None);
}

#[test]
fn a_304_to_somebody_does_not_renew_what_is_for_all_unless_it_says_so() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    rig.pass(10);
    let mine = get("/a").with("authorization", "Bearer me");
    assert_eq!(rig.forwarded(&mine, answer(304, &[], "")).body, "one");
    let got = rig.forwarded(&get("/a"), answer(304, &[], ""));
    assert_eq!(got.body, "one");
    rig.hit(&get("/a"));
}

#[test]
fn the_age_of_what_was_asked_for_begins_anew() {
    let rig = rig();
    let with = [("cache-control", "max-age=10"), ("etag", "\"1\""), ("date", START)];
    rig.forwarded(&get("/a"), answer(200, &with, "one"));
    rig.pass(100);
    // It says no date: that it has not changed is of now.
    rig.forwarded(&get("/a"), answer(304, &[], ""));
    rig.pass(9);
    assert_eq!(rig.hit(&get("/a")).header("age"), Some("9"));
    rig.pass(91);
    rig.forwarded(&get("/a"), answer(304, &[("age", "4")], ""));
    rig.pass(5);
    assert_eq!(rig.hit(&get("/a")).header("age"), Some("9"));
}
