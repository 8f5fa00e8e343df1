//! Values at the edge: whatever a check lets through works, and never panics.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Waker};
use std::time::Duration;

use mamparo_context::{Clock, Context, Criticality, Fault, ManualClock};
use mamparo_policy::adaptive::{AdaptiveConfig, AimdConfig, AlgorithmConfig, Gradient2Config, VegasConfig};
use mamparo_policy::breaker::{BreakerConfig, OpenConfig, SlowCallConfig, WindowConfig};
use mamparo_policy::bulkhead::BulkheadConfig;
use mamparo_policy::fault_injection::FaultInjectionConfig;
use mamparo_policy::hedge::HedgeConfig;
use mamparo_policy::rate_limit::RateLimitConfig;
use mamparo_policy::retry::{BudgetConfig, Jitter, Repeat, RetryConfig};
use mamparo_policy::shed::{ShedConfig, Signal};
use mamparo_policy::stack::{ClientConfig, ServerConfig, Stack};
use mamparo_policy::throttle::ThrottleConfig;
use mamparo_policy::timeout::TimeoutConfig;
use mamparo_policy::{Mode, Outcome};
use proptest::prelude::*;

/// The values that a change is made of.
#[derive(Clone, Copy, Debug)]
struct Edge {
    share: f64,
    time: Duration,
    number: u32,
}

fn edge() -> impl Strategy<Value = Edge> {
    let shares = [f64::NAN, f64::INFINITY, -1.0, 0.0, f64::MIN_POSITIVE, 1e-30, 0.001, 0.5, 1.0, 50.0, 100.0];
    let second = Duration::from_secs(1);
    let times = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(50),
        second,
        second * 3_600,
        second * 86_400 * 60,
        Duration::from_micros(u64::MAX),
        Duration::MAX,
    ];
    let numbers = [0, 1, 2, 10, 1_000, u32::MAX];
    let (share, time) = (prop::sample::select(shares.to_vec()), prop::sample::select(times.to_vec()));
    (share, time, prop::sample::select(numbers.to_vec())).prop_map(|(share, time, number)| Edge {
        share,
        time,
        number,
    })
}

type Change = fn(&mut ClientConfig, Edge);

fn retry(config: &mut ClientConfig) -> &mut RetryConfig {
    config.hedge = None;
    config.retry.get_or_insert(RetryConfig { repeat: Repeat::Idempotent, ..RetryConfig::default() })
}

fn hedge(config: &mut ClientConfig) -> &mut HedgeConfig {
    config.retry = None;
    config.hedge.get_or_insert(HedgeConfig { repeat: Repeat::Idempotent, ..HedgeConfig::default() })
}

fn breaker(config: &mut ClientConfig) -> &mut BreakerConfig {
    config.breaker.get_or_insert(BreakerConfig { minimum_calls: 2, ..BreakerConfig::default() })
}

fn adaptive(config: &mut ClientConfig) -> &mut AdaptiveConfig {
    config.adaptive.get_or_insert(AdaptiveConfig { min_samples: 1, ..AdaptiveConfig::default() })
}

fn throttle(config: &mut ClientConfig) -> &mut ThrottleConfig {
    config.throttle.get_or_insert_default()
}

fn budget(budget: &mut BudgetConfig, edge: Edge) {
    budget.floor_per_second = edge.share;
    budget.tokens = edge.number;
}

const CHANGES: &[Change] = &[
    |c, e| budget(&mut retry(c).budget, e),
    |c, e| retry(c).budget = BudgetConfig { tokens: 0, floor_per_second: e.share, ..BudgetConfig::default() },
    |c, e| retry(c).budget.failure_cost = e.number,
    |c, e| retry(c).backoff.base = e.time,
    |c, e| retry(c).backoff.max = e.time,
    |c, _| retry(c).backoff.jitter = Jitter::Decorrelated,
    |c, _| retry(c).backoff.jitter = Jitter::None,
    |c, e| retry(c).busy_pause = e.time,
    |c, e| retry(c).retry_after_max = e.time,
    |c, e| retry(c).attempts = e.number,
    |c, e| budget(&mut hedge(c).budget, e),
    |c, e| hedge(c).budget = BudgetConfig { tokens: 0, floor_per_second: e.share, ..BudgetConfig::default() },
    |c, e| hedge(c).initial = e.time,
    |c, e| hedge(c).minimum = e.time,
    |c, e| hedge(c).maximum = e.time,
    |c, e| hedge(c).percentile = e.share,
    |c, e| hedge(c).extra = e.number,
    |c, _| hedge(c).mode = Mode::Shadow,
    |c, e| breaker(c).window = WindowConfig::Time(e.time),
    |c, e| breaker(c).window = WindowConfig::Calls(e.number),
    |c, e| breaker(c).failure_percent = Some(e.share),
    |c, e| breaker(c).slow_calls = Some(SlowCallConfig { above: e.time, percent: e.share }),
    |c, e| breaker(c).consecutive_failures = Some(e.number),
    |c, e| breaker(c).open = OpenConfig { initial: e.time, max: e.time, factor: 1.0, jitter: 0.0 },
    |c, e| breaker(c).open.initial = e.time,
    |c, e| breaker(c).open.max = e.time,
    |c, e| breaker(c).open.factor = e.share,
    |c, e| breaker(c).open.jitter = e.share,
    |c, e| breaker(c).half_open.wait = e.time,
    |c, e| breaker(c).half_open.probes = e.number,
    |c, e| breaker(c).half_open.ramp_to = e.number,
    |c, e| adaptive(c).window = e.time,
    |c, e| adaptive(c).probe_every = e.time,
    |c, e| adaptive(c).retry_after = e.time,
    |c, e| adaptive(c).max = e.number,
    |c, e| adaptive(c).min_samples = e.number,
    |c, e| adaptive(c).line.get_or_insert_default().max_wait = e.time,
    |c, e| {
        let vegas = VegasConfig { alpha: 1e-300, beta: e.share, smoothing: 1.0 };
        adaptive(c).algorithm = AlgorithmConfig::Vegas(vegas);
    },
    |c, e| {
        let gradient = Gradient2Config { smoothing: e.share, long_window: e.number, ..Default::default() };
        adaptive(c).algorithm = AlgorithmConfig::Gradient2(gradient);
    },
    |c, e| {
        let aimd = AimdConfig { backoff: 0.5, increase: e.share, slow: e.time };
        adaptive(c).algorithm = AlgorithmConfig::Aimd(aimd);
    },
    |c, e| throttle(c).window = e.time,
    |c, e| throttle(c).k = e.share,
    |c, e| throttle(c).floor = e.share,
    |c, e| c.timeout = Some(TimeoutConfig { overall: Some(e.time), ..TimeoutConfig::default() }),
    |c, e| c.timeout.get_or_insert_default().attempt = Some(e.time),
    |c, e| c.timeout.get_or_insert_default().minimum = e.time,
    |c, e| c.bulkhead = Some(BulkheadConfig { calls: e.number, queue: 1, wait: e.time, mode: Mode::Enforce }),
    |c, e| c.bulkhead = Some(BulkheadConfig { calls: 1, queue: e.number, wait: e.time, mode: Mode::Enforce }),
    |c, e| c.rate_limit = Some(RateLimitConfig::new(e.number, e.time)),
    |c, e| c.rate_limit = Some(RateLimitConfig::new(10, Duration::from_secs(1)).burst(e.number)),
    |c, e| c.rate_limit = Some(RateLimitConfig::leaky(e.number, Duration::from_secs(1), 5, e.time)),
    |c, e| {
        let faults = FaultInjectionConfig { allow_in_release: true, ..FaultInjectionConfig::default() };
        c.fault_injection = Some(FaultInjectionConfig {
            delay: e.time,
            delay_percent: e.share,
            error_percent: 10.0,
            ..faults
        });
    },
];

/// Polls until it is done, moving the clock; gives up on what would take longer than anybody waits.
fn finish<F: Future>(future: F, manual: &ManualClock) {
    let mut future = pin!(future);
    for _ in 0..50 {
        if future.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_ready() {
            return;
        }
        match manual.next_wakeup() {
            Some(next) if next < Duration::from_secs(86_400 * 400) => manual.advance(next),
            _ => return,
        }
    }
}

fn use_it(stack: &Stack, clock: &Clock, manual: &ManualClock) {
    let up = Fault::upstream();
    let busy = up.retry_after(Duration::from_secs(2));
    let outcomes = [
        Outcome::Success,
        Outcome::Failure(up),
        Outcome::BackPressure(up),
        Outcome::Failure(up.retry_after(Duration::ZERO)),
        Outcome::Failure(up.indeterminate()),
        Outcome::BackPressure(busy),
        Outcome::Failure(up.retry_after(Duration::MAX)),
    ];
    for (number, outcome) in outcomes.iter().cycle().take(40).enumerate() {
        let cx = Context::root().with_criticality(Criticality::Sheddable);
        let takes = [Duration::ZERO, Duration::from_millis(150)][number % 2];
        let call = stack.call_with(
            &cx,
            |_: &Result<(), Fault>| *outcome,
            |_| async move {
                mamparo_policy::time::sleep_until(clock, clock.moment() + takes).await;
                if *outcome == Outcome::Success { Ok(()) } else { Err(up) }
            },
        );
        finish(call, manual);
        manual.advance([Duration::ZERO, Duration::from_millis(40), Duration::from_secs(70)][number % 3]);
    }
    assert!(!stack.describe().to_string().is_empty());
}

struct Much;

impl Signal for Much {
    fn name(&self) -> &'static str {
        "much"
    }

    fn pressure(&self, _: mamparo_context::Moment) -> f64 {
        1.5
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_works_with_whatever_its_check_lets_through(
        changes in prop::collection::vec((prop::sample::select(CHANGES.to_vec()), edge()), 1..4),
        later in prop::collection::vec((prop::sample::select(CHANGES.to_vec()), edge()), 0..3),
    ) {
        let (clock, manual) = Clock::manual();
        let mut config = ClientConfig::default();
        changes.iter().for_each(|(change, edge)| change(&mut config, *edge));
        let Ok(stack) = Stack::client("edge").clock(clock.clone()).seed(7).config(config.clone()).build() else {
            return Ok(());
        };
        use_it(&stack, &clock, &manual);
        later.iter().for_each(|(change, edge)| change(&mut config, *edge));
        if let Ok(stack) = stack.reconfigured(&config) {
            use_it(&stack, &clock, &manual);
        }
    }

    #[test]
    fn a_shedder_works_with_whatever_its_check_lets_through(edges in [edge(), edge(), edge(), edge(), edge()], which in 0..64_u32) {
        let (clock, manual) = Clock::manual();
        let mut shed = ShedConfig::default();
        let changes: [fn(&mut ShedConfig, Edge); 6] = [
            |c, e| c.trickle = e.share,
            |c, e| c.calm = e.share,
            |c, e| c.recover = e.share,
            |c, e| c.every = e.time,
            |c, e| c.reshuffle = e.time,
            |c, e| c.retry_after = e.time,
        ];
        for (number, change) in changes.iter().enumerate() {
            if which >> number & 1 == 1 {
                change(&mut shed, edges[number % 5]);
            }
        }
        let config = ServerConfig { shed: Some(shed), ..ServerConfig::default() };
        let stack = Stack::server("edge").clock(clock.clone()).config(config).signal(Arc::new(Much)).build();
        if let Ok(stack) = stack {
            use_it(&stack, &clock, &manual);
        }
    }
}
