//! What each client may ask for, and whose requests matter less than others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mamparo_context::{Criticality, Moment};
use mamparo_policy::rate_limit::{KeyedRateLimitConfig, Quota};
use mamparo_policy::shed::{ShedConfig, Signal};
use mamparo_policy::stack::{AdmissionConfig, Stack};
use mamparo_proxy::{ClientQuota, Limits, RequestKey, Settings};

use crate::rig::{Message, OK, PATIENCE, Rig, Service};

fn ask(rig: &Rig, lines: &str) -> Message {
    let mut client = rig.client();
    client.send(format!("GET / HTTP/1.1\r\nhost: x\r\n{lines}\r\n"));
    client.answer()
}

#[test]
fn each_client_has_its_own_quota_and_the_service_sees_nothing_beyond() {
    let quota = Quota { burst: Some(2), ..Quota::new(1, Duration::from_secs(60)) };
    let by = RequestKey::Header("x-api-key".parse().unwrap());
    let quota = Arc::new(ClientQuota::new(by, KeyedRateLimitConfig::new(quota)).unwrap());
    let (service, requests) = Service::answering(OK);
    let settings = Settings { quotas: vec![Arc::clone(&quota)], ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let asks = |key: &str| ask(&rig, &format!("x-api-key: {key}\r\n")).status();
    assert_eq!(["a", "a", "a", "b"].map(asks), [200, 200, 429, 200]);
    // Without a key, it is the address that counts.
    assert_eq!([(); 3].map(|()| ask(&rig, "").status()), [200, 200, 429]);
    let refused = ask(&rig, "x-api-key: a\r\n");
    assert_eq!((refused.status(), refused.code()), (429, "rate-limited"));
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!((quota.counted().admitted, quota.counted().refused), (5, 3));
    assert_eq!(requests.try_iter().count(), 5);
}

#[test]
fn services_are_told_how_much_a_request_matters_and_clients_cannot_raise_it() {
    let (service, requests) = Service::answering(OK);
    let settings = Settings { criticality: Some(Criticality::SheddablePlus), ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let told = |lines: &str| {
        assert_eq!(ask(&rig, lines).status(), 200);
        let request = requests.recv_timeout(PATIENCE).unwrap();
        request.header("mamparo-criticality").map(str::to_owned)
    };
    assert_eq!(told("").as_deref(), Some("sheddable-plus"));
    assert_eq!(told("mamparo-criticality: critical-plus\r\n").as_deref(), Some("sheddable-plus"));
    assert_eq!(told("mamparo-criticality: sheddable\r\n").as_deref(), Some("sheddable"));
    let refused = ask(&rig, "mamparo-criticality: very\r\n");
    assert_eq!((refused.status(), refused.code()), (400, "malformed-header"));
}

#[derive(Default)]
struct Switch(AtomicBool);

impl Signal for Switch {
    fn name(&self) -> &'static str {
        "switch"
    }

    fn pressure(&self, _: Moment) -> f64 {
        if self.0.load(Ordering::Relaxed) { 1.5 } else { 0.0 }
    }
}

#[test]
fn under_overload_what_matters_least_is_refused_first() {
    let switch = Arc::new(Switch::default());
    let shed = ShedConfig { every: Duration::from_millis(1), trickle: 0.0, ..ShedConfig::default() };
    let config = AdmissionConfig { shed: Some(shed), ..AdmissionConfig::default() };
    let signal: Arc<dyn Signal> = Arc::clone(&switch) as _;
    let stack = Arc::new(Stack::gateway("all").config(config).signal(signal).build().unwrap());
    let (service, _requests) = Service::answering(OK);
    let settings = Settings { policies: Some(Arc::clone(&stack)), ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let batch = || ask(&rig, "mamparo-criticality: sheddable\r\n");
    assert_eq!(batch().status(), 200);
    switch.0.store(true, Ordering::Relaxed);
    let began = Instant::now();
    // As many of both: while the lower half is not refused whole, nobody of the upper one is.
    let refused = loop {
        assert!(began.elapsed() < PATIENCE, "{:?}", stack.shedder().unwrap().shows());
        let answer = batch();
        if answer.status() != 200 {
            break answer;
        }
        let shows = stack.shedder().unwrap().shows();
        assert!(shows.threshold > 200 || ask(&rig, "").status() == 200, "{shows:?}");
    };
    assert_eq!((refused.status(), refused.code()), (503, "overloaded"));
    assert!(refused.header("retry-after").is_some());
    switch.0.store(false, Ordering::Relaxed);
    let began = Instant::now();
    while batch().status() != 200 {
        assert!(began.elapsed() < PATIENCE, "{:?}", stack.shedder().unwrap().shows());
    }
}
