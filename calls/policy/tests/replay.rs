//! Whole replays: the same arguments give the same report, and the policies do in them what they promise.
#![cfg(not(feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use mamparo_policy::breaker::{BreakerConfig, OpenConfig};
use mamparo_policy::bulkhead::BulkheadConfig;
use mamparo_policy::hedge::HedgeConfig;
use mamparo_policy::limits::TRACE_CALLS_MAX;
use mamparo_policy::replay::{Error, Generator, Options, Report, Trace, run};
use mamparo_policy::retry::{BudgetConfig, RetryConfig};
use mamparo_policy::stack::{ClientConfig, InvalidStack};
use mamparo_policy::timeout::TimeoutConfig;

fn generated(text: &str) -> Trace {
    text.parse::<Generator>().unwrap_or_else(|error| panic!("{text}: {error}")).trace()
}

fn replay(trace: &str, stack: &ClientConfig, layers: usize) -> Report {
    let options = Options { layers, ..Options::default() };
    run(&generated(trace), stack, options, |_| {}).unwrap()
}

fn timeout(overall: u64, attempt: u64) -> TimeoutConfig {
    let millis = |millis| Some(Duration::from_millis(millis));
    TimeoutConfig { overall: millis(overall), attempt: millis(attempt), ..TimeoutConfig::default() }
}

fn usual() -> ClientConfig {
    ClientConfig {
        timeout: Some(timeout(2_000, 300)),
        retry: Some(RetryConfig::default()),
        bulkhead: Some(BulkheadConfig::of(64)),
        breaker: Some(BreakerConfig::default()),
        ..ClientConfig::default()
    }
}

/// Every call is one of the four ends, in each row and in all.
fn check_sums(report: &Report) {
    for totals in report.rows.iter().map(|row| &row.totals).chain([&report.total]) {
        assert_eq!(totals.calls, totals.ok + totals.refused + totals.failed + totals.timed_out);
        assert_eq!(totals.refused, totals.refused_by.values().sum::<u64>());
        assert_eq!(totals.failed, totals.failed_by.values().sum::<u64>());
    }
    let sum = |of: fn(&mamparo_policy::replay::Totals) -> u64| {
        report.rows.iter().map(|row| of(&row.totals)).sum::<u64>()
    };
    assert_eq!(sum(|totals| totals.calls), report.total.calls);
    assert_eq!(sum(|totals| totals.attempts), report.total.attempts);
    assert_eq!(report.layers[0].attempts, report.total.admitted);
    assert_eq!(report.layers.last().unwrap().attempts, report.total.attempts);
}

/// The rows that begin from `from` to before `to`, in seconds.
fn rows(report: &Report, from: f64, to: f64) -> impl Iterator<Item = &mamparo_policy::replay::Row> {
    report.rows.iter().filter(move |row| (from * 1e3..to * 1e3).contains(&row.from_ms))
}

#[test]
fn the_same_arguments_give_the_same_report_to_the_last_byte() {
    let trace = "gen:rate=150/s,for=30s,latency=20ms±80%,tail=2%:400ms,errors=3%,lost=1%,busy=2%:1s,keyed=70%,\
                 principals=5,capacity=20,outage=10s..14s:slow=300ms,outage=18s..20s:hang,seed=9";
    let hedging = ClientConfig { hedge: Some(HedgeConfig::default()), retry: None, ..usual() };
    for (stack, layers) in [(usual(), 1), (usual(), 3), (hedging, 2), (ClientConfig::default(), 1)] {
        let text = || serde_json::to_string_pretty(&replay(trace, &stack, layers)).unwrap();
        let first = text();
        assert_eq!(first, text());
        let other = run(&generated(trace), &stack, Options { seed: 2, layers, ..Options::default() }, |_| {});
        let other = serde_json::to_string_pretty(&other.unwrap()).unwrap();
        // Without a policy that draws, only the number of the seed differs.
        assert_eq!(stack == ClientConfig::default(), first.replace("\"seed\": 1", "\"seed\": 2") == other);
        check_sums(&replay(trace, &stack, layers));
    }
}

#[test]
fn with_breaker_and_retry_an_outage_costs_neither_the_dependency_nor_the_callers_much() {
    let trace = "gen:rate=200/s,for=60s,outage=20s..35s:hang";
    let (without, with) = (replay(trace, &ClientConfig::default(), 1), replay(trace, &usual(), 1));
    assert_eq!((without.total.calls, without.total.refused), (with.total.calls, 0));
    // Without policies every caller of the outage waits until its connection is seen to be broken.
    assert_eq!(without.total.p99_ms, Some(30_000.0));
    assert!(rows(&without, 20.0, 35.0).all(|row| row.totals.p50_ms == Some(30_000.0)));
    assert!(rows(&with, 20.0, 60.0).all(|row| row.totals.p99_ms <= Some(2_000.0)));
    assert!(with.amplification < 1.1, "{}", with.amplification);
    // A handful of probes, and what was under way before the breaker opened.
    let attempts: u64 = rows(&with, 21.0, 35.0).map(|row| row.totals.attempts).sum();
    assert!(attempts < 60, "{attempts} attempts while it was down");
    assert_eq!(with.rows[30].breaker, ["open"]);
    assert_eq!(
        (with.rows[10].breaker.as_slice(), with.rows[10].totals.ok),
        (&["closed"][..], with.rows[10].totals.calls)
    );
    assert_eq!(with.rows.last().unwrap().breaker, ["closed"], "it has found out that all is well again");
}

#[test]
fn over_three_layers_a_dead_leaf_is_asked_little_more_than_the_first_is_called() {
    let retry = ClientConfig { retry: Some(RetryConfig::default()), ..ClientConfig::default() };
    let bounded = ClientConfig { timeout: Some(timeout(2_000, 300)), ..retry.clone() };
    for (outage, stack) in [
        ("down", &retry),
        ("errors=100%", &retry),
        ("errors=50%", &retry),
        ("busy", &retry),
        ("hang", &bounded),
        ("down", &usual()),
    ] {
        let trace = format!("gen:rate=100/s,for=60s,outage=0s..1d:{outage}");
        let report = replay(&trace, stack, 3);
        check_sums(&report);
        assert!(report.amplification <= 1.2, "{outage}: {}", report.amplification);
        assert_eq!(report.layers.len(), 3);
    }
    // What would be if each layer asked again for itself, and nothing bounded them all.
    let endless = BudgetConfig { tokens: 1_000_000, failure_cost: 1, ..BudgetConfig::default() };
    let endless = RetryConfig { budget: endless, ..RetryConfig::default() };
    let report =
        replay("gen:outage=0s..1d", &ClientConfig { retry: Some(endless), ..ClientConfig::default() }, 3);
    assert!(
        (2.9..=3.0).contains(&report.amplification),
        "only the last layer repeats: {}",
        report.amplification
    );
}

#[test]
fn a_budget_ends_a_storm_of_repeats_that_would_otherwise_feed_itself() {
    let stack = |budget: BudgetConfig| ClientConfig {
        timeout: Some(timeout(2_000, 100)),
        retry: Some(RetryConfig { budget, ..RetryConfig::default() }),
        ..ClientConfig::default()
    };
    let trace = "gen:rate=300/s,for=60s,capacity=10,surge=20s..22s:x3";
    let endless = BudgetConfig { tokens: 1_000_000, failure_cost: 1, ..BudgetConfig::default() };
    let (without, with) =
        (replay(trace, &stack(endless), 1), replay(trace, &stack(BudgetConfig::default()), 1));
    let ok = |report: &Report| -> u64 { rows(report, 50.0, 60.0).map(|row| row.totals.ok).sum() };
    let calls: u64 = rows(&with, 50.0, 60.0).map(|row| row.totals.calls).sum();
    assert_eq!((ok(&without), ok(&with)), (0, calls), "half a minute after the surge");
    assert!(without.amplification > 2.0 && with.amplification < 1.01);
}

#[test]
fn a_recorded_trace_is_answered_as_it_was() {
    let line = |at: u64, rest: &str| format!("{{\"at\":\"{at}ms\",\"took\":\"10ms\",{rest}}}\n");
    let text = [
        line(0, "\"outcome\":\"ok\""),
        line(100, "\"outcome\":\"unavailable\""),
        line(200, "\"outcome\":\"failed\""),
        line(300, "\"outcome\":\"failed\",\"key\":\"k\""),
        line(400, "\"outcome\":\"busy\",\"retry_after\":\"9s\""),
        line(5_000, "\"outcome\":\"ok\""),
    ]
    .concat();
    let trace = Trace::parse(&text).unwrap();
    let none = run(&trace, &ClientConfig::default(), Options::default(), |_| {}).unwrap();
    let words: Vec<(&str, u64)> =
        none.total.failed_by.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    assert_eq!((none.total.ok, words), (2, vec![("busy", 1), ("failed", 2), ("unavailable", 1)]));
    assert_eq!((none.total.p50_ms, none.ended_ms, none.bucket_ms), (Some(10.0), 5_010.0, 100.0));

    let retry = ClientConfig { retry: Some(RetryConfig::default()), ..ClientConfig::default() };
    let again = run(&trace, &retry, Options::default(), |_| {}).unwrap();
    // What was unavailable and what has a key is asked again, and meets what is known of that time.
    assert!(again.total.retried >= 2, "{:?}", again.total);
    assert_eq!(again.layers[0].given_up.get("retry-after"), Some(&1));
}

#[test]
fn what_cannot_be_run_is_told() {
    let trace = generated("gen:for=1s");
    let of = |stack: ClientConfig, options: Options| run(&trace, &stack, options, |_| {}).err();
    let options = Options::default();
    let both = ClientConfig { hedge: Some(HedgeConfig::default()), ..usual() };
    assert_eq!(of(both, options), Some(Error::Stack(InvalidStack::RetryAndHedge)));
    let open = OpenConfig { factor: 0.0, ..OpenConfig::default() };
    let wrong = ClientConfig { breaker: Some(BreakerConfig { open, ..BreakerConfig::default() }), ..usual() };
    let told = of(wrong, options).unwrap().to_string();
    assert_eq!(told, "breaker: open.factor: from 1 to 100");
    assert_eq!(of(usual(), Options { layers: 6, ..options }), Some(Error::Layers(6)));
    assert_eq!(of(usual(), Options { layers: 0, ..options }), Some(Error::Layers(0)));
    assert_eq!(of(usual(), Options { capacity: Some(0), ..options }), Some(Error::Capacity(0)));
    assert_eq!(of(usual(), Options { bucket: Some(Duration::ZERO), ..options }), Some(Error::Bucket));
}

#[test]
fn a_hundred_thousand_calls_are_run_and_told_on_the_way() {
    let trace = generated("gen:rate=2000/s,for=50s,outage=20s..25s:hang");
    assert!((99_000..101_000).contains(&trace.calls().len()) && trace.calls().len() < TRACE_CALLS_MAX);
    let mut told = Vec::new();
    let report = run(&trace, &usual(), Options::default(), |at| told.push(at)).unwrap();
    check_sums(&report);
    assert!(told.len() > 5 && told.is_sorted(), "{told:?}");
}
