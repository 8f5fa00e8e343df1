//! Services that restart, die in the middle, close connections under a request, or do not speak HTTP.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mamparo_proxy::{Access, Limits, Match, Route, Routing, Settings, Target, Upstream};

use crate::rig::{Client, OK, PATIENCE, Rig, Service, reserve};

fn impatient(window: Duration) -> Settings {
    Settings { connect_retry_window: window, ..Settings::default() }
}

#[test]
fn a_service_that_is_gone_is_told_with_when_to_come_again() {
    let (_reserved, gone) = reserve();
    let rig = Rig::with(&[gone], Limits::default(), impatient(Duration::ZERO));
    let answer = rig.client().get("/");
    assert_eq!((answer.status(), answer.code()), (503, "service-unreachable"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let rig = Rig::with(&[], Limits::default(), impatient(Duration::ZERO));
    let answer = rig.client().get("/");
    assert_eq!((answer.status(), answer.code()), (503, "service-absent"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn another_instance_takes_over_at_once() {
    let (_reserved, gone) = reserve();
    let (service, _requests) = Service::answering(OK);
    let rig = Rig::with(&[gone, service.address], Limits::default(), impatient(Duration::ZERO));
    let mut client = rig.client();
    for _ in 0..4 {
        assert_eq!(client.get("/").status(), 200);
    }
}

#[test]
fn instances_take_turns_with_their_connections_kept() {
    let ((one, at_one), (other, at_other)) = (Service::answering(OK), Service::answering(OK));
    let rig = Rig::new(&[one.address, other.address]);
    let mut client = rig.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").status(), 200);
    }
    assert_eq!((at_one.try_iter().count(), at_other.try_iter().count()), (5, 5));
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 2);
}

#[test]
fn a_service_that_is_restarting_is_waited_for() {
    let (socket, address) = reserve();
    let rig = Rig::with(&[address], Limits::default(), impatient(PATIENCE));
    let failures = r#"mamparo_proxy_service_connect_failures_total{service="it"}"#;
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let mut client = rig.client();
            client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
            client.answer().status()
        });
        rig.await_that(failures, |count| count >= 2);
        socket.listen(16).unwrap();
        Service::on(socket.into(), |mut connection| {
            while let Some(request) = connection.request() {
                assert_eq!(request.body, b"abc");
                connection.send(OK);
            }
        });
        assert_eq!(asked.join().unwrap(), 200);
    });
}

#[test]
fn a_service_that_comes_back_elsewhere_is_found() {
    let (_reserved, gone) = reserve();
    let rig = Rig::with(&[gone], Limits::default(), impatient(PATIENCE));
    let (service, _requests) = Service::answering(OK);
    thread::scope(|scope| {
        let asked = scope.spawn(|| rig.client().get("/").status());
        rig.await_that(r#"mamparo_proxy_service_connect_failures_total{service="it"}"#, |count| count >= 1);
        let proxy = rig.proxy.as_ref().unwrap();
        let endpoint = [mamparo_balance::Endpoint::new(service.address)];
        assert_eq!(proxy.set_endpoints("it", &endpoint), Ok(true));
        assert_eq!(proxy.set_endpoints("nobody", &endpoint), Ok(false));
        assert_eq!(asked.join().unwrap(), 200);
    });
}

#[test]
fn a_service_that_dies_in_the_middle_is_not_mistaken_for_an_end() {
    let service = Service::start(|mut connection| {
        if let Some(request) = connection.request() {
            match request.start.split(' ').nth(1).unwrap() {
                "/length" => connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
                "/chunks" => {
                    connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                }
                "/head" => connection.send("HTTP/1.1 200 OK\r\ncontent-"),
                "/garbage" => connection.send("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
                "/upgrade" => connection.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
                _ => {}
            }
        }
    });
    let rig = Rig::new(&[service.address]);
    for path in ["/length", "/chunks"] {
        let mut client = rig.client();
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.text(), answer.whole), (200, "half", false), "{path}");
        assert!(client.is_closed(), "{path}");
    }
    let mut client = rig.client();
    for (path, status, code) in [
        ("/head", 503, "service-broke-off"),
        ("/nothing", 503, "service-broke-off"),
        ("/garbage", 502, "service-answer-malformed"),
        ("/upgrade", 502, "service-answer-malformed"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.code()), (status, code), "{path}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503, "{path}");
    }
    rig.await_metric(r#"mamparo_proxy_requests_total{route="all",status="aborted"}"#, 2);
    assert_eq!(rig.metric(r#"mamparo_proxy_requests_total{route="all",status="5xx"}"#), 4);
}

#[test]
fn only_what_changes_nothing_is_sent_again() {
    let (seen, requests) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        if let Some(request) = connection.request() {
            seen.send(request.start).unwrap();
        }
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\nidempotency-key: k\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().code(), "service-broke-off");
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), ["POST / HTTP/1.1"]);
    assert_eq!(client.get("/").code(), "service-broke-off");
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), ["GET / HTTP/1.1"; 2], "once, not for ever");
    client.send("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
    assert_eq!(client.answer().code(), "service-broke-off");
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), ["GET / HTTP/1.1"], "a body cannot be sent again");
}

#[test]
fn a_get_survives_a_service_that_is_killed_under_it() {
    let asked = AtomicUsize::new(0);
    let service = Service::start(move |mut connection| {
        while connection.request().is_some() {
            if asked.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
                return;
            }
            connection.send(OK);
        }
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").status(), 200);
    }
    assert_eq!(rig.metric(r#"mamparo_proxy_service_retries_total{service="it"}"#), 9);
}

#[test]
fn a_service_that_says_its_length_twice_is_framed_once() {
    let service = Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(match request.start.split(' ').nth(1).unwrap() {
                "/both" => "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                "/list" => "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
                "/lines" => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
            });
        }
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for path in ["/both", "/list", "/lines"] {
        let answer = client.get(path);
        assert_eq!((answer.text(), answer.whole), ("ok", true), "{path}");
    }
    assert_eq!(client.get("/differ").code(), "service-answer-malformed");
}

#[test]
fn nothing_fails_while_routes_are_replaced() {
    let (service, _requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let replaced = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                rig.proxy.as_ref().unwrap().reconfigure(routing(service.address));
                count += 1;
            }
            count
        });
        let mut client = rig.client();
        for _ in 0..300 {
            assert_eq!(client.get("/").status(), 200);
        }
        done.store(true, Ordering::Relaxed);
        assert!(replaced.join().unwrap() > 0);
    });
    assert_eq!(rig.client().get("/fixed").text(), "ok", "the routes are those of the last one");
}

fn routing(endpoint: std::net::SocketAddr) -> Routing {
    let settings = Settings::default();
    let (matches, access, target) = (vec![Match::default()], Access::Public, Target::service("other"));
    let route = Route { name: "new".into(), matches, access, target, settings: settings.clone() };
    let upstream = Upstream { settings, ..Upstream::new("other", &[endpoint]) };
    Routing::new(vec![route], vec![upstream]).unwrap()
}

#[test]
fn connections_that_a_service_closes_while_they_rest_are_not_used() {
    // Answers, and closes without having said so.
    let (told, closed) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        if connection.request().is_some() {
            connection.send(OK);
            connection.close_writing();
            // The proxy closes in turn once it has seen the end.
            let mut rest = Vec::new();
            connection.stream.read_to_end(&mut rest).unwrap();
            told.send(rest.len()).unwrap();
        }
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for _ in 0..50 {
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
        assert_eq!(client.answer().status(), 200);
        assert_eq!(closed.recv_timeout(PATIENCE), Ok(0), "nothing was sent into the closed connection");
    }
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 50);
}

#[test]
fn open_connections_are_used_again_and_not_for_ever() {
    let (service, _requests) = Service::answering(OK);
    let limits = Limits { pool_idle_time: Duration::from_millis(200), ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let (connects, reuses) = (
        r#"mamparo_proxy_service_connects_total{service="it"}"#,
        r#"mamparo_proxy_service_reuses_total{service="it"}"#,
    );
    let mut client = rig.client();
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(client.get("/").status(), 200);
    }
    if began.elapsed() < Duration::from_millis(200) {
        assert_eq!((rig.metric(connects), rig.metric(reuses)), (1, 9));
    }
    thread::sleep(Duration::from_millis(250));
    let before = rig.metric(connects);
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(rig.metric(connects), before + 1);
}

#[test]
fn a_service_sees_that_its_client_is_gone() {
    let (told, ends) = mpsc::channel();
    let (asked, arrived) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        let request = connection.request().unwrap();
        if request.start.starts_with("GET /stream") {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        }
        asked.send(request.whole).unwrap();
        let mut rest = Vec::new();
        let ended = connection.stream.read_to_end(&mut rest);
        told.send(ended.is_ok() || rest.is_empty()).unwrap();
    });
    let rig = Rig::new(&[service.address]);
    for request in ["GET /wait HTTP/1.1\r\nhost: a\r\n\r\n", "GET /stream HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client: Client = rig.client();
        client.send(request);
        assert_eq!(arrived.recv_timeout(PATIENCE), Ok(true));
        drop(client);
        assert_eq!(ends.recv_timeout(PATIENCE), Ok(true), "{request}");
    }
    // Gone within the body of the request.
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    rig.await_metric("mamparo_proxy_requests_in_flight", 1);
    drop(client);
    assert_eq!(arrived.recv_timeout(PATIENCE), Ok(false));
    assert_eq!(ends.recv_timeout(PATIENCE), Ok(true));
    rig.await_metric("mamparo_proxy_connections", 0);
    assert_eq!(rig.metric("mamparo_proxy_requests_in_flight"), 0);
}
