//! The rules that every layer keeps: readiness reserves nothing, clones share, what is dropped is given back.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use mamparo_context::{Clock, Context, Fault};
use mamparo_policy::breaker::{Breaker, BreakerConfig, BreakerState, WindowConfig};
use mamparo_policy::bulkhead::{Bulkhead, BulkheadConfig};
use mamparo_policy::http::ClassifyHttp;
use mamparo_policy::layer::{BodyPolicyLayer, PolicyLayer};
use mamparo_policy::retry::{BackoffConfig, Jitter, Repeat, Retry, RetryConfig, RetryLayer};
use mamparo_policy::stack::{Cause, Stack, StackLayer};
use mamparo_policy::timeout::{TimeoutConfig, TimeoutLayer};
use mamparo_policy::{Admission, Outcome, Reason, ToFault};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Request = http::Request<Full<Bytes>>;
type Response = http::Response<Full<Bytes>>;

#[derive(Clone, Debug, PartialEq)]
struct Down;

impl ToFault for Down {
    fn fault(&self) -> Fault {
        Fault::upstream()
    }
}

fn request() -> Request {
    http::Request::new(Full::default())
}

fn bulkhead(calls: u32, queue: u32) -> Arc<Bulkhead> {
    let config = BulkheadConfig { queue, ..BulkheadConfig::of(calls) };
    Arc::new(Bulkhead::new(config, Clock::system()).unwrap())
}

async fn answers(_: Request) -> Result<Response, Infallible> {
    Ok(http::Response::new(Full::from("x")))
}

fn poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Task::from_waker(Waker::noop()))
}

#[tokio::test]
async fn readiness_reserves_nothing_and_clones_share() {
    let policy = bulkhead(1, 0);
    let layer = PolicyLayer::new(Arc::clone(&policy), Outcome::of);
    let mut first =
        ServiceBuilder::new().layer(layer).service(service_fn(|_: Request| std::future::pending()));
    let mut second = first.clone();
    for _ in 0..100 {
        first.ready().await.unwrap();
        second.ready().await.unwrap();
    }
    assert_eq!(policy.under_way(), 0);
    let held = first.call(request());
    assert_eq!(policy.under_way(), 1);
    let refused: Result<Response, Cause<Infallible>> = second.call(request()).await;
    assert!(matches!(refused, Err(Cause::Refused(refusal)) if refusal.reason == Reason::QueueFull));
    drop(held);
    assert_eq!((policy.under_way(), policy.counts().read().cancelled), (0, 1));
}

/// Is ready at the third look, and panics when another instance is called than the one that became ready.
#[derive(Debug)]
struct Shy {
    looks: usize,
    clones: Arc<AtomicUsize>,
}

impl Clone for Shy {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self { looks: 0, clones: Arc::clone(&self.clones) }
    }
}

impl Service<Request> for Shy {
    type Response = Response;
    type Error = Down;
    type Future = std::future::Ready<Result<Response, Down>>;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), Down>> {
        self.looks += 1;
        if self.looks >= 3 {
            return Poll::Ready(Ok(()));
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Request) -> Self::Future {
        assert!(self.looks >= 3, "called before it was ready");
        self.looks = 0;
        std::future::ready(Ok(http::Response::new(Full::default())))
    }
}

#[tokio::test]
async fn the_service_that_became_ready_is_the_one_that_is_called() {
    let shy = Shy { looks: 0, clones: Arc::default() };
    let layer = PolicyLayer::new(bulkhead(1, 0), Outcome::of);
    let mut service = ServiceBuilder::new().layer(layer).service(shy);
    for _ in 0..3 {
        // Without a look at readiness, too: the call waits by itself.
        service.call(request()).await.unwrap();
    }
}

#[tokio::test]
async fn readiness_that_fails_is_the_failure_of_the_call() {
    #[derive(Clone)]
    struct Broken;
    impl Service<Request> for Broken {
        type Response = Response;
        type Error = Down;
        type Future = std::future::Ready<Result<Response, Down>>;

        fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Down>> {
            Poll::Ready(Err(Down))
        }

        fn call(&mut self, _: Request) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let config =
        BreakerConfig { window: WindowConfig::Calls(4), minimum_calls: 2, ..BreakerConfig::default() };
    let breaker = Arc::new(Breaker::new(config, Clock::system()).unwrap());
    let mut service = PolicyLayer::new(Arc::clone(&breaker), Outcome::of).layer_of(Broken);
    for _ in 0..2 {
        assert!(matches!(service.call(request()).await, Err(Cause::Failed(Down))));
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// `layer` under a name that needs no import of the trait.
trait LayerOf<S>: tower::Layer<S> {
    fn layer_of(&self, service: S) -> Self::Service {
        self.layer(service)
    }
}

impl<S, L: tower::Layer<S>> LayerOf<S> for L {}

#[tokio::test]
async fn ten_thousand_calls_from_one_task_are_all_let_through() {
    let policy = bulkhead(1, 10_000);
    let service = PolicyLayer::new(Arc::clone(&policy), Outcome::of).layer_of(service_fn(answers));
    let calls = (0..10_000).map(|_| service.clone().oneshot(request()));
    let done = futures_util::future::join_all(calls).await;
    assert!(done.iter().all(Result::is_ok));
    assert_eq!((policy.counts().read().admitted, policy.under_way()), (10_000, 0));
}

#[tokio::test]
async fn a_place_ends_with_the_body_or_with_the_client() {
    let policy = bulkhead(1, 0);
    let layer = BodyPolicyLayer::new(Arc::clone(&policy), ClassifyHttp::default());
    let mut service = layer.layer_of(service_fn(answers));
    let answer = service.call(request()).await.unwrap();
    assert_eq!(policy.under_way(), 1, "the head is there, the body is not");
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "x");
    assert_eq!(policy.under_way(), 0);
    drop(service.call(request()).await.unwrap());
    assert_eq!(policy.under_way(), 0, "the client has left");
}

#[tokio::test(start_paused = true)]
async fn a_stack_retries_what_the_classifier_says_and_sends_context_on() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let own = Arc::clone(&seen);
    let service = service_fn(move |request: Request| {
        let cx: Context = request.extensions().get::<Context>().unwrap().clone();
        let number = cx.attempt().number();
        own.lock().unwrap().push((number, cx.deadline().is_some()));
        let status = if number < 3 { 503 } else { 200 };
        let answer = http::Response::builder().status(status).header("retry-after", "1");
        std::future::ready(Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap()))
    });
    let backoff = BackoffConfig { jitter: Jitter::None, ..BackoffConfig::default() };
    let retry = RetryConfig { repeat: Repeat::Idempotent, backoff, ..RetryConfig::default() };
    let stack = Arc::new(Stack::client("a").timeout(Default::default()).retry(retry).build().unwrap());
    let service = StackLayer::new(Arc::clone(&stack), ClassifyHttp::default()).layer_of(service);
    let answer = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(*seen.lock().unwrap(), [(1, true), (2, true), (3, true)]);

    // Where it is not made again, the answer itself comes back, whatever it is.
    let busy = service_fn(|_: Request| async {
        Ok::<_, Infallible>(http::Response::builder().status(404).body(Full::<Bytes>::default()).unwrap())
    });
    let service = StackLayer::new(stack, ClassifyHttp::default()).layer_of(busy);
    assert_eq!(service.oneshot(request()).await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn a_call_that_waits_and_is_dropped_leaves_the_line() {
    let policy = bulkhead(1, 1);
    let mut service = PolicyLayer::new(Arc::clone(&policy), Outcome::of)
        .layer_of(service_fn(|_: Request| std::future::pending::<Result<Response, Infallible>>()));
    let held = service.call(request());
    {
        let mut waits = std::pin::pin!(service.call(request()));
        assert!(poll(&mut waits).is_pending());
        assert_eq!(policy.waiting(), 1);
    }
    assert_eq!(policy.waiting(), 0);
    drop(held);
}

#[tokio::test]
async fn a_retry_alone_sends_the_number_on_and_ends_at_the_deadline() {
    let (clock, manual) = Clock::manual();
    let backoff = BackoffConfig { jitter: Jitter::None, ..BackoffConfig::default() };
    let config = RetryConfig { repeat: Repeat::Idempotent, backoff, ..RetryConfig::default() };
    let retry = Arc::new(Retry::new(config).unwrap());
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let own = Arc::clone(&seen);
    let service = service_fn(move |request: Request| {
        own.lock().unwrap().push(request.extensions().get::<Context>().unwrap().attempt().number());
        std::future::ready(Err::<Response, Down>(Down))
    });
    let mut service = RetryLayer::new(Arc::clone(&retry), clock.clone(), Outcome::of).layer_of(service);
    for (left, expected) in [(1_000, vec![1, 2, 3]), (60, vec![1, 2]), (50, vec![1])] {
        let mut request = request();
        let cx = Context::root().with_timeout(&clock, Duration::from_millis(left));
        request.extensions_mut().insert(cx);
        let mut call = std::pin::pin!(service.call(request));
        while poll(&mut call).is_pending() {
            manual.advance(manual.next_wakeup().unwrap());
        }
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
    }
    assert_eq!(retry.budget().tokens(), 500 - 3 * 14);
}

#[tokio::test]
async fn a_timeout_alone_drops_the_call_and_sends_on_what_time_it_has() {
    let (clock, manual) = Clock::manual();
    let config = TimeoutConfig { overall: Some(Duration::from_millis(30)), ..TimeoutConfig::default() };
    let own = clock.clone();
    let service = service_fn(move |request: Request| {
        let left = request.extensions().get::<Context>().and_then(|cx| cx.remaining(&own));
        async move {
            match left {
                Some(left) if left < Duration::from_millis(30) => {
                    Ok(http::Response::new(Full::from("hurried")))
                }
                _ => std::future::pending::<Result<Response, Infallible>>().await,
            }
        }
    });
    let mut service = TimeoutLayer::new(config, clock.clone()).unwrap().layer_of(service);
    let mut call = std::pin::pin!(service.call(request()));
    assert!(poll(&mut call).is_pending());
    manual.advance(Duration::from_millis(30));
    let Poll::Ready(Err(Cause::TimedOut { after, whole })) = poll(&mut call) else { panic!("it is late") };
    assert_eq!((after, whole), (Duration::from_millis(30), true));

    let hurried = |left| {
        let mut request = request();
        request.extensions_mut().insert(Context::root().with_timeout(&clock, Duration::from_millis(left)));
        request
    };
    assert!(service.call(hurried(20)).await.is_ok());
    let Err(Cause::Refused(refusal)) = service.call(hurried(0)).await else { panic!("it is over") };
    assert_eq!(refusal.reason, Reason::DeadlinePassed);
}

#[tokio::test]
async fn a_call_is_dropped_before_its_place_is_given_away() {
    struct Looks(Arc<Bulkhead>, Arc<AtomicUsize>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.1.store(self.0.under_way() as usize, Ordering::SeqCst);
        }
    }
    let (policy, seen) = (bulkhead(1, 0), Arc::new(AtomicUsize::new(9)));
    let (own, note) = (Arc::clone(&policy), Arc::clone(&seen));
    let mut service =
        PolicyLayer::new(Arc::clone(&policy), Outcome::of).layer_of(service_fn(move |_: Request| {
            let looks = Looks(Arc::clone(&own), Arc::clone(&note));
            async move {
                let _looks = looks;
                std::future::pending::<Result<Response, Infallible>>().await
            }
        }));
    {
        let mut call = std::pin::pin!(service.call(request()));
        assert!(poll(&mut call).is_pending());
    }
    assert_eq!((seen.load(Ordering::SeqCst), policy.under_way()), (1, 0));
}

#[tokio::test]
async fn a_retry_that_is_polled_after_its_end_does_not_call_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&calls);
    let service = service_fn(move |request: Request| {
        own.fetch_add(1, Ordering::SeqCst);
        answers(request)
    });
    let retry = Arc::new(Retry::new(RetryConfig::default()).unwrap());
    let mut service = RetryLayer::new(retry, Clock::system(), Outcome::of).layer_of(service);
    let mut call = std::pin::pin!(service.call(request()));
    assert!(poll(&mut call).is_ready());
    assert!(poll(&mut call).is_pending());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
