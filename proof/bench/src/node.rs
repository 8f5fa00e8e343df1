//! The platform node as a guest of its machine: how soon it is ready on an empty folder, how much memory it holds
//! while it has nothing to do, and how large the program is.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::{Missing, Process, Running, World, program};
use crate::report::{Figure, Report, Target};
use crate::run::{Plan, median};

/// How long it has had nothing to do when its memory is looked at.
const IDLE: Duration = Duration::from_secs(2);
const READY_MS: f64 = 300.0;
const RESIDENT_MB: f64 = 30.0;
const PROGRAM_MB: f64 = 40.0;

/// # Errors
/// The program is not there.
pub(crate) fn bench(plan: &Plan) -> Result<Report, Missing> {
    let program = program()?;
    let mut report = Report::new("node");
    report.condition(
        "ready",
        "from the start of the process to the first 200 of /readyz, median, empty folder",
    );
    report.condition("idle", "resident memory after 2 s without work, MB of a million bytes");
    report.condition("rounds", plan.rounds);
    let (mut bare, mut up, mut shop) = (Vec::new(), Vec::new(), Vec::new());
    let (mut everything, mut resident, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let folder = |name: &str| plan.folder.join(format!("{name}-{round}"));
        let running = World::new(&program, folder("run"), "").start(&["run", "--role", "gateway,hub"]);
        bare.push(millis(running.wait_ready()));
        running.stop();
        let running = World::new(&program, folder("up"), "").start(&["up"]);
        up.push(millis(running.wait_ready()));
        std::thread::sleep(IDLE);
        resident.push(running.node().resident_mb());
        running.stop();
        let mut running = World::shop(&program, folder("shop")).start(&["up"]);
        shop.push(millis(running.wait_ready()));
        everything.push(millis(running.wait_all_ready()));
        if round + 1 == plan.rounds {
            memory = idle_memory(&running);
        }
        running.stop();
    }
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let slowest = most(&up);
    let ready = Figure::new("`up` without applications: ready", median(up), "ms").socket();
    report.push(ready.target(Target::AtMost(READY_MS)));
    report.push(Figure::new("  slowest round", slowest, "ms").socket());
    report.push(Figure::new("`run --role gateway,hub`: ready", median(bare), "ms").socket());
    report.push(Figure::new("`up` with the shop: node ready", median(shop), "ms").socket());
    report.push(Figure::new("`up` with the shop: everything ready", median(everything), "ms").socket());
    let idle = Figure::new("platform node, idle, most of all rounds", most(&resident), "MB");
    report.push(idle.target(Target::AtMost(RESIDENT_MB)));
    memory.into_iter().for_each(|figure| report.push(figure));
    push_size(&mut report, &program, &plan.folder);
    Ok(report)
}

/// What each process of the shop holds while nobody orders.
fn idle_memory(running: &Running) -> Vec<Figure> {
    std::thread::sleep(IDLE);
    let tree = running.tree();
    let sum = tree.iter().copied().map(Process::resident_mb).sum();
    let each = |process: Process| Figure::new(&format!("  {}", process.name()), process.resident_mb(), "MB");
    let all = Figure::new("shop, idle: all processes", sum, "MB");
    [all].into_iter().chain(tree.into_iter().map(each)).collect()
}

fn push_size(report: &mut Report, program: &Path, folder: &Path) {
    let size = |file: &Path| std::fs::metadata(file).unwrap().len() as f64 / 1e6;
    report.push(Figure::new("program", size(program), "MB").target(Target::AtMost(PROGRAM_MB)));
    let stripped = folder.join("stripped");
    // Where there is no `strip` there is no such figure.
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(program).status();
    if strip.is_ok_and(|status| status.success()) {
        report.push(Figure::new("  stripped", size(&stripped), "MB"));
    }
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
