//! What is kept, how variants are told apart, and how much room there is.

use bytes::Bytes;
use mamparo_http_cache::{Begin, Reason, Verdict};

use crate::rig::*;

#[test]
fn what_must_not_be_kept_is_fetched_each_time() {
    for with in [
        answer(200, &[("cache-control", "no-store, max-age=10")], "x"),
        answer(200, &[("cache-control", "private, max-age=10")], "x"),
        answer(200, &[("cache-control", "max-age=10"), ("set-cookie", "a=1")], "x"),
        answer(200, &[("cache-control", "max-age=10"), ("vary", "*")], "x"),
        answer(200, &[("expires", "0")], "x"),
        answer(200, &[], "x"),
        answer(500, &[], "x"),
        answer(200, &[("cache-control", "max-age=10"), ("content-length", "5")], "cut"),
        answer(200, &[("cache-control", "max-age=10"), ("cache-tag", &"t".repeat(300))], "x"),
    ] {
        let rig = rig();
        let again = with.clone();
        rig.forwarded(&get("/a"), with);
        rig.forwarded(&get("/a"), again);
    }
}

#[test]
fn what_says_no_cache_is_kept_but_its_service_is_asked_each_time() {
    let rig = rig();
    rig.forwarded(&get("/a"), answer(200, &[("cache-control", "no-cache"), ("etag", "\"1\"")], "one"));
    for _ in 0..3 {
        let got = rig.send(&get("/a"), |forwarded| {
            assert_eq!(forwarded["if-none-match"], "\"1\"");
            answer(304, &[], "")
        });
        assert_eq!((got.asked, &*got.body), (true, "one"));
    }
}

#[test]
fn headers_of_the_hop_and_tags_are_not_kept() {
    let rig = rig();
    let with = [
        ("cache-control", "max-age=60"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("age", "7"),
        ("cache-tag", "a, b"),
        ("surrogate-key", "c d"),
        ("x-kept", "1"),
    ];
    let first = rig.forwarded(&get("/a"), answer(200, &with, "x"));
    assert!(first.header("cache-tag").is_none() && first.header("surrogate-key").is_none());
    let got = rig.hit(&get("/a"));
    for name in ["connection", "x-hop", "cache-tag", "surrogate-key"] {
        assert_eq!(got.header(name), None, "{name}");
    }
    assert_eq!((got.header("x-kept"), got.header("age")), (Some("1"), Some("7")));
}

#[test]
fn variants_are_kept_side_by_side() {
    let rig = rig();
    let vary =
        |body: &str| answer(200, &[("cache-control", "max-age=60"), ("vary", "accept-encoding")], body);
    let encoded = |value: &str| get("/a").with("accept-encoding", value);
    rig.forwarded(&encoded("gzip"), vary("gzip"));
    let br = rig.forwarded(&encoded("br"), vary("br"));
    assert_eq!(br.cache_status(), "mamparo; fwd=vary-miss; stored");
    rig.forwarded(&get("/a"), vary("plain"));
    assert_eq!(rig.hit(&encoded("GZIP;q=1.0")).body, "gzip");
    assert_eq!(rig.hit(&encoded(" br ")).body, "br");
    assert_eq!(rig.hit(&get("/a")).body, "plain");
    rig.forwarded(&encoded("gzip, br"), vary("both"));
    assert_eq!(rig.hit(&encoded("br,gzip")).body, "both");
}

#[test]
fn an_address_whose_answers_vary_by_different_headers_never_gives_one_to_the_wrong_request() {
    let rig = rig();
    let with = |vary: &str, body: &str| answer(200, &[("cache-control", "max-age=60"), ("vary", vary)], body);
    let of = |a: &str, b: &str| get("/a").with("x-a", a).with("x-b", b);
    rig.forwarded(&of("1", "1"), with("x-a", "varies by a"));
    assert_eq!(rig.hit(&of("1", "2")).body, "varies by a");
    rig.forwarded(&of("2", "1"), with("x-b", "varies by b"));
    // From now on both count.
    assert_eq!(rig.hit(&of("2", "1")).body, "varies by b");
    rig.forwarded(&of("2", "2"), with("x-a", "other"));
    rig.forwarded(&of("3", "3"), answer(200, &[("cache-control", "max-age=60")], "same for all"));
    assert_eq!(rig.hit(&of("3", "3")).body, "same for all");
    assert_eq!(rig.hit(&of("2", "1")).body, "varies by b");
}

#[test]
fn headers_by_which_answers_differ_without_saying_so_can_be_named() {
    let rig = rig_with(|config| config.key_headers = vec!["x-tenant".into()]);
    let of = |tenant: &str| get("/a").with("x-tenant", tenant);
    rig.forwarded(&of("one"), fresh(60, "for one"));
    rig.forwarded(&of("two"), fresh(60, "for two"));
    rig.forwarded(&get("/a"), fresh(60, "for nobody"));
    assert_eq!(rig.hit(&of("one")).body, "for one");
    assert_eq!(rig.hit(&of("two")).body, "for two");
    assert_eq!(rig.hit(&get("/a")).body, "for nobody");
    // A change of the address is one of all of them.
    rig.forwarded(&ask("POST", "/a").with("x-tenant", "one"), answer(204, &[], ""));
    for ask in [of("one"), of("two"), get("/a")] {
        rig.forwarded(&ask, fresh(60, "new"));
    }
}

#[test]
fn a_targeted_header_stands_in_for_the_other() {
    let rig = rig();
    let with = [("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")];
    let first = rig.forwarded(&get("/a"), answer(200, &with, "x"));
    assert_eq!(first.header("cdn-cache-control"), Some("max-age=60"), "others on the way may want it");
    rig.pass(59);
    rig.hit(&get("/a"));
}

#[test]
fn what_turns_out_too_large_goes_on_to_the_client_and_is_not_kept() {
    let rig = rig_with(|config| config.object_bytes_max = 8);
    rig.forwarded(&get("/fits"), fresh(60, "12345678"));
    rig.hit(&get("/fits"));
    let got = rig.forwarded(&get("/large"), fresh(60, "123456789"));
    assert_eq!(got.body, "123456789");
    let said = answer(200, &[("cache-control", "max-age=60"), ("content-length", "9")], "123456789");
    let mut fill = rig.miss(&get("/said"));
    let mut headers = said.headers().clone();
    assert!(matches!(fill.answer_head(said.status(), &mut headers, rig.when()), Verdict::Pass));
    for path in ["/large", "/said"] {
        // Nobody waits for what is known not to be kept.
        let both = [rig.begin(&get(path)), rig.begin(&get(path))];
        assert!(both.iter().all(|begin| matches!(begin, Begin::Miss(_))), "{path}: {both:?}");
    }
}

#[test]
fn however_much_is_fetched_the_cache_stays_within_its_bytes() {
    let rig = rig_with(|config| {
        config.capacity_bytes = 256 << 10;
        config.object_bytes_max = 16 << 10;
    });
    let body = "x".repeat(10_000);
    for number in 0..200 {
        rig.forwarded(&get(&format!("/{number}")), fresh(60, &body));
        assert!(rig.cache.describe().bytes <= 256 << 10);
    }
    let description = rig.cache.describe();
    assert!(description.entries >= 10 && description.evicted > 0, "{description:?}");
    assert_eq!((description.buffered_bytes, description.fills), (0, 0));
}

#[test]
fn what_is_being_read_is_bounded_too() {
    let rig = rig_with(|config| {
        config.capacity_bytes = 64 << 10;
        config.object_bytes_max = 8 << 10;
    });
    let chunk = Bytes::from(vec![0; 8 << 10]);
    let fills: Vec<_> = (0..10)
        .map(|number| {
            let mut fill = rig.miss(&get(&format!("/{number}")));
            let head = fresh(60, "");
            let mut headers = head.headers().clone();
            _ = fill.answer_head(head.status(), &mut headers, rig.when());
            fill.push(&chunk);
            fill
        })
        .collect();
    assert_eq!(rig.cache.describe().buffered_bytes, 16 << 10, "a quarter of what may be kept");
    fills.into_iter().for_each(mamparo_http_cache::Fill::finish);
    assert_eq!(rig.cache.describe().buffered_bytes, 0);
    assert_eq!((rig.cache.counts().stored, rig.cache.counts().unstorable), (2, 8));
}

#[test]
fn what_has_no_address_is_passed_by() {
    let rig = rig();
    for ask in [Ask { host: "a/b", ..get("/") }, get("*"), get(&format!("/{}", "l".repeat(9_000)))] {
        rig.forwarded(&ask, fresh(60, "x"));
        rig.forwarded(&ask, fresh(60, "x"));
    }
    assert_eq!(rig.cache.counts().bypassed_for(Reason::Address), 6);
}
