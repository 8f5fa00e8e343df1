//! What finding the route of a request costs among ten thousand of all kinds: nanoseconds, allocations, memory; and how
//! soon a changed table is in force.

mod table;

use std::hint::black_box;
use std::time::Duration;

use http::Request;
use mamparo_context::Clock;
use mamparo_proxy::Routing;

use crate::policy::allocations;
use crate::report::{Figure, Report, Target};
use crate::run::{Plan, median};

const MATCH_NS: f64 = 1000.0;
const TABLE_MB: f64 = 20.0;
const CHANGE_MS: f64 = 50.0;
/// Requests between two looks at the clock.
const BATCH: usize = 50;
/// Routes of the table that is changed.
const CHANGED: usize = 5_000;

pub(crate) fn bench(plan: &Plan) -> Report {
    let mut report = Report::new("routes");
    report.condition("rounds", plan.rounds);
    let hosts = table::HOSTS;
    report
        .condition("routes", format!("{} over {hosts} hosts, of all kinds (routes/table.rs)", table::ROUTES));
    report.condition(
        "one request",
        "its host and path read, its route found, in an order that follows none; median of batches",
    );
    let routing = table::routing(table::routes(table::ROUTES));
    let requests = table::requests(table::ROUTES);
    for (name, request) in &requests {
        assert_eq!(routing.taker(request, 0), Some(name.as_str()));
    }
    let all = median((0..plan.rounds).map(|_| time(plan, &routing, &requests)).collect());
    report.push(Figure::new("a request among 10,000 routes", all, "ns").target(Target::AtMost(MATCH_NS)));
    for (kind, of) in [
        ("exact", 0..8),
        ("prefix", 8..14),
        ("template", 14..17),
        ("query", 17..18),
        ("header", 18..19),
        ("expression", 19..20),
    ] {
        let number = |name: &str| name.trim_start_matches("route-").parse::<usize>().unwrap();
        let own: Vec<_> =
            requests.iter().filter(|(name, _)| of.contains(&(number(name) % 20))).cloned().collect();
        let taken = median((0..plan.rounds).map(|_| time(plan, &routing, &own)).collect());
        report.push(Figure::new(&format!("  of them, by {kind}"), taken, "ns"));
    }
    for (what, _, value) in allocations("routes") {
        report.push(match what.as_str() {
            "allocations" => Figure::new("  allocations", value, "").target(Target::AtMost(0.0)),
            _ => {
                Figure::new("the table of 10,000 routes", value / 1e6, "MB").target(Target::AtMost(TABLE_MB))
            }
        });
    }
    push_change(&mut report, plan);
    report
}

/// What stands between a file that was written and its routes in force.
fn push_change(report: &mut Report, plan: &Plan) {
    let text = table::file(CHANGED);
    let clock = Clock::system();
    let (mut checked, mut built) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds * 3 {
        let begun = clock.now();
        let config = mamparo_config::check(&text, "bench").unwrap();
        checked.push(millis(clock.now() - begun));
        black_box(config);
        let routes = table::routes(CHANGED);
        let begun = clock.now();
        black_box(table::routing(routes));
        built.push(millis(clock.now() - begun));
    }
    let (checked, built) = (median(checked), median(built));
    let both = Figure::new("a change among 5,000 routes", checked + built, "ms");
    report.push(both.target(Target::AtMost(CHANGE_MS)));
    report.push(Figure::new(&format!("  the file checked, {} kB", text.len() / 1000), checked, "ms"));
    report.push(Figure::new("  the table built", built, "ms"));
}

/// Nanoseconds of one request: the median of batches. A request is at hand, as one that was just read is; the table is
/// as far away as the other requests have left it.
fn time(plan: &Plan, routing: &Routing, requests: &[(String, Request<()>)]) -> f64 {
    let clock = Clock::system();
    let slice = plan.seconds.min(Duration::from_millis(400));
    let (start, mut taken) = (clock.now(), Vec::new());
    while clock.now() - start < slice {
        for batch in requests.chunks_exact(BATCH) {
            batch.iter().for_each(|(_, request)| touch(request));
            let begun = clock.now();
            for (_, request) in batch {
                black_box(routing.taker(black_box(request), 0));
            }
            taken.push((clock.now() - begun).as_nanos() as f64 / BATCH as f64);
        }
    }
    median(taken)
}

/// Reads a request.
fn touch(request: &Request<()>) {
    let bytes = |text: &[u8]| text.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let headers =
        request.headers().iter().map(|(name, value)| bytes(name.as_ref()) + bytes(value.as_bytes()));
    black_box(headers.sum::<u64>() + bytes(request.uri().path().as_bytes()));
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
