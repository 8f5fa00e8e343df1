//! Requests that are answered from what is kept, and what they get.

use mamparo_http_cache::Reason;

use crate::rig::*;

#[test]
fn what_is_fresh_is_served_with_its_age_and_what_is_not_is_fetched() {
    let rig = rig();
    let first = rig.forwarded(&get("/a"), fresh(10, "one"));
    assert_eq!((first.status, &*first.body), (200, "one"));
    assert_eq!(first.cache_status(), "mamparo; fwd=uri-miss; stored");
    assert_eq!(first.header("date"), Some(START), "who sends no date gets that of its coming");
    rig.pass(4);
    let second = rig.hit(&get("/a"));
    assert_eq!((second.status, &*second.body), (200, "one"));
    assert_eq!((second.header("age"), second.cache_status()), (Some("4"), "mamparo; hit; ttl=6"));
    assert_eq!(second.header("content-length"), Some("3"));
    rig.pass(6);
    let third = rig.forwarded(&get("/a"), fresh(10, "two"));
    assert_eq!((&*third.body, third.cache_status()), ("two", "mamparo; fwd=stale; stored"));
    assert_eq!(rig.hit(&get("/a")).body, "two");
    let counts = rig.cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.stored), (2, 2, 2));
}

#[test]
fn addresses_are_told_apart_and_what_makes_no_difference_is_not() {
    let rig = rig_with(|config| config.ignored_params = vec!["utm_*".into()]);
    let ask = |host: &'static str, path: &str, query| Ask { host, query, ..get(path) };
    rig.forwarded(&ask("a.example", "/x", Some("q=1")), fresh(60, "one"));
    for (ask, is_same) in [
        (ask("a.example", "/x", Some("q=1")), true),
        (ask("A.Example:443", "/x", Some("q=1&utm_source=mail")), true),
        (ask("b.example", "/x", Some("q=1")), false),
        (ask("a.example:8443", "/x", Some("q=1")), false),
        (ask("a.example", "/X", Some("q=1")), false),
        (ask("a.example", "/x", Some("q=2")), false),
        (ask("a.example", "/x", None), false),
    ] {
        let got = rig.send(&ask, |_| answer(200, &[], "other"));
        assert_eq!(!got.asked, is_same, "{ask:?}");
    }
}

#[test]
fn a_head_is_served_from_a_get_and_never_kept_itself() {
    let rig = rig();
    let got = rig.forwarded(&ask("HEAD", "/a"), fresh(10, ""));
    assert_eq!(got.cache_status(), "mamparo; fwd=uri-miss");
    rig.forwarded(&get("/a"), fresh(10, "one"));
    let head = rig.hit(&ask("HEAD", "/a"));
    assert_eq!((head.status, &*head.body, head.header("content-length")), (200, "", Some("3")));
    rig.pass(10);
    rig.forwarded(&ask("HEAD", "/a"), fresh(10, ""));
    assert_eq!(rig.cache.counts().bypassed_for(Reason::Head), 2);
}

#[test]
fn a_part_is_cut_out_of_what_is_kept_and_otherwise_fetched_as_it_is() {
    let rig = rig();
    let part = get("/a").with("range", "bytes=1-2");
    let got = rig.send(&part, |forwarded| {
        assert!(forwarded.contains_key("range"), "nobody knows how large the whole is");
        answer(206, &[("cache-control", "max-age=10"), ("content-range", "bytes 1-2/5")], "12")
    });
    assert_eq!((got.status, got.cache_status()), (206, "mamparo; fwd=uri-miss"));
    rig.forwarded(&get("/a"), fresh(10, "01234"));
    let got = rig.hit(&part);
    assert_eq!((got.status, &*got.body, got.header("content-range")), (206, "12", Some("bytes 1-2/5")));
    let beyond = rig.hit(&get("/a").with("range", "bytes=5-"));
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */5")));
    assert_eq!(rig.hit(&get("/a").with("range", "bytes=0-0,2-2")).status, 200);
    let other = get("/a").with("range", "bytes=1-2").with("if-range", "\"2\"");
    assert_eq!(rig.hit(&other).body, "01234");
}

#[test]
fn a_client_that_has_it_is_told_so_from_what_is_kept() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "one"));
    let got = rig.hit(&get("/a").with("if-none-match", "\"0\", W/\"1\""));
    assert_eq!((got.status, &*got.body, got.header("etag")), (304, "", Some("\"1\"")));
    assert_eq!(rig.hit(&get("/a").with("if-none-match", "\"2\"")).status, 200);
}

#[test]
fn a_client_that_has_it_already_fills_an_empty_cache_for_the_others() {
    let rig = rig();
    let got = rig.send(&get("/a").with("if-none-match", "\"1\""), |forwarded| {
        assert!(!forwarded.contains_key("if-none-match"));
        fresh(10, "one")
    });
    assert_eq!((got.status, &*got.body), (304, ""));
    assert_eq!(rig.hit(&get("/a")).body, "one");
}

#[test]
fn requests_say_what_they_take() {
    let said = |said: &str| get("/a").with("cache-control", said);
    for (said, age, is_asked) in [
        (said("max-age=5"), 5, false),
        (said("max-age=5"), 6, true),
        (said("min-fresh=4"), 6, false),
        (said("min-fresh=5"), 6, true),
        (said("max-stale=5"), 15, false),
        (said("max-stale=5"), 16, true),
        (said("max-stale"), 999, false),
        (said("no-cache"), 0, true),
        (said("no-store"), 0, true),
        (get("/a").with("pragma", "no-cache"), 0, true),
        (get("/a").with("if-match", "\"1\""), 0, true),
    ] {
        let rig = rig();
        rig.forwarded(&get("/a"), fresh(10, "one"));
        rig.pass(age);
        assert_eq!(rig.send(&said, |_| fresh(10, "two")).asked, is_asked, "{said:?}");
    }
    let deaf = rig_with(|config| config.request_directives = false);
    deaf.forwarded(&get("/a"), fresh(10, "one"));
    deaf.hit(&said("no-cache"));
    deaf.hit(&said("no-store"));
}

#[test]
fn who_takes_only_what_is_kept_waits_for_nothing() {
    let rig = rig();
    let only = get("/a").with("cache-control", "only-if-cached");
    assert_eq!(rig.hit(&only).status, 504);
    rig.forwarded(&get("/a"), fresh(10, "one"));
    assert_eq!(rig.hit(&only).body, "one");
    rig.pass(10);
    assert_eq!(rig.hit(&only).status, 504);
    assert_eq!(rig.cache.counts().only_if_cached, 2);
}

#[test]
fn what_is_answered_on_somebodys_behalf_is_for_others_only_if_it_says_so() {
    let rig = rig();
    let mine = get("/a").with("authorization", "Bearer me");
    rig.forwarded(&mine, fresh(10, "mine"));
    rig.forwarded(&get("/a"), fresh(10, "everybody's"));
    assert_eq!(rig.hit(&mine).body, "everybody's");
    let public = answer(200, &[("cache-control", "public, max-age=10")], "public");
    rig.forwarded(&get("/b").with("authorization", "Bearer me"), public);
    assert_eq!(rig.hit(&get("/b")).body, "public");
}

#[test]
fn what_is_private_on_somebodys_behalf_does_not_disturb_what_is_kept_for_all() {
    let rig = rig();
    rig.forwarded(&get("/a"), fresh(10, "everybody's"));
    rig.pass(10);
    let mine = get("/a").with("authorization", "Bearer me");
    let private = || answer(200, &[("cache-control", "private, max-age=10")], "mine");
    rig.forwarded(&mine, private());
    let got = rig.send(&get("/a"), |forwarded| {
        assert!(forwarded.contains_key("if-none-match"), "it is still kept");
        answer(304, &[("cache-control", "max-age=10")], "")
    });
    assert_eq!(got.body, "everybody's");
    let other = rig.forwarded(&get("/b").with("authorization", "Bearer me"), private());
    assert_eq!(other.body, "mine");
    assert!(matches!(rig.begin(&get("/b")), mamparo_http_cache::Begin::Miss(_)));
}

#[test]
fn a_cache_that_is_to_be_silent_is() {
    let rig = rig_with(|config| config.status_header = false);
    assert_eq!(rig.forwarded(&get("/a"), fresh(10, "one")).header("cache-status"), None);
    assert_eq!(rig.hit(&get("/a")).header("cache-status"), None);
    assert_eq!(rig.forwarded(&ask("POST", "/a"), fresh(10, "")).header("cache-status"), None);
}
