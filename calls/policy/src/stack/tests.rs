//! Calls through whole stacks, under a clock that is moved by hand.
#![cfg(not(feature = "shuttle"))]

mod hedges;

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use mamparo_context::{Clock, Context, Criticality, Fault, ManualClock};

use super::*;
use crate::breaker::{BreakerConfig, BreakerState, OpenConfig, WindowConfig};
use crate::bulkhead::BulkheadConfig;
use crate::fault_injection::FaultInjectionConfig;
use crate::hedge::HedgeConfig;
use crate::rate_limit::RateLimitConfig;
use crate::retry::{BackoffConfig, BudgetConfig, GaveUp, Jitter, Repeat, RetryConfig};
use crate::shed::ShedConfig;
use crate::{Admission, Mode, Policy, Reason, Refusal};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Failed(Fault);

impl ToFault for Failed {
    fn fault(&self) -> Fault {
        self.0
    }
}

const DOWN: Failed = Failed(Fault::upstream());
type Answer = Result<&'static str, Failed>;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { jitter: Jitter::None, ..BackoffConfig::default() };
    RetryConfig { backoff, repeat: Repeat::Idempotent, ..RetryConfig::default() }
}

fn breaker() -> BreakerConfig {
    let open = OpenConfig { initial: millis(500), jitter: 0.0, ..OpenConfig::default() };
    BreakerConfig { window: WindowConfig::Calls(10), minimum_calls: 3, open, ..BreakerConfig::default() }
}

/// Polls once.
fn poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Task::from_waker(Waker::noop()))
}

/// Polls until it is done, and moves the clock from one sleeper to the next: what came of it, and how long it took.
fn finish<F: Future>(future: F, clock: &Clock, manual: &ManualClock) -> (F::Output, u128) {
    let mut future = pin!(future);
    let start = clock.moment();
    for _ in 0..1_000 {
        if let Poll::Ready(output) = poll(&mut future) {
            return (output, clock.moment().since(start).as_millis());
        }
        manual.advance(manual.next_wakeup().expect("nobody sleeps, and it is not done"));
    }
    panic!("it does not end");
}

/// Answers attempts in turn, and notes with which number and how much time each came.
struct Script {
    clock: Clock,
    answers: VecDeque<Answer>,
    seen: Vec<(u32, Option<u128>)>,
}

impl Script {
    fn new(clock: &Clock, answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { clock: clock.clone(), answers: answers.into_iter().collect(), seen: Vec::new() }
    }

    fn next(&mut self, cx: &Context) -> std::future::Ready<Answer> {
        let left = cx.remaining(&self.clock).map(|left| left.as_millis());
        self.seen.push((cx.attempt().number(), left));
        std::future::ready(self.answers.pop_front().unwrap_or(Err(DOWN)))
    }
}

#[test]
fn a_failed_attempt_is_made_again_with_its_number_and_what_time_is_left() {
    let (clock, manual) = Clock::manual();
    let timeout =
        TimeoutConfig { overall: Some(millis(1_000)), attempt: Some(millis(300)), minimum: millis(5) };
    let stack = Stack::client("a").clock(clock.clone()).timeout(timeout).retry(retry()).build().unwrap();
    let mut script = Script::new(&clock, [Err(DOWN), Err(DOWN), Ok("here")]);
    let call = stack.call(&Context::root(), |cx| script.next(&cx));
    assert_eq!(finish(call, &clock, &manual), (Ok("here"), 150));
    assert_eq!(script.seen, [(1, Some(300)), (2, Some(300)), (3, Some(300))]);
    let counted = stack.counted();
    assert_eq!((counted.calls, counted.repeats), (1, 2));

    let hurried = Context::root().with_timeout(&clock, millis(120));
    let mut script = Script::new(&clock, []);
    let call = stack.call(&hurried, |cx| script.next(&cx));
    let (answer, took) = finish(call, &clock, &manual);
    assert_eq!(answer, Err(Cause::Failed(DOWN).given_up(Some(GaveUp::Deadline))));
    assert_eq!((took, script.seen), (50, vec![(1, Some(120)), (2, Some(70))]));
    assert!(!answer.unwrap_err().fault().is_transient(), "nobody above repeats it");
}

#[test]
fn what_must_not_be_repeated_is_not() {
    let (clock, manual) = Clock::manual();
    let lost = Failed(Fault::upstream().indeterminate());
    for (repeat, failure, attempts) in [
        (Repeat::Keyed, lost, 1),
        (Repeat::Keyed, DOWN, 3),
        (Repeat::Idempotent, lost, 3),
        (Repeat::Idempotent, Failed(Fault::caller()), 1),
    ] {
        let retry = RetryConfig { repeat, ..retry() };
        let stack = Stack::client("a").clock(clock.clone()).retry(retry).build().unwrap();
        let mut script = Script::new(&clock, [Err(failure); 3]);
        let (answer, _) = finish(stack.call(&Context::root(), |cx| script.next(&cx)), &clock, &manual);
        assert_eq!(answer.unwrap_err().cause, Cause::Failed(failure));
        assert_eq!(script.seen.len(), attempts, "{repeat:?} {failure:?}");
    }
}

/// Notes when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn hangs(dropped: &Arc<AtomicUsize>) -> impl Future<Output = Answer> + Send {
    let dropped = Dropped(Arc::clone(dropped));
    async move {
        let _dropped = dropped;
        pending().await
    }
}

#[test]
fn a_timeout_drops_the_attempt_and_the_breaker_sees_it() {
    let (clock, manual) = Clock::manual();
    let timeout = TimeoutConfig { overall: None, attempt: Some(millis(30)), minimum: millis(1) };
    let stack = Stack::client("a")
        .clock(clock.clone())
        .timeout(timeout)
        .breaker(breaker())
        .bulkhead(BulkheadConfig::of(1))
        .build()
        .unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    for number in 1..=3 {
        let (answer, took) = finish(stack.call(&Context::root(), |_| hangs(&dropped)), &clock, &manual);
        assert_eq!(answer.unwrap_err().cause, Cause::TimedOut { after: millis(30), whole: false });
        assert_eq!((took, dropped.load(Ordering::SeqCst)), (30, number));
        assert_eq!(stack.bulkhead().unwrap().under_way(), 0);
    }
    assert_eq!(stack.breaker().unwrap().state(), BreakerState::Open);
    let (answer, _) = finish(stack.call(&Context::root(), |_| hangs(&dropped)), &clock, &manual);
    let refused = Refusal::new(Policy::Breaker, Reason::Open).retry_after(millis(500));
    assert_eq!(answer.unwrap_err().cause, Cause::Refused(refused));
    assert_eq!((stack.counted().attempts_timed_out, stack.counted().calls), (3, 4));
}

#[test]
fn what_is_dropped_gives_everything_back_and_is_no_sample() {
    let (clock, _) = Clock::manual();
    let stack = Stack::client("a")
        .clock(clock.clone())
        .breaker(breaker())
        .bulkhead(BulkheadConfig::of(1))
        .build()
        .unwrap();
    let (bulkhead, breaker) = (stack.bulkhead().unwrap(), stack.breaker().unwrap());
    let dropped = Arc::new(AtomicUsize::new(0));
    {
        let mut first = pin!(stack.call(&Context::root(), |_| hangs(&dropped)));
        assert!(poll(&mut first).is_pending());
        let mut second = pin!(stack.call(&Context::root(), |_| hangs(&dropped)));
        assert!(poll(&mut second).is_pending());
        assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (1, 1));
    }
    assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (0, 0));
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "the second one never began");
    assert_eq!((breaker.counts().read().cancelled, breaker.counts().read().admitted), (1, 1));
}

#[test]
fn a_refusal_that_says_until_when_is_waited_for_and_costs_no_budget() {
    let (clock, manual) = Clock::manual();
    let budget = BudgetConfig { tokens: 0, floor_per_second: 0.0, ..BudgetConfig::default() };
    let stack = Stack::client("a")
        .clock(clock.clone())
        .retry(RetryConfig { budget, ..retry() })
        .breaker(breaker())
        .bulkhead(BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) })
        .build()
        .unwrap();
    for _ in 0..3 {
        let (answer, _) =
            finish(stack.call(&Context::root(), |_| async { Answer::Err(DOWN) }), &clock, &manual);
        assert_eq!(answer.unwrap_err().given_up, Some(GaveUp::Budget));
    }
    let (answer, took) =
        finish(stack.call(&Context::root(), |_| async { Answer::Ok("up") }), &clock, &manual);
    assert_eq!(answer, Ok("up"));
    assert!((500..=550).contains(&took), "{took}");
    // A full bulkhead does not say until when: whoever was refused there does not come back by itself.
    let dropped = Arc::default();
    let mut busy = pin!(stack.call(&Context::root(), |_| hangs(&dropped)));
    assert!(poll(&mut busy).is_pending());
    let (answer, took) =
        finish(stack.call(&Context::root(), |_| async { Answer::Ok("up") }), &clock, &manual);
    let full = Refusal::new(Policy::Bulkhead, Reason::QueueFull);
    assert_eq!((answer, took), (Err(Cause::Refused(full).given_up(None)), 0));
}

#[test]
fn a_deadline_that_has_passed_refuses_before_anything_else() {
    let (clock, manual) = Clock::manual();
    let cx = Context::root().with_timeout(&clock, millis(10));
    let stack = Stack::client("a").clock(clock.clone()).bulkhead(BulkheadConfig::of(1)).build().unwrap();
    manual.advance(millis(10));
    let called = Cell::new(false);
    let call = stack.call(&cx, |_| {
        called.set(true);
        async { Answer::Ok("late") }
    });
    let (answer, _) = finish(call, &clock, &manual);
    let late = Refusal::new(Policy::Timeout, Reason::DeadlinePassed);
    assert_eq!((answer, called.get()), (Err(Cause::Refused(late).given_up(None)), false));
    assert_eq!(stack.bulkhead().unwrap().counts().read().admitted, 0);
}

#[test]
fn too_little_time_gives_back_what_was_taken() {
    let (clock, manual) = Clock::manual();
    let timeout = TimeoutConfig { overall: None, attempt: None, minimum: millis(50) };
    let stack = Stack::client("a")
        .clock(clock.clone())
        .timeout(timeout)
        .bulkhead(BulkheadConfig::of(1))
        .build()
        .unwrap();
    let cx = Context::root().with_timeout(&clock, millis(10));
    let (answer, _) = finish(stack.call(&cx, |_| async { Answer::Ok("late") }), &clock, &manual);
    let late = Refusal::new(Policy::Timeout, Reason::TooLittleTime);
    assert_eq!(answer, Err(Cause::Refused(late).given_up(None)));
    assert_eq!(stack.bulkhead().unwrap().under_way(), 0);
}

#[test]
fn injected_faults_look_like_those_of_the_dependency() {
    let (clock, manual) = Clock::manual();
    let base = FaultInjectionConfig { allow_in_release: true, ..FaultInjectionConfig::default() };
    for (faults, expected, called, took) in [
        (
            FaultInjectionConfig { error_percent: 100.0, ..base.clone() },
            Some(Cause::Injected { sent: false }),
            0,
            0,
        ),
        (
            FaultInjectionConfig { abort_percent: 100.0, ..base.clone() },
            Some(Cause::Injected { sent: true }),
            1,
            0,
        ),
        (FaultInjectionConfig { delay_percent: 100.0, delay: millis(70), ..base.clone() }, None, 1, 70),
        (
            FaultInjectionConfig { delay_percent: 100.0, delay: Duration::from_secs(9), ..base.clone() },
            Some(Cause::TimedOut { after: millis(100), whole: true }),
            0,
            100,
        ),
        (FaultInjectionConfig { error_percent: 100.0, mode: Mode::Shadow, ..base }, None, 1, 0),
    ] {
        let timeout = TimeoutConfig { overall: Some(millis(100)), ..TimeoutConfig::default() };
        let stack = Stack::client("a")
            .clock(clock.clone())
            .timeout(timeout)
            .breaker(breaker())
            .fault_injection(faults)
            .build()
            .unwrap();
        let mut script = Script::new(&clock, [Ok("up")]);
        let (answer, time) = finish(stack.call(&Context::root(), |cx| script.next(&cx)), &clock, &manual);
        assert_eq!(answer.err().map(|error| error.cause), expected);
        assert_eq!((script.seen.len(), time), (called, took), "{expected:?}");
    }
}

#[test]
fn a_breaker_of_its_own_for_each_endpoint_shares_the_rest() {
    let (clock, manual) = Clock::manual();
    let stack = Stack::client("a").clock(clock.clone()).bulkhead(BulkheadConfig::of(8)).build().unwrap();
    let own = |seed| {
        let breaker = crate::breaker::Breaker::seeded(breaker(), clock.clone(), seed).unwrap();
        stack.with_breaker(Arc::new(breaker))
    };
    let (left, right) = (own(1), own(2));
    for _ in 0..3 {
        _ = finish(left.call(&Context::root(), |_| async { Answer::Err(DOWN) }), &clock, &manual);
    }
    assert_eq!(left.breaker().unwrap().state(), BreakerState::Open);
    assert_eq!(right.breaker().unwrap().state(), BreakerState::Closed);
    assert_eq!((stack.counted().calls, stack.bulkhead().unwrap().counts().read().admitted), (3, 3));
}

#[test]
fn a_call_may_go_to_another_thread() {
    fn is_send<T: Send>(_: T) {}
    let stack = Arc::new(Stack::client("a").retry(retry()).build().unwrap());
    is_send(stack.call(&Context::root(), |_| async { Answer::Ok("x") }));
    is_send(stack.call_owned(Context::root(), Outcome::of, |_| async { Answer::Ok("x") }));
}

#[test]
fn it_is_described_in_its_order_and_a_file_gives_the_same() {
    let text = r#"{
        "timeout": {"overall": "2s", "attempt": "300ms", "minimum": "5ms"},
        "retry": {"repeat": "idempotent"},
        "bulkhead": {"calls": 64},
        "breaker": {"window": {"time": "10s"}, "consecutive_failures": 5, "mode": "shadow"}
    }"#;
    let config: ClientConfig = serde_json::from_str(text).unwrap();
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ClientConfig>(&written).unwrap(), config);
    let stack = Stack::client("cards").config(config).build().unwrap();
    let expected = "\
calls of cards
  deadline         2s, no attempt with less than 5ms
  retry            3 attempts, everything, after 50ms to 20s, budget 500 (failure -14, busy -5, success +1, floor 0.1/s)
  bulkhead         64 calls at a time, 64 wait up to 500ms
  breaker          opens when 50% failed of the last 10s (from 20) or after 5 failures in a row, for 1s to 10s; 1 probe(s), ramp to 4 (shadow)
  attempt timeout  300ms
";
    assert_eq!(stack.describe().to_string(), expected);
    let wrong = Stack::client("a").retry(retry()).hedge(HedgeConfig::default()).build();
    assert_eq!(wrong.unwrap_err(), InvalidStack::RetryAndHedge);
    assert!(serde_json::from_str::<ClientConfig>(r#"{"brekaer": {}}"#).is_err());
}

#[test]
fn another_configuration_keeps_what_is_known_and_a_wrong_one_changes_nothing() {
    let (clock, manual) = Clock::manual();
    let config = ClientConfig {
        retry: Some(RetryConfig { attempts: 1, ..retry() }),
        breaker: Some(breaker()),
        bulkhead: Some(BulkheadConfig::of(1)),
        ..ClientConfig::default()
    };
    let stack = Stack::client("a").clock(clock.clone()).config(config.clone()).build().unwrap();
    for _ in 0..3 {
        _ = finish(stack.call(&Context::root(), |_| async { Answer::Err(DOWN) }), &clock, &manual);
    }
    let wrong = ClientConfig {
        bulkhead: Some(BulkheadConfig::of(9)),
        breaker: Some(BreakerConfig { minimum_calls: 0, ..breaker() }),
        ..config.clone()
    };
    assert!(stack.reconfigured(&wrong).is_err());
    assert_eq!(stack.bulkhead().unwrap().calls(), 1);

    let wider = ClientConfig {
        bulkhead: Some(BulkheadConfig::of(9)),
        retry: Some(retry()),
        timeout: Some(TimeoutConfig::default()),
        ..config
    };
    let next = stack.reconfigured(&wider).unwrap();
    assert_eq!(next.breaker().unwrap().state(), BreakerState::Open);
    assert_eq!((next.bulkhead().unwrap().calls(), stack.bulkhead().unwrap().calls()), (9, 9));
    assert_eq!((next.counted().calls, next.retry().unwrap().config().attempts), (3, 3));
    assert!(next.reconfigured(&ClientConfig::default()).unwrap().breaker().is_none());
}

#[test]
fn who_is_refused_further_in_gives_back_what_was_taken_before() {
    let (clock, manual) = Clock::manual();
    let stack = Stack::client("a")
        .clock(clock.clone())
        .rate_limit(RateLimitConfig { burst: Some(2), ..RateLimitConfig::new(1, Duration::from_secs(60)) })
        .bulkhead(BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) })
        .build()
        .unwrap();
    let dropped = Arc::default();
    {
        let mut busy = pin!(stack.call(&Context::root(), |_| hangs(&dropped)));
        assert!(poll(&mut busy).is_pending());
        for _ in 0..5 {
            let (answer, _) =
                finish(stack.call(&Context::root(), |_| async { Answer::Ok("x") }), &clock, &manual);
            let full = Refusal::new(Policy::Bulkhead, Reason::QueueFull);
            assert_eq!(answer.unwrap_err().cause, Cause::Refused(full));
        }
    }
    let call = || finish(stack.call(&Context::root(), |_| async { Answer::Ok("x") }), &clock, &manual).0;
    assert!(call().is_ok());
    let Err(CallError { cause: Cause::Refused(refusal), .. }) = call() else {
        panic!("both tokens are used")
    };
    assert_eq!((refusal.policy, refusal.reason), (Policy::RateLimit, Reason::OverQuota));
}

#[test]
fn a_server_sheds_who_matters_least_and_needs_a_sign_of_overload_for_it() {
    struct Overload;
    impl crate::shed::Signal for Overload {
        fn name(&self) -> &'static str {
            "test"
        }

        fn pressure(&self, _: mamparo_context::Moment) -> f64 {
            2.0
        }
    }
    let (clock, manual) = Clock::manual();
    let shed = ShedConfig { trickle: 0.0, ..ShedConfig::default() };
    assert!(Stack::server("s").clock(clock.clone()).shed(shed).build().is_err());
    let stack =
        Stack::server("s").clock(clock.clone()).shed(shed).signal(Arc::new(Overload)).build().unwrap();
    let count = |criticality| {
        let served = (0..200).filter(|_| {
            manual.advance(millis(5));
            let cx = Context::root().with_criticality(criticality);
            finish(stack.call(&cx, |_| async { Answer::Ok("x") }), &clock, &manual).0.is_ok()
        });
        served.count()
    };
    // Half of all is too much: first the lowest class goes, while the others are served.
    count(Criticality::Sheddable);
    let low = count(Criticality::Sheddable);
    let high = count(Criticality::CriticalPlus);
    assert!(low < 100 && high > low, "{low} {high}");
}

#[test]
fn what_an_earlier_attempt_may_have_done_is_not_forgotten() {
    let (clock, manual) = Clock::manual();
    let stack = Stack::client("a").clock(clock.clone()).retry(retry()).build().unwrap();
    let lost = Failed(Fault::upstream().indeterminate());
    for (answers, indeterminate) in [([Err(lost), Err(DOWN), Err(DOWN)], true), ([Err(DOWN); 3], false)] {
        let mut script = Script::new(&clock, answers);
        let (answer, _) = finish(stack.call(&Context::root(), |cx| script.next(&cx)), &clock, &manual);
        let error = answer.unwrap_err();
        assert_eq!(error.cause, Cause::Failed(DOWN));
        assert_eq!((error.indeterminate, error.fault().indeterminate), (indeterminate, indeterminate));
    }
}

/// Notes how many calls are under way in a bulkhead when it is dropped, and panics if it is told to.
struct Looks {
    stack: Arc<Stack>,
    seen: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Looks {
    fn drop(&mut self) {
        let under_way = self.stack.bulkhead().unwrap().under_way();
        self.seen.store(under_way as usize, Ordering::SeqCst);
        assert!(!self.panics, "it panics while it is dropped");
    }
}

#[test]
fn an_attempt_is_dropped_before_its_place_is_given_away_even_if_that_panics() {
    let (clock, _) = Clock::manual();
    let stack = Arc::new(Stack::client("a").clock(clock).bulkhead(BulkheadConfig::of(1)).build().unwrap());
    for panics in [false, true] {
        let seen = Arc::new(AtomicUsize::new(9));
        let mut call = Box::pin(stack.call(&Context::root(), |_| {
            let looks = Looks { stack: Arc::clone(&stack), seen: Arc::clone(&seen), panics };
            async move {
                let _looks = looks;
                pending::<Answer>().await
            }
        }));
        assert!(poll(&mut call.as_mut()).is_pending());
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(call)));
        assert_eq!((dropped.is_err(), seen.load(Ordering::SeqCst)), (panics, 1));
        assert_eq!(stack.bulkhead().unwrap().under_way(), 0);
    }
}

#[test]
fn a_panic_at_any_step_leaks_nothing() {
    let (clock, _) = Clock::manual();
    let stack = Stack::client("a").clock(clock).bulkhead(BulkheadConfig::of(4)).breaker(breaker()).build();
    let stack = stack.unwrap();
    let panicking = |begins: bool, classifies: bool| {
        let mut call = Box::pin(stack.call_with(
            &Context::root(),
            move |_: &Answer| if classifies { panic!("it cannot say") } else { Outcome::Success },
            move |_| {
                assert!(!begins, "it does not even begin");
                async move { if classifies { Answer::Ok("x") } else { panic!("it breaks") } }
            },
        ));
        // The second time against its contract: it takes no second place.
        for _ in 0..2 {
            let mut polled = std::panic::AssertUnwindSafe(&mut call);
            _ = std::panic::catch_unwind(move || poll(&mut polled.as_mut()).is_pending());
        }
        drop(call);
        assert_eq!(stack.bulkhead().unwrap().under_way(), 0, "{begins} {classifies}");
    };
    panicking(true, false);
    panicking(false, false);
    panicking(false, true);
    assert_eq!(stack.breaker().unwrap().counts().read().cancelled, 3);
}

#[test]
fn who_leaves_the_line_gives_back_what_was_taken_before_it() {
    let (clock, manual) = Clock::manual();
    let stack = Stack::client("a")
        .clock(clock.clone())
        .rate_limit(RateLimitConfig { burst: Some(2), ..RateLimitConfig::new(1, Duration::from_secs(60)) })
        .bulkhead(BulkheadConfig::of(1))
        .build()
        .unwrap();
    let dropped = Arc::default();
    {
        let mut busy = pin!(stack.call(&Context::root(), |_| hangs(&dropped)));
        assert!(poll(&mut busy).is_pending());
        for _ in 0..5 {
            let mut waits = pin!(stack.call(&Context::root(), |_| async { Answer::Ok("x") }));
            assert!(poll(&mut waits).is_pending(), "it waits in the line of the bulkhead");
        }
    }
    let (answer, _) = finish(stack.call(&Context::root(), |_| async { Answer::Ok("x") }), &clock, &manual);
    assert_eq!(answer, Ok("x"), "a token is left");
}

#[test]
fn a_server_that_cannot_shed_is_not_changed_by_half() {
    let (clock, _) = Clock::manual();
    let stack = Stack::server("s").clock(clock).bulkhead(BulkheadConfig::of(1));
    let rate = RateLimitConfig::new(1, Duration::from_secs(1));
    let stack = stack.rate_limit(rate).build().unwrap();
    let wrong = ServerConfig {
        rate_limit: Some(RateLimitConfig::new(9, Duration::from_secs(1))),
        bulkhead: Some(BulkheadConfig::of(9)),
        shed: Some(ShedConfig::default()),
        ..ServerConfig::default()
    };
    assert!(stack.reconfigured_server(&wrong).is_err());
    assert_eq!((stack.bulkhead().unwrap().calls(), stack.rate_limit().unwrap().config()), (1, rate));
}

#[test]
fn a_stack_of_a_gateway_keeps_what_it_knows_when_it_changes() {
    use crate::adaptive::AdaptiveConfig;
    use crate::shed::{QueueDelay, Signal};

    let delay: Arc<dyn Signal> =
        Arc::new(QueueDelay::new(Duration::from_millis(5), Duration::from_millis(100)));
    let shed = AdmissionConfig { shed: Some(ShedConfig::default()), ..AdmissionConfig::default() };
    let build =
        |config: &AdmissionConfig| Stack::gateway("a").clock(Clock::manual().0).config(config.clone());
    assert!(build(&shed).build().is_err(), "nothing says when to shed");
    let hedge = Some(HedgeConfig::default());
    let old = build(&shed).signal(Arc::clone(&delay)).hedge(hedge).build().unwrap();
    let shedder = Arc::clone(old.shedder().unwrap());
    assert!(shedder.describe().starts_with("by queue-delay; "), "{}", shedder.describe());

    let both = AdmissionConfig { adaptive: Some(AdaptiveConfig::default()), ..shed.clone() };
    let next = build(&both).hedge(hedge).build_after(&old).unwrap();
    assert!(Arc::ptr_eq(&shedder, next.shedder().unwrap()));
    assert!(shedder.describe().starts_with("by adaptive-limit; "), "{}", shedder.describe());
    assert!(build(&shed).build_after(&next).is_err());

    let alone = next.hedge_alone().unwrap();
    assert!(alone.hedge().is_some() && alone.shedder().is_none() && alone.adaptive().is_none());
    assert!(build(&both).build().unwrap().hedge_alone().is_none());
}
