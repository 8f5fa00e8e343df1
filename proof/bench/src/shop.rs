//! The shop as its clients see it: orders accepted through the gateway and driven to their end across all
//! processes, as many as it takes and at a pace, with the books checked after both.

use std::path::PathBuf;
use std::time::Duration;

use mamparo_shop_drive::{Options, Report as Driven, drive};

use crate::process::{Missing, Process, Running, World, program};
use crate::report::{Figure, Report, Target};
use crate::run::Plan;

/// Orders under way at the same time where no pace is set.
const CONCURRENCY: usize = 64;
/// Enough for a pace to be kept whatever happens.
const CONCURRENCY_PACED: usize = 4_096;
/// Orders before anything counts; they also tell how many fill the time.
const WARM_UP_ORDERS: u64 = 1_000;
const PACE: f64 = 200.0;
const SEED: u64 = 1;

const CONFIRMED_PER_SECOND: f64 = 400.0;
const ACCEPT_P99_MS: f64 = 30.0;
const COMPLETE_P99_MS: f64 = 200.0;

/// # Errors
/// The program is not there.
pub(crate) fn bench(plan: &Plan) -> Result<Report, Missing> {
    let program = program()?;
    let mut report = Report::new("shop");
    report
        .condition("processes", "supervisor, node (gateway and hub), orders, payments, inventory, provider");
    report.condition("client", "one process on the same machine, its work not counted in CPU per order");
    report.condition("orders", "9 in 10 can be confirmed, the others lack money or stock; provider at 5 ms");
    report.condition("seconds", plan.seconds.as_secs_f64());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let shop = Shop::start(program, plan);
    let ordered = |orders, concurrency, rate| {
        let options = shop.options(orders, concurrency, rate);
        runtime.block_on(drive(options)).unwrap()
    };

    let warm = ordered(WARM_UP_ORDERS, CONCURRENCY, None);
    let before = shop.cpu();
    let fast = ordered(fitting(warm.per_second, plan.seconds), CONCURRENCY, None);
    let spent = Spent::between(before, shop.cpu(), fast.orders);
    let paced = ordered(fitting(PACE, plan.seconds), CONCURRENCY_PACED, Some(PACE));
    shop.running.stop();

    let confirmed = fast.confirmed as f64 / fast.seconds;
    report.push(
        Figure::new("orders confirmed, 64 at a time", confirmed, "1/s")
            .socket()
            .target(Target::AtLeast(CONFIRMED_PER_SECOND)),
    );
    report.push(Figure::new("  orders at their end", fast.per_second, "1/s").socket());
    push_times(&mut report, &fast, None);
    push_books(&mut report, &fast);
    report.push(Figure::new("  CPU per order, all processes", spent.sum(), "us").socket());
    for (name, micros) in &spent.0 {
        report.push(Figure::new(&format!("    {name}"), *micros, "us").socket());
    }
    report.push(Figure::new("orders at their end, at a pace of 200/s", paced.per_second, "1/s").socket());
    push_times(&mut report, &paced, Some((ACCEPT_P99_MS, COMPLETE_P99_MS)));
    push_books(&mut report, &paced);
    Ok(report)
}

/// How many orders fill the time at this rate.
fn fitting(per_second: f64, time: Duration) -> u64 {
    (per_second * time.as_secs_f64()).ceil().max(1.0) as u64
}

fn push_times(report: &mut Report, driven: &Driven, targets: Option<(f64, f64)>) {
    let (accept, complete) = targets.unzip();
    for (what, times, target) in [("accept", driven.accept, accept), ("complete", driven.complete, complete)]
    {
        report.push(Figure::new(&format!("  {what} p50"), times.p50_ms, "ms").socket());
        let p99 = Figure::new(&format!("  {what} p99"), times.p99_ms, "ms").socket();
        report.push(match target {
            Some(target) => p99.target(Target::AtMost(target)),
            None => p99,
        });
    }
}

/// A rate at which the books do not balance is none.
fn push_books(report: &mut Report, driven: &Driven) {
    let broken = driven.invariants.iter().filter(|finding| !finding.holds).count();
    let wrong = driven.failed.len() + broken + usize::from(driven.expected != driven.got);
    let what = "  orders that ended wrongly, and books off";
    report.push(Figure::new(what, wrong as f64, "").socket().target(Target::AtMost(0.0)));
}

/// Microseconds of processor time for each order, by process.
struct Spent(Vec<(String, f64)>);

impl Spent {
    fn between(before: Vec<(String, Duration)>, after: Vec<(String, Duration)>, orders: u64) -> Self {
        let each = before
            .into_iter()
            .zip(after)
            .map(|((name, before), (_, after))| (name, (after - before).as_secs_f64() * 1e6 / orders as f64));
        Self(each.collect())
    }

    /// Of all but the client.
    fn sum(&self) -> f64 {
        self.0.iter().filter(|(name, _)| name != CLIENT).map(|(_, micros)| micros).sum()
    }
}

/// What the own process is called among those of the shop.
const CLIENT: &str = "the client";

struct Shop {
    world: World,
    running: Running,
}

impl Shop {
    fn start(program: PathBuf, plan: &Plan) -> Self {
        let world = World::shop(&program, plan.folder.join("shop"));
        let mut running = world.start(&["up"]);
        running.wait_all_ready();
        Self { world, running }
    }

    fn options(&self, orders: u64, concurrency: usize, rate: Option<f64>) -> Options {
        Options {
            provider: Some(format!("http://{}", self.world.address_of("provider"))),
            concurrency,
            rate,
            seed: Some(SEED),
            progress: false,
            ..Options::new(&format!("http://{}", self.world.gateway), orders)
        }
    }

    /// What every process has spent so far, always in the same order.
    fn cpu(&self) -> Vec<(String, Duration)> {
        let tree = self.running.tree().into_iter().map(|process| (process.name(), process.cpu()));
        tree.chain([(CLIENT.to_owned(), Process::own().cpu())]).collect()
    }
}
