//! Routes that keep answers: one request for many clients, old answers while new ones are fetched or in place of errors,
//! and nothing of one client for another.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use http_body_util::BodyExt;
use mamparo_http_cache::{Counts, HttpCache, HttpCacheConfig, Purge};
use mamparo_policy::Admission;
use mamparo_policy::breaker::{BreakerConfig, BreakerState, WindowConfig};
use mamparo_policy::bulkhead::BulkheadConfig;
use mamparo_policy::rate_limit::RateLimitConfig;
use mamparo_policy::stack::{AdmissionConfig, Stack};
use mamparo_proxy::{Limits, Settings};

use crate::http2::{self, block_on, connect};
use crate::rig::{Client, Message, PATIENCE, Rig, Service, reserve};

fn cache() -> HttpCache {
    HttpCache::new("all", &HttpCacheConfig::default()).unwrap()
}

fn keeping(service: &Service, cache: &HttpCache) -> Rig {
    let settings = Settings {
        cache: Some(cache.clone()),
        connect_retry_window: Duration::ZERO,
        request_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        ..Settings::default()
    };
    Rig::with(&[service.address], Limits::default(), settings)
}

/// An answer with this body and these lines in its head.
fn answer(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{lines}\r\n\r\n{body}", body.len())
}

/// A service that answers as `answer` says, and what it was asked.
fn service(answer: impl Fn(&Message) -> String + Send + Sync + 'static) -> (Service, Receiver<Message>) {
    let (seen, requests): (Sender<Message>, _) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        while let Some(request) = connection.request() {
            let _ = seen.send(request.clone());
            let answer = answer(&request);
            if answer.is_empty() {
                return;
            }
            connection.send(answer);
        }
    });
    (service, requests)
}

fn get(client: &mut Client, path: &str, lines: &str) -> Message {
    client.send(format!("GET {path} HTTP/1.1\r\nhost: it.test\r\n{lines}\r\n\r\n"));
    client.answer()
}

#[track_caller]
fn eventually(cache: &HttpCache, holds: impl Fn(&Counts) -> bool) {
    for _ in 0..2000 {
        if holds(&cache.counts()) {
            return;
        }
        thread::sleep(PATIENCE / 2000);
    }
    panic!("it does not come to what is awaited: {:?}", cache.counts());
}

/// What the cache says that it did.
fn status(answer: &Message) -> &str {
    answer.header("cache-status").unwrap()
}

#[test]
fn a_hundred_clients_who_want_the_same_are_one_request_to_the_service() {
    let (go_on, rest) = mpsc::channel::<()>();
    let rest = Mutex::new(rest);
    let (service, requests) = service(move |_| {
        rest.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        answer("cache-control: max-age=60", "same")
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    thread::scope(|scope| {
        let asked: Vec<_> = (0..100).map(|_| scope.spawn(|| rig.client().get("/a"))).collect();
        eventually(&cache, |counts| counts.waits == 99);
        go_on.send(()).unwrap();
        for answer in asked {
            let answer = answer.join().unwrap();
            assert_eq!((answer.status(), answer.text(), answer.whole), (200, "same", true));
        }
    });
    assert_eq!(requests.try_iter().count(), 1);
    let counts = cache.counts();
    assert_eq!((counts.misses, counts.hits, counts.collapsed), (1, 99, 99));
    assert_eq!(rig.metric(r#"mamparo_proxy_requests_total{route="all",status="2xx"}"#), 100);
}

#[test]
fn clients_of_both_protocols_share_what_is_kept() {
    let (service, requests) = service(|_| answer("cache-control: max-age=60", "same"));
    let cache = cache();
    let rig = keeping(&service, &cache);
    block_on(async {
        let mut sender = connect(rig.edge).await;
        let first = sender.send_request(http2::get("/a")).await.unwrap();
        assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "same");
        assert_eq!(rig.client().get("/a").text(), "same");
        let hit = sender.send_request(http2::get("/a")).await.unwrap();
        assert_eq!(hit.status(), 200);
        assert_eq!(&hit.headers()["content-length"], "4");
        assert!(hit.headers()["cache-status"].to_str().unwrap().starts_with("mamparo; hit"));
        assert_eq!(hit.into_body().collect().await.unwrap().to_bytes(), "same");
        let mut head = http2::get("/a");
        *head.method_mut() = http::Method::HEAD;
        let head = sender.send_request(head).await.unwrap();
        assert_eq!(&head.headers()["content-length"], "4");
        assert_eq!(head.into_body().collect().await.unwrap().to_bytes(), "");
    });
    assert_eq!(requests.try_iter().count(), 1);
}

#[test]
fn what_is_stale_is_served_while_it_is_fetched_behind() {
    let (go_on, rest) = mpsc::channel::<()>();
    let (rest, count) = (Mutex::new(rest), AtomicUsize::new(0));
    let (service, requests) = service(move |_| {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        if count > 1 && rest.lock().unwrap().recv_timeout(PATIENCE).is_err() {
            return String::new();
        }
        answer("cache-control: max-age=0, stale-while-revalidate=60\r\netag: \"1\"", &count.to_string())
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    assert_eq!(client.get("/a").text(), "1");
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().header("if-none-match"), None);
    for _ in 0..5 {
        let old = client.get("/a");
        assert_eq!((old.text(), status(&old).starts_with("mamparo; hit")), ("1", true), "{old:?}");
    }
    // The service is asked once, and has not answered yet.
    let behind = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(behind.header("if-none-match"), Some("\"1\""));
    assert_eq!(cache.counts().refreshes, 1);
    go_on.send(()).unwrap();
    eventually(&cache, |counts| counts.stored == 2);
    assert_eq!(client.get("/a").text(), "2");
    assert!(requests.recv_timeout(PATIENCE).is_ok(), "which is stale as well, and fetched behind");
}

#[test]
fn a_purge_by_tag_takes_what_bears_it_and_nothing_else() {
    let count = AtomicUsize::new(0);
    let (service, _requests) = service(move |request| {
        let tag = if request.start.contains("/a") { "red, round" } else { "blue" };
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        answer(&format!("cache-control: max-age=60\r\ncache-tag: {tag}"), &count.to_string())
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    for _ in 0..2 {
        let (a, b) = (client.get("/a"), client.get("/b"));
        assert_eq!((a.text(), b.text()), ("1", "2"));
        assert_eq!(a.header("cache-tag"), None, "tags are nobody's business");
    }
    assert_eq!(rig.proxy.as_ref().unwrap().view().caches().len(), 5, "one for each route");
    cache.purge(&Purge::Tag("round".into())).unwrap();
    assert_eq!((client.get("/a").text(), client.get("/b").text()), ("3", "2"));
    // The address is the one that the client named, whatever the service was asked for.
    assert_eq!(client.get("/cut/b").text(), "4");
    cache.purge(&Purge::Address("http://it.test/cut/b".into())).unwrap();
    assert_eq!((client.get("/cut/./b").text(), client.get("/b").text()), ("5", "2"));
}

#[test]
fn answers_that_vary_are_told_apart() {
    let (service, requests) = service(|request| {
        let language = request.header("accept-language").unwrap_or("none");
        answer("cache-control: max-age=60\r\nvary: accept-language", language)
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    for _ in 0..3 {
        assert_eq!(get(&mut client, "/a", "accept-language: es").text(), "es");
        assert_eq!(get(&mut client, "/a", "accept-language: en").text(), "en");
        assert_eq!(get(&mut client, "/a", "accept: */*").text(), "none");
    }
    assert_eq!(requests.try_iter().count(), 3);
    // Hosts share nothing.
    client.send("GET /a HTTP/1.1\r\nhost: other.test\r\naccept-language: es\r\n\r\n");
    assert!(status(&client.answer()).contains("fwd=uri-miss"));
}

#[test]
fn what_is_for_one_is_never_anothers() {
    let count = AtomicUsize::new(0);
    let (service, requests) = service(move |request| {
        let count = count.fetch_add(1, Ordering::Relaxed).to_string();
        answer(
            match request.start.split(' ').nth(1).unwrap() {
                "/private" => "cache-control: private, max-age=60",
                "/no-store" => "cache-control: no-store",
                "/cookie" => "cache-control: max-age=60\r\nset-cookie: session=1",
                "/silent" => "x: y",
                _ => "cache-control: max-age=60",
            },
            &count,
        )
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    for path in ["/private", "/no-store", "/cookie", "/silent", "/authorized"] {
        let lines = if path == "/authorized" { "authorization: Bearer x" } else { "x: y" };
        let one = get(&mut client, path, lines);
        let other = get(&mut client, path, lines);
        assert_ne!(one.text(), other.text(), "{path}");
        assert_eq!(requests.try_iter().count(), 2, "{path}");
    }
    assert_eq!(cache.counts().stored, 0);
}

#[test]
fn a_service_that_is_gone_is_stood_in_for_by_what_is_old() {
    let is_dead = Arc::new(AtomicBool::new(false));
    let dies = Arc::clone(&is_dead);
    let (service, _requests) = service(move |request| match request.start.contains("/bad") {
        _ if dies.load(Ordering::Relaxed) => String::new(),
        true => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno".into(),
        false => answer("cache-control: max-age=0, stale-if-error=60", "old"),
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(client.get(path).text(), "old");
    }
    assert_eq!(client.get("/bad").status(), 500);
    // It breaks off under every request.
    is_dead.store(true, Ordering::Relaxed);
    let instead = client.get("/a");
    assert_eq!((instead.status(), instead.text()), (200, "old"));
    assert!(status(&instead).contains("fwd=stale"), "{instead:?}");
    assert_eq!(client.get("/a").text(), "old", "it is left alone for a moment");
    assert_eq!(client.get("/new").code(), "service-broke-off");
    // Nobody listens any more.
    let (_reserved, gone) = reserve();
    let endpoint = [mamparo_balance::Endpoint::new(gone)];
    assert_eq!(rig.proxy.as_ref().unwrap().set_endpoints("it", &endpoint), Ok(true));
    assert_eq!(client.get("/b").text(), "old");
    assert_eq!(client.get("/new").code(), "service-unreachable");
    let insists = get(&mut client, "/c", "cache-control: no-cache");
    assert_eq!(insists.code(), "service-unreachable");
}

#[test]
fn an_error_of_the_service_is_stood_in_for_and_its_connection_is_used_again() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let (service, _requests) = service(move |_| match failing.load(Ordering::Relaxed) {
        true => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno".into(),
        false => answer("cache-control: max-age=0, stale-if-error=60", "old"),
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    assert_eq!((client.get("/a").text(), client.get("/b").text()), ("old", "old"));
    fails.store(true, Ordering::Relaxed);
    assert_eq!(client.get("/a").text(), "old");
    assert_eq!(client.get("/b").text(), "old");
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
    assert_eq!(cache.counts().failed, 2);
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 1);
}

#[test]
fn heads_conditions_and_parts_are_answered_from_the_whole() {
    let (service, requests) = service(|request| {
        match request.start.starts_with("GET") {
        true => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncache-control: max-age=60\r\netag: \"1\"\r\n\r\n\
                 5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"
            .into(),
        false => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\netag: \"1\"\r\n\r\n".into(),
    }
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    let head = |client: &mut Client| {
        client.send("HEAD /a HTTP/1.1\r\nhost: it.test\r\n\r\n");
        client.head().unwrap()
    };
    assert!(status(&head(&mut client)).contains("fwd=uri-miss"), "a head fills nothing");
    let part = get(&mut client, "/a", "range: bytes=0-1");
    assert_eq!((part.status(), status(&part)), (200, "mamparo; fwd=uri-miss"), "nor does a part");
    assert_eq!(client.get("/a").text(), "0123456789");
    assert_eq!(requests.try_iter().count(), 3);

    let kept = client.get("/a");
    assert_eq!((kept.text(), kept.header("content-length")), ("0123456789", Some("10")));
    assert_eq!((kept.header("transfer-encoding"), kept.header("age").is_some()), (None, true));
    let known = head(&mut client);
    assert_eq!((known.status(), known.header("content-length")), (200, Some("10")));
    let same = get(&mut client, "/a", "if-none-match: \"1\"");
    assert_eq!((same.status(), same.header("content-length")), (304, None));
    let part = get(&mut client, "/a", "range: bytes=2-4");
    assert_eq!((part.status(), part.text()), (206, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let beyond = get(&mut client, "/a", "range: bytes=99-");
    assert_eq!((beyond.status(), beyond.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(requests.try_iter().count(), 0);
}

#[test]
fn what_has_not_changed_is_served_on_and_what_was_changed_is_forgotten() {
    let (service, requests) = service(|request| {
        if request.start.starts_with("PUT") {
            return "HTTP/1.1 204 No Content\r\n\r\n".into();
        }
        match request.header("if-none-match") {
            Some(_) => "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncache-control: max-age=60\r\n\r\n".into(),
            None => answer("cache-control: max-age=0\r\netag: \"1\"", "one"),
        }
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut client = rig.client();
    assert_eq!(client.get("/a").text(), "one");
    let again = client.get("/a");
    assert_eq!((again.status(), again.text()), (200, "one"));
    assert!(status(&again).contains("fwd-status=304"), "{again:?}");
    assert_eq!(status(&client.get("/a")).split(';').nth(1), Some(" hit"));
    assert_eq!((requests.try_iter().count(), cache.counts().revalidated), (2, 1));
    client.send("PUT /a HTTP/1.1\r\nhost: it.test\r\ncontent-length: 1\r\n\r\nx");
    let put = client.answer();
    assert_eq!((put.status(), status(&put)), (204, "mamparo; fwd=method"));
    assert!(status(&client.get("/a")).contains("fwd=uri-miss"));
    let only = get(&mut client, "/b", "cache-control: only-if-cached");
    assert_eq!((only.status(), only.code()), (504, "not-cached"));
    // A client that has it already is told so while it is read for the others.
    cache.purge(&Purge::All).unwrap();
    let stored = cache.counts().stored;
    let has = get(&mut client, "/a", "if-none-match: \"1\"");
    assert_eq!((has.status(), status(&has)), (304, "mamparo; fwd=uri-miss; stored"));
    eventually(&cache, |counts| counts.stored == stored + 1);
}

#[test]
fn an_answer_is_read_on_for_the_others_when_its_client_goes() {
    let (go_on, rest) = mpsc::channel::<()>();
    let rest = Mutex::new(rest);
    let (asked, arrived) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncache-control: max-age=60\r\n\r\nha");
            asked.send(()).unwrap();
            if rest.lock().unwrap().recv_timeout(PATIENCE).is_err() {
                return;
            }
            connection.send("lf");
        }
    });
    let bulkhead = BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) };
    let policies = AdmissionConfig { bulkhead: Some(bulkhead), ..AdmissionConfig::default() };
    let stack = Arc::new(Stack::gateway("all").config(policies).build().unwrap());
    let cache = cache();
    let settings = Settings {
        cache: Some(cache.clone()),
        policies: Some(Arc::clone(&stack)),
        request_timeout: PATIENCE,
        ..Settings::default()
    };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let places = stack.bulkhead().unwrap();
    let mut goes = rig.client();
    goes.send("GET /a HTTP/1.1\r\nhost: it.test\r\n\r\n");
    assert_eq!(goes.head().unwrap().status(), 200);
    arrived.recv_timeout(PATIENCE).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| rig.client().get("/a"));
        eventually(&cache, |counts| counts.waits == 1);
        drop(goes);
        rig.await_metric("mamparo_proxy_requests_in_flight", 1);
        assert_eq!(places.under_way(), 1, "the service is still at work");
        go_on.send(()).unwrap();
        assert_eq!(waits.join().unwrap().text(), "half");
    });
    assert_eq!((cache.counts().stored, cache.counts().aborted), (1, 0));
    assert!(arrived.try_recv().is_err(), "the service was asked once");
    rig.await_metric(r#"mamparo_proxy_requests_total{route="all",status="aborted"}"#, 1);
    assert_eq!(rig.client().get("/a").text(), "half");
    assert_eq!(places.under_way(), 0);
}

#[test]
fn what_breaks_off_is_not_kept_and_another_fetches_in_its_place() {
    let (go_on, rest) = mpsc::channel::<()>();
    let rest = Mutex::new(rest);
    let count = AtomicUsize::new(0);
    let service = Service::start(move |mut connection| {
        while connection.request().is_some() {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                connection
                    .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncache-control: max-age=60\r\n\r\nha");
                rest.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                return;
            }
            connection.send(answer("cache-control: max-age=60", "whole"));
        }
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    let mut first = rig.client();
    first.send("GET /a HTTP/1.1\r\nhost: it.test\r\n\r\n");
    let mut half = first.head().unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| rig.client().get("/a"));
        eventually(&cache, |counts| counts.waits == 1);
        go_on.send(()).unwrap();
        assert_eq!(waits.join().unwrap().text(), "whole");
    });
    first.body(&mut half, false);
    assert!(!half.whole);
    assert_eq!(rig.client().get("/a").text(), "whole");
}

#[test]
fn nobody_pays_for_the_short_deadline_of_another() {
    let (go_on, rest) = mpsc::channel::<()>();
    let rest = Mutex::new(rest);
    let (service, requests) = service(move |_| {
        rest.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        answer("cache-control: max-age=60", "at last")
    });
    let cache = cache();
    let rig = keeping(&service, &cache);
    thread::scope(|scope| {
        let hasty = scope.spawn(|| get(&mut rig.client(), "/a", "mamparo-timeout-ms: 300"));
        eventually(&cache, |counts| counts.misses == 1);
        let waits = scope.spawn(|| rig.client().get("/a"));
        assert_eq!(hasty.join().unwrap().code(), "deadline-passed");
        // Whoever waited fetches now, and others wait for it: the service has not failed.
        eventually(&cache, |counts| counts.misses == 2);
        let too_late = get(&mut rig.client(), "/a", "mamparo-timeout-ms: 50");
        assert_eq!((too_late.status(), too_late.code()), (504, "deadline-passed"));
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        assert_eq!(waits.join().unwrap().text(), "at last");
    });
    assert_eq!(requests.try_iter().count(), 2);
    assert_eq!(cache.counts().failed, 0);
}

#[test]
fn a_hit_counts_in_the_quota_and_asks_no_other_policy() {
    let limit = RateLimitConfig { burst: Some(4), ..RateLimitConfig::new(1, Duration::from_secs(60)) };
    let window = WindowConfig::Calls(10);
    let breaker = BreakerConfig { window, minimum_calls: 2, ..BreakerConfig::default() };
    let (rate_limit, breaker) = (Some(limit), Some(breaker));
    let policies = AdmissionConfig { rate_limit, breaker, ..AdmissionConfig::default() };
    let stack = Arc::new(Stack::gateway("all").config(policies).build().unwrap());
    let (service, requests) = service(|request| match request.start.contains("/old") {
        true => answer("cache-control: max-age=0, stale-if-error=60", "old"),
        false => answer("cache-control: max-age=60", "new"),
    });
    let settings =
        Settings { cache: Some(cache()), policies: Some(Arc::clone(&stack)), ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let mut client = rig.client();
    assert_eq!((client.get("/a").text(), client.get("/old").text()), ("new", "old"));
    let breaker = stack.breaker().unwrap();
    breaker.force_open();
    assert_eq!(client.get("/a").text(), "new", "the breaker is about the service");
    // Refused by the breaker, it has its quota back.
    assert_eq!(client.get("/b").code(), "breaker-open");
    assert_eq!(client.get("/old").text(), "old", "an old answer is better than none");
    assert_eq!((breaker.state(), breaker.counts().read().admitted), (BreakerState::ForcedOpen, 2));
    assert_eq!(client.get("/a").status(), 200);
    assert_eq!(client.get("/a").code(), "rate-limited");
    assert_eq!(requests.try_iter().count(), 2);
}
