//! Routes with policies: who is refused is told how and until when, a place ends with the last of the answer, and a
//! service that fails is left alone.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use mamparo_policy::breaker::{BreakerConfig, BreakerState, WindowConfig};
use mamparo_policy::bulkhead::BulkheadConfig;
use mamparo_policy::rate_limit::RateLimitConfig;
use mamparo_policy::stack::{AdmissionConfig, Stack};
use mamparo_proxy::{Limits, Settings};

use crate::rig::{OK, PATIENCE, Rig, Service};

fn stack(config: AdmissionConfig) -> Arc<Stack> {
    Arc::new(Stack::gateway("all").config(config).build().unwrap())
}

fn rig(service: &Service, stack: &Arc<Stack>) -> Rig {
    let settings = Settings { policies: Some(Arc::clone(stack)), ..Settings::default() };
    Rig::with(&[service.address], Limits::default(), settings)
}

#[test]
fn more_than_the_quota_is_told_when_to_come_again() {
    let limit = RateLimitConfig { burst: Some(2), ..RateLimitConfig::new(1, Duration::from_secs(60)) };
    let stack = stack(AdmissionConfig { rate_limit: Some(limit), ..AdmissionConfig::default() });
    let (service, requests) = Service::answering(OK);
    let rig = rig(&service, &stack);
    let mut client = rig.client();
    let statuses: Vec<u16> = (0..3).map(|_| client.get("/").status()).collect();
    assert_eq!(statuses, [200, 200, 429]);
    let refused = client.get("/");
    assert_eq!((refused.status(), refused.code()), (429, "rate-limited"));
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(requests.try_iter().count(), 2, "the service has not seen the others");
    // A route that answers by itself asks nobody, and has no policies.
    assert_eq!(client.get("/fixed").status(), 200);
}

#[test]
fn a_place_ends_with_the_last_of_the_answer_or_with_the_client() {
    let bulkhead = BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) };
    let stack = stack(AdmissionConfig { bulkhead: Some(bulkhead), ..AdmissionConfig::default() });
    let (go_on, rest) = mpsc::channel::<()>();
    let rest = Mutex::new(rest);
    let service = Service::start(move |mut client| {
        while client.request().is_some() {
            client.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha");
            // The rest comes when the test says so, or never.
            if rest.lock().unwrap().recv_timeout(PATIENCE).is_err() {
                return;
            }
            client.send("lf");
        }
    });
    let rig = rig(&service, &stack);
    let places = stack.bulkhead().unwrap();
    let mut slow = rig.client();
    slow.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut head = slow.head().unwrap();
    assert_eq!((head.status(), places.under_way()), (200, 1));
    let refused = rig.client().get("/");
    assert_eq!((refused.status(), refused.code()), (503, "overloaded"));
    go_on.send(()).unwrap();
    slow.body(&mut head, false);
    assert_eq!(head.text(), "half");
    rig.await_metric(r#"mamparo_proxy_requests_in_flight"#, 0);
    assert_eq!(places.under_way(), 0);

    let mut leaves = rig.client();
    leaves.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(leaves.head().unwrap().status(), 200);
    drop(leaves);
    rig.await_metric(r#"mamparo_proxy_requests_in_flight"#, 0);
    assert_eq!(places.under_way(), 0);
}

#[test]
fn a_service_that_fails_is_left_alone() {
    let breaker = BreakerConfig {
        window: WindowConfig::Calls(10),
        minimum_calls: 4,
        failure_percent: Some(50.0),
        ..BreakerConfig::default()
    };
    let stack = stack(AdmissionConfig { breaker: Some(breaker), ..AdmissionConfig::default() });
    let (service, requests) =
        Service::answering("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    let rig = rig(&service, &stack);
    let mut client = rig.client();
    for _ in 0..4 {
        assert_eq!(client.get("/").status(), 500);
    }
    rig.await_metric(r#"mamparo_proxy_requests_in_flight"#, 0);
    assert_eq!(stack.breaker().unwrap().state(), BreakerState::Open);
    let refused = client.get("/");
    assert_eq!((refused.status(), refused.code()), (503, "breaker-open"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(requests.try_iter().count(), 4);
}
