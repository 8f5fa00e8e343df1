//! What a policy costs a call that it lets through: nanoseconds and allocations, bare and as a tower layer, at one and
//! at two threads, beside tower-resilience, governor, failsafe and tower. What is called does nothing.
//!
//! Bare, the time is passed in; reading the clock is a row of its own. As layers all read the machine's clock.

mod measure;
mod rows;

pub(crate) use measure::allocations;
use measure::rounds;
use rows::Row;

use crate::report::{Figure, Report, Target};
use crate::run::Plan;

/// What one row promises: at most so many nanoseconds, and so many times faster than the nearest peer.
struct Promise {
    what: &'static str,
    nanos: Option<f64>,
    times: Option<f64>,
}

const PROMISES: &[Promise] = &[
    Promise { what: "breaker, rate over 10 s", nanos: Some(40.0), times: Some(2.0) },
    Promise { what: "breaker, failures in a row", nanos: Some(40.0), times: Some(2.0) },
    Promise { what: "breaker, open: refused", nanos: Some(20.0), times: None },
    Promise { what: "limiter", nanos: Some(25.0), times: Some(1.0) },
    Promise { what: "bulkhead", nanos: Some(40.0), times: None },
    Promise { what: "retry, without failure", nanos: Some(20.0), times: None },
    Promise { what: "breaker as layer", nanos: None, times: Some(2.0) },
    Promise { what: "limiter as layer", nanos: None, times: Some(2.0) },
    Promise { what: "bulkhead as layer", nanos: None, times: Some(2.0) },
    Promise { what: "retry as layer", nanos: None, times: Some(2.0) },
    Promise { what: "stack of five", nanos: Some(160.0), times: None },
    Promise { what: "stack of five as layer", nanos: None, times: Some(2.0) },
];

pub(crate) fn bench(plan: &Plan) -> Report {
    let mut report = Report::new("policy");
    report.condition("rounds", plan.rounds);
    report.condition("peers", "tower-resilience 0.13.0, tower 0.5.3, governor 0.10.4, failsafe 1.3.0");
    report.condition(
        "unit",
        "nanoseconds of one call, its policy's part alone; at 2 threads both share the policy",
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let counts = allocations("policy");
    for row in rows::all() {
        measure_row(&mut report, plan, &row, &counts);
    }
    report
}

fn measure_row(report: &mut Report, plan: &Plan, row: &Row, counts: &[(String, String, f64)]) {
    let promise = PROMISES.iter().find(|promise| promise.what == row.what);
    for threads in [1, 2] {
        let taken = rounds(plan, row, threads);
        let name =
            if threads == 1 { row.what.to_owned() } else { format!("  {}, {threads} threads", row.what) };
        let mut figure = Figure::new(&name, taken.own, "ns");
        if let Some(nanos) = promise.and_then(|promise| promise.nanos).filter(|_| threads == 1) {
            figure = figure.target(Target::AtMost(nanos));
        }
        if let Some((peer, nanos, times)) = taken.nearest {
            figure = figure.beside(peer, nanos, times);
            if let Some(bound) = promise.and_then(|promise| promise.times).filter(|_| threads == 1) {
                figure = figure.target(Target::RatioAtLeast(bound));
            }
        }
        report.push(figure);
        for (peer, nanos) in taken.others {
            report.push(Figure::new(&format!("    {peer}"), nanos, "ns"));
        }
    }
    for (_, peer, count) in counts.iter().filter(|(what, ..)| what == row.what) {
        report.push(match peer.as_str() {
            "" => Figure::new("  allocations", *count, "").target(Target::AtMost(0.0)),
            peer => Figure::new(&format!("    {peer}"), *count, ""),
        });
    }
}
