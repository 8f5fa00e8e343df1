//! What computing does to everybody else: pings at a pace beside jobs of 20 ms, done inline, on blocking threads, on a
//! second runtime and on the lane that is for it, at half, all and twice of what the processors can do.

mod load;
mod plot;
mod work;

use std::path::Path;

use crate::report::{Figure, Report, Target};
use crate::run::{Plan, median};
use load::{DEADLINE, Measured, PINGS_PER_SECOND};
use work::{JOB, Variant, Work};

/// How much is asked for, as a share of what all processors can do.
const LOADS: [f64; 3] = [0.5, 1.0, 2.0];

/// What all rounds of one variant at one load found, as medians.
struct Cell {
    variant: Variant,
    load: f64,
    measured: Measured,
}

pub(crate) fn bench(plan: &Plan, picture: Option<&Path>) -> Report {
    let mut report = Report::new("lanes");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = Work::calibrated();
    let capacity = cores as f64 / JOB.as_secs_f64();
    report.condition("ping", format!("{PINGS_PER_SECOND}/s in open loop, from the moment it was due"));
    report.condition(
        "job",
        format!(
            "{} ms of one processor, at its best; done in time within {} ms",
            JOB.as_millis(),
            DEADLINE.as_millis()
        ),
    );
    report.condition("1x", format!("{capacity:.0} jobs/s: what {cores} processors can do"));
    report.condition("runtime", format!("tokio, {cores} workers; client and server in one process"));
    report.condition("second runtime, lane", "as many threads as processors but one, or as is said");
    report.condition("rounds", plan.rounds);
    let mut cells = Vec::new();
    let mut late = Vec::new();
    for load in LOADS {
        let mut rounds: Vec<Vec<Measured>> = Variant::ALL.iter().map(|_| Vec::new()).collect();
        for _ in 0..plan.rounds {
            for (variant, rounds) in Variant::ALL.into_iter().zip(&mut rounds) {
                rounds.push(load::measure(variant, &work, plan.seconds, capacity * load, cores));
            }
        }
        for (variant, rounds) in Variant::ALL.into_iter().zip(rounds) {
            late.extend(rounds.iter().map(|measured| measured.late_p99));
            cells.push(Cell { variant, load, measured: medians(&rounds) });
        }
    }
    report.condition(
        "client late, p99",
        format!("{:.2} ms, worst of all measurements", late.into_iter().fold(0.0, f64::max)),
    );
    cells.iter().flat_map(figures).for_each(|figure| report.push(figure));
    if let Some(path) = picture {
        std::fs::write(path, plot::draw(&cells, capacity)).unwrap();
    }
    report
}

fn medians(rounds: &[Measured]) -> Measured {
    let of = |field: fn(&Measured) -> f64| median(rounds.iter().map(field).collect());
    Measured {
        ping_p50: of(|m| m.ping_p50),
        ping_p99: of(|m| m.ping_p99),
        ping_p999: of(|m| m.ping_p999),
        in_time: of(|m| m.in_time),
        wait_p50: of(|m| m.wait_p50),
        wait_p99: of(|m| m.wait_p99),
        refused: of(|m| m.refused),
        late_p99: of(|m| m.late_p99),
    }
}

fn figures(cell: &Cell) -> Vec<Figure> {
    let (m, name) = (&cell.measured, format!("{}x {}", cell.load, cell.variant.name()));
    let figure = |what: &str, value, unit| Figure::new(&format!("{name}: {what}"), value, unit);
    let p99 = figure("ping p99", m.ping_p99, "ms");
    vec![
        figure("ping p50", m.ping_p50, "ms"),
        if cell.variant == Variant::CpuLane { p99.target(Target::AtMost(work::PING_P99_MS)) } else { p99 },
        figure("ping p99.9", m.ping_p999, "ms"),
        figure("jobs in time", m.in_time, "1/s"),
        figure("job waits p50", m.wait_p50, "ms"),
        figure("job waits p99", m.wait_p99, "ms"),
        figure("jobs refused", m.refused, "1/s"),
    ]
}
