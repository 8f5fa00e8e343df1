//! A server's stack before an axum router.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use mamparo_context::{Clock, Context};
use mamparo_policy::bulkhead::BulkheadConfig;
use mamparo_policy::fault_injection::FaultInjectionConfig;
use mamparo_policy::http::ClassifyHttp;
use mamparo_policy::rate_limit::RateLimitConfig;
use mamparo_policy::stack::{ServeLayer, ServerBuilder, Stack};
use mamparo_policy::timeout::TimeoutConfig;
use tower::ServiceExt;

fn router(build: impl FnOnce(ServerBuilder) -> ServerBuilder, clock: &Clock) -> (Router, Arc<Stack>) {
    let stack = Arc::new(build(Stack::server("shop").clock(clock.clone())).build().unwrap());
    let own = clock.clone();
    let left = move |request: axum::extract::Request| {
        let cx = request.extensions().get::<Context>().cloned();
        let left = cx.and_then(|cx| cx.remaining(&own)).map(|left| left.as_millis());
        async move { format!("{left:?}") }
    };
    let router = Router::new()
        .route("/left", get(left))
        .route("/hang", get(std::future::pending::<&'static str>))
        .layer(ServeLayer::new(Arc::clone(&stack), ClassifyHttp::new(clock.clone())));
    (router, stack)
}

fn ask(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn text(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().into()).unwrap())
}

#[tokio::test]
async fn a_deadline_in_the_headers_is_inherited_and_one_of_our_own_is_set() {
    let (clock, _) = Clock::manual();
    let timeout = TimeoutConfig { overall: Some(Duration::from_secs(5)), ..TimeoutConfig::default() };
    let (router, stack) = router(|builder| builder.timeout(timeout), &clock);
    assert_eq!(text(&router, ask("/left")).await, (StatusCode::OK, "Some(5000)".to_owned()));
    for (sent, seen) in [("250", "Some(250)"), ("9000", "Some(5000)"), ("soon", "Some(5000)")] {
        let mut request = ask("/left");
        request.headers_mut().insert("mamparo-timeout-ms", sent.parse().unwrap());
        assert_eq!(text(&router, request).await, (StatusCode::OK, seen.to_owned()));
    }
    assert_eq!(stack.counted().calls, 4);
}

#[tokio::test]
async fn refusals_are_answers_and_a_place_ends_with_the_body() {
    let (clock, _) = Clock::manual();
    let bulkhead = BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) };
    let (router, stack) = router(|builder| builder.bulkhead(bulkhead), &clock);
    let places = Arc::clone(stack.bulkhead().unwrap());
    let held = router.clone().oneshot(ask("/left")).await.unwrap();
    assert_eq!(places.under_way(), 1, "the head is there, the body is not");
    assert_eq!(text(&router, ask("/left")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    drop(held);
    assert_eq!(text(&router, ask("/left")).await.0, StatusCode::OK);
    assert_eq!(places.under_way(), 0);
    let hangs = router.clone().oneshot(ask("/hang"));
    assert!(tokio::time::timeout(Duration::from_millis(1), hangs).await.is_err());
    assert_eq!(places.under_way(), 0, "the client has left");
}

#[tokio::test]
async fn who_is_over_a_quota_is_told_when_to_come_back_and_who_is_too_late_that_it_is() {
    let (clock, manual) = Clock::manual();
    let timeout = TimeoutConfig { overall: Some(Duration::from_millis(100)), ..TimeoutConfig::default() };
    let limit = RateLimitConfig { burst: Some(2), ..RateLimitConfig::new(1, Duration::from_secs(7)) };
    let (router, stack) = router(|builder| builder.timeout(timeout).rate_limit(limit), &clock);
    let hangs = tokio::spawn(router.clone().oneshot(ask("/hang")));
    tokio::task::yield_now().await;
    manual.advance(Duration::from_millis(100));
    assert_eq!(hangs.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(stack.counted().calls_timed_out, 1);
    assert_eq!(text(&router, ask("/left")).await.0, StatusCode::OK);
    let refused = router.clone().oneshot(ask("/left")).await.unwrap();
    assert_eq!(
        (refused.status(), refused.headers()["retry-after"].as_bytes()),
        (StatusCode::TOO_MANY_REQUESTS, &b"7"[..])
    );
    let mut late = ask("/left");
    late.extensions_mut().insert(Context::root().with_timeout(&clock, Duration::ZERO));
    assert_eq!(text(&router, late).await.0, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn an_attempt_has_its_own_time_and_does_not_begin_with_too_little_of_the_whole() {
    let (clock, manual) = Clock::manual();
    let millis = Duration::from_millis;
    let timeout =
        TimeoutConfig { overall: Some(millis(100)), attempt: Some(millis(60)), minimum: millis(50) };
    let places = BulkheadConfig::of(1);
    let (router, stack) = router(|builder| builder.timeout(timeout).bulkhead(places), &clock);
    let hang = || tokio::spawn(router.clone().oneshot(ask("/hang")));
    let (first, second) = (hang(), hang());
    tokio::task::yield_now().await;
    assert_eq!(stack.bulkhead().unwrap().waiting(), 1);
    manual.advance(millis(60));
    assert_eq!(first.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    // Its turn has come, with 40 ms left of its hundred.
    assert_eq!(second.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    let counted = stack.counted();
    assert_eq!((counted.attempts_timed_out, counted.calls_timed_out), (1, 0));
    assert_eq!(stack.bulkhead().unwrap().under_way(), 0);
}

#[tokio::test]
async fn a_request_is_dropped_before_its_place_is_given_away() {
    use std::sync::atomic::{AtomicU32, Ordering};
    struct Looks(Arc<Stack>, Arc<AtomicU32>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.1.store(self.0.bulkhead().unwrap().under_way(), Ordering::SeqCst);
        }
    }
    let seen = Arc::new(AtomicU32::new(9));
    let stack = Arc::new(Stack::server("shop").bulkhead(BulkheadConfig::of(1)).build().unwrap());
    let (own, note) = (Arc::clone(&stack), Arc::clone(&seen));
    let service = tower::service_fn(move |_: Request<Body>| {
        let looks = Looks(Arc::clone(&own), Arc::clone(&note));
        async move {
            let _looks = looks;
            std::future::pending::<Result<http::Response<Body>, std::convert::Infallible>>().await
        }
    });
    let layer = ServeLayer::new(Arc::clone(&stack), ClassifyHttp::default());
    let call = tower::Layer::layer(&layer, service).oneshot(ask("/"));
    assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    assert_eq!((seen.load(Ordering::SeqCst), stack.bulkhead().unwrap().under_way()), (1, 0));
}

#[tokio::test]
async fn faults_on_purpose_are_injected_into_a_server_too() {
    let base = FaultInjectionConfig { allow_in_release: true, ..FaultInjectionConfig::default() };
    for (faults, status) in [
        (FaultInjectionConfig { error_percent: 100.0, ..base.clone() }, StatusCode::SERVICE_UNAVAILABLE),
        (FaultInjectionConfig { abort_percent: 100.0, ..base.clone() }, StatusCode::SERVICE_UNAVAILABLE),
        (
            FaultInjectionConfig { delay_percent: 100.0, delay: Duration::from_millis(7), ..base },
            StatusCode::OK,
        ),
    ] {
        let (clock, manual) = Clock::manual();
        let bulkhead = BulkheadConfig::of(1);
        let (router, stack) = router(|builder| builder.bulkhead(bulkhead).fault_injection(faults), &clock);
        let call = tokio::spawn(async move { text(&router, ask("/left")).await.0 });
        tokio::task::yield_now().await;
        if let Some(wait) = manual.next_wakeup() {
            manual.advance(wait);
        }
        assert_eq!(call.await.unwrap(), status);
        assert_eq!((stack.faults().unwrap().injected(), stack.bulkhead().unwrap().under_way()), (1, 0));
    }
}
