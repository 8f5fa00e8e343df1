//! What is forgotten: by a tag, an address, a beginning, or because a request changed it.

use mamparo_http_cache::{Begin, Purge};

use crate::rig::*;

fn tagged(tags: &str, body: &str) -> http::Response<bytes::Bytes> {
    answer(200, &[("cache-control", "max-age=60"), ("cache-tag", tags), ("vary", "x-v")], body)
}

#[test]
fn each_purge_reaches_what_it_means_and_nothing_else() {
    for (purge, left) in [
        (Purge::Tag("one".into()), [false, true, false, true]),
        (Purge::Tag("none".into()), [true, true, true, true]),
        (Purge::Address("https://Shop.example:443/a/1".into()), [false, true, true, true]),
        (Purge::Address("http://shop.example/a/1".into()), [true, true, true, true]),
        (Purge::Prefix("https://shop.example/a/".into()), [false, false, true, true]),
        (Purge::All, [false, false, false, false]),
    ] {
        let rig = rig();
        let asks = ["/a/1", "/a/2", "/b/1", "/b/2"].map(|path| [get(path), get(path).with("x-v", "2")]);
        for (ask, tags) in asks.iter().zip(["one", "two, three", "four one", "five"]) {
            for ask in ask {
                rig.forwarded(ask, tagged(tags, "old"));
                rig.hit(ask);
            }
        }
        rig.cache.purge(&purge).unwrap();
        for (ask, is_left) in asks.iter().zip(left) {
            for ask in ask {
                assert_eq!(!rig.send(ask, |_| tagged("", "new")).asked, is_left, "{purge:?} {ask:?}");
            }
        }
    }
    assert!(rig().cache.purge(&Purge::Address("/a".into())).is_err());
}

#[test]
fn what_is_purged_while_it_is_fetched_is_not_kept() {
    for purge in [
        Purge::Tag("one".into()),
        Purge::Address("https://shop.example/a".into()),
        Purge::Prefix("https://shop.example/".into()),
        Purge::All,
    ] {
        let rig = rig();
        let ask = get("/a");
        let fill = rig.miss(&ask);
        rig.cache.purge(&purge).unwrap();
        let got = rig.fetch(fill, &ask, |_| tagged("one", "old"));
        assert_eq!(got.body, "old", "who asked before gets it");
        rig.forwarded(&ask, tagged("one", "new"));
        assert_eq!(rig.hit(&ask).body, "new", "{purge:?}");
    }
}

#[test]
fn what_is_purged_between_the_head_and_the_end_of_an_answer_is_not_kept_either() {
    let rig = rig();
    let ask = get("/a").with("x-v", "1");
    // Also where one asks alone, and nobody waits for it.
    for ask in [ask.clone(), ask.with("cache-control", "no-cache")] {
        let mut fill = rig.miss(&ask);
        let mut old = tagged("one", "old");
        let status = old.status();
        _ = fill.answer_head(status, old.headers_mut(), rig.when());
        fill.push(old.body());
        rig.cache.purge(&Purge::Address("https://shop.example/a".into())).unwrap();
        fill.finish();
        assert!(matches!(rig.begin(&ask), Begin::Miss(_)));
    }
    assert_eq!(rig.cache.counts().overtaken, 2);
}

#[test]
fn a_change_makes_unknown_what_it_names_within_its_origin() {
    for (method, status, headers, forgotten) in [
        ("POST", 201, &[("location", "/b")][..], [true, true, false]),
        ("PUT", 204, &[("content-location", "b?")], [true, false, false]),
        ("DELETE", 200, &[], [true, false, false]),
        ("PATCH", 303, &[("location", "https://shop.example/b#x")], [true, true, false]),
        ("BREW", 200, &[("location", "https://other.example/b")], [true, false, false]),
        ("POST", 404, &[("location", "/b")], [false, false, false]),
        ("POST", 500, &[], [false, false, false]),
        ("OPTIONS", 200, &[("location", "/b")], [false, false, false]),
    ] {
        let rig = rig();
        let asks = [get("/a"), get("/b"), Ask { host: "other.example", ..get("/b") }];
        for ask in &asks {
            rig.forwarded(ask, fresh(60, "old"));
        }
        let got = rig.forwarded(&ask(method, "/a"), answer(status, headers, ""));
        assert_eq!(got.cache_status(), "mamparo; fwd=method");
        let found = asks.map(|ask| rig.send(&ask, |_| fresh(60, "new")).asked);
        assert_eq!(found, forgotten, "{method} {status} {headers:?}");
    }
}

#[test]
fn a_304_can_bring_other_tags_and_without_any_those_before_stay() {
    let rig = rig();
    let with = |tags: &str| {
        answer(200, &[("cache-control", "max-age=10"), ("etag", "\"1\""), ("cache-tag", tags)], "x")
    };
    rig.forwarded(&get("/a"), with("one"));
    rig.pass(10);
    rig.forwarded(&get("/a"), answer(304, &[], ""));
    rig.cache.purge(&Purge::Tag("one".into())).unwrap();
    rig.forwarded(&get("/a"), with("one"));
    rig.pass(10);
    rig.forwarded(&get("/a"), answer(304, &[("cache-tag", "two")], ""));
    rig.cache.purge(&Purge::Tag("one".into())).unwrap();
    rig.hit(&get("/a"));
    rig.cache.purge(&Purge::Tag("two".into())).unwrap();
    rig.forwarded(&get("/a"), with("one"));
}
