//! Requests that are sent twice because the first takes long, and faults on purpose.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use mamparo_policy::breaker::{BreakerConfig, BreakerState, WindowConfig};
use mamparo_policy::fault_injection::FaultInjectionConfig;
use mamparo_policy::hedge::HedgeConfig;
use mamparo_policy::stack::{AdmissionConfig, Stack};
use mamparo_proxy::{Limits, Settings};

use crate::rig::{OK, PATIENCE, Rig, Service};

fn hedge() -> Arc<Stack> {
    let config = HedgeConfig { initial: Duration::from_millis(20), ..HedgeConfig::default() };
    let stack = Stack::gateway("all").hedge(Some(config)).build().unwrap();
    Arc::new(stack.hedge_alone().unwrap())
}

/// A service that says nothing until the test ends, and how many requests it has had.
fn silent() -> (Service, Arc<AtomicUsize>, mpsc::Sender<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let (ended, asked) = (Mutex::new(ended), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let service = Service::start(move |mut client| {
        if client.request().is_some() {
            counted.fetch_add(1, Ordering::SeqCst);
            _ = ended.lock().unwrap().recv_timeout(PATIENCE);
        }
    });
    (service, asked, end)
}

#[test]
fn a_slow_endpoint_does_not_hold_up_what_may_be_asked_twice() {
    let ((silent, asked, _end), (service, requests)) = (silent(), Service::answering(OK));
    let stack = hedge();
    let settings = Settings { hedge: Some(Arc::clone(&stack)), ..Settings::default() };
    let rig = Rig::with(&[silent.address, service.address], Limits::default(), settings);
    let mut client = rig.client();
    for _ in 0..6 {
        let began = Instant::now();
        assert_eq!(client.get("/").status(), 200);
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    let counted = stack.counted();
    // Where the machine is slow, one that was not held up may have had a second one, too.
    assert!((1..=counted.repeats).contains(&counted.hedges_won), "{counted:?}");
    assert!(asked.load(Ordering::SeqCst) >= 1 && requests.try_iter().count() >= 6);
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
}

#[test]
fn what_has_a_body_or_does_something_is_sent_once() {
    let (service, requests) = Service::answering(OK);
    let stack = hedge();
    let settings = Settings {
        hedge: Some(Arc::clone(&stack)),
        answer_timeout: Duration::from_millis(300),
        ..Settings::default()
    };
    let (silent, asked, _end) = silent();
    let rig = Rig::with(&[silent.address], Limits::default(), settings.clone());
    for request in [
        "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    ] {
        let mut client = rig.client();
        client.send(request);
        assert_eq!(client.answer().status(), 504, "{request}");
    }
    assert_eq!((asked.load(Ordering::SeqCst), stack.counted().repeats), (2, 0));
    // A key says that it may be asked twice.
    let rig = Rig::with(&[silent.address, service.address], Limits::default(), settings);
    for _ in 0..2 {
        let mut client = rig.client();
        client.send("POST / HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.answer().status(), 200);
    }
    assert_eq!(requests.try_iter().count(), 2);
}

#[test]
fn a_client_that_leaves_takes_all_attempts_along() {
    let ((one, at_one, _end), (other, at_other, _also)) = (silent(), silent());
    let settings = Settings { hedge: Some(hedge()), ..Settings::default() };
    let rig = Rig::with(&[one.address, other.address], Limits::default(), settings);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let began = Instant::now();
    while at_one.load(Ordering::SeqCst) + at_other.load(Ordering::SeqCst) < 2 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert_eq!((at_one.load(Ordering::SeqCst), at_other.load(Ordering::SeqCst)), (1, 1));
    drop(client);
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
}

#[test]
fn faults_on_purpose_are_told_as_such_and_are_seen_by_the_breaker() {
    let (service, requests) = Service::answering(OK);
    let window = WindowConfig::Calls(4);
    let rig = |faults| {
        let breaker = BreakerConfig { window, minimum_calls: 2, ..BreakerConfig::default() };
        let config = AdmissionConfig {
            breaker: Some(breaker),
            fault_injection: Some(FaultInjectionConfig { allow_in_release: true, ..faults }),
            ..AdmissionConfig::default()
        };
        let stack = Arc::new(Stack::gateway("all").config(config).build().unwrap());
        let settings = Settings { policies: Some(Arc::clone(&stack)), ..Settings::default() };
        (Rig::with(&[service.address], Limits::default(), settings), stack)
    };
    let fails = FaultInjectionConfig { error_percent: 100.0, ..FaultInjectionConfig::default() };
    let (failing, stack) = rig(fails);
    let mut client = failing.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.code()), (503, "fault-injected"));
    }
    failing.await_metric("mamparo_proxy_requests_in_flight", 0);
    assert_eq!(stack.breaker().unwrap().state(), BreakerState::Open);
    assert_eq!(requests.try_iter().count(), 0, "the service was not asked");

    let aborts = FaultInjectionConfig { abort_percent: 100.0, ..FaultInjectionConfig::default() };
    let (aborting, _stack) = rig(aborts);
    assert_eq!(aborting.client().get("/").code(), "fault-injected");
    assert_eq!(requests.try_iter().count(), 1, "it was asked");

    let delay = Duration::from_millis(80);
    let slow = FaultInjectionConfig { delay_percent: 100.0, delay, ..FaultInjectionConfig::default() };
    let (slow, stack) = rig(slow);
    let began = Instant::now();
    assert_eq!(slow.client().get("/").status(), 200);
    assert!(began.elapsed() >= delay);
    let mut hasty = slow.client();
    hasty.send("GET / HTTP/1.1\r\nhost: x\r\nmamparo-timeout-ms: 20\r\n\r\n");
    let answer = hasty.answer();
    assert_eq!((answer.status(), answer.code()), (504, "deadline-passed"));
    assert_eq!(stack.faults().unwrap().injected(), 2);
}
