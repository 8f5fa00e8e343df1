//! Nothing is allocated for a call that is let through at its first attempt and answered.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use mamparo_context::{Clock, Context};
use mamparo_policy::Outcome;
use mamparo_policy::breaker::BreakerConfig;
use mamparo_policy::bulkhead::BulkheadConfig;
use mamparo_policy::retry::RetryConfig;
use mamparo_policy::stack::{Stack, StackLayer};
use tower::{Layer, Service, service_fn};

fn done<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it should be answered at once"),
    }
}

#[test]
fn a_call_through_a_whole_stack_allocates_nothing() {
    let (clock, _) = Clock::manual();
    let stack = Stack::client("a")
        .clock(clock)
        .timeout(Default::default())
        .retry(RetryConfig::default())
        .bulkhead(BulkheadConfig::default())
        .breaker(BreakerConfig::default())
        .build()
        .unwrap();
    let stack = Arc::new(stack);
    let cx = Context::root();
    let call = || done(stack.call(&cx, |_| std::future::ready(Ok::<_, Infallible>(7)))).unwrap();
    let service = service_fn(|()| std::future::ready(Ok::<_, Infallible>(7)));
    let classify: fn(&Result<i32, Infallible>) -> Outcome = Outcome::of;
    let mut service = StackLayer::new(Arc::clone(&stack), classify).layer(service);
    let mut through_tower = || done(service.call(())).unwrap();
    assert_eq!((call(), through_tower()), (7, 7));
    for (name, counted) in [
        ("call", allocation_counter::measure(|| _ = call())),
        ("tower", allocation_counter::measure(|| _ = through_tower())),
    ] {
        assert_eq!(counted.count_total, 0, "{name}");
    }
}
