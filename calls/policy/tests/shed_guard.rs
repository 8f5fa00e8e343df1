//! The guards of the machine, on files as the kernel writes them and on the machine itself.
#![cfg(not(feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mamparo_context::Clock;
use mamparo_policy::shed::{Files, Guard, GuardConfig, GuardError, Signal};
use tempfile::TempDir;

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn stall(total: u64) -> String {
    format!(
        "some avg10=2.00 avg60=0.52 avg300=2.45 total={total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )
}

/// A machine of two processors with a control group that may use one and 1000 bytes.
fn machine() -> (TempDir, Files) {
    let root = TempDir::new().unwrap();
    let files = Files { proc: root.path().join("proc"), cgroup: root.path().join("cgroup") };
    let (proc, group) = (&files.proc, files.cgroup.join("app"));
    write(proc, "self/cgroup", "0::/app\n");
    write(proc, "stat", "cpu  100 0 0 900 0 0 0 0 0 0\n");
    write(proc, "meminfo", "MemTotal: 1000 kB\nMemAvailable: 700 kB\n");
    for name in ["cpu", "memory", "io"] {
        write(proc, &format!("pressure/{name}"), &stall(1_000_000));
    }
    write(&group, "cpu.max", "100000 100000\n");
    write(&group, "cpu.stat", "usage_usec 5000000\n");
    write(&group, "memory.current", "900\n");
    write(&group, "memory.max", "1000\n");
    write(&group, "memory.stat", "anon 5\ninactive_file 100\n");
    (root, files)
}

fn all() -> GuardConfig {
    GuardConfig {
        cpu: Some(0.9),
        memory: Some(0.9),
        cpu_pressure: Some(0.5),
        memory_pressure: Some(0.1),
        io_pressure: Some(0.5),
        ..GuardConfig::default()
    }
}

#[test]
fn figures_are_differences_and_the_worse_of_machine_and_group() {
    let (clock, hand) = Clock::manual();
    let (_root, files) = machine();
    let guard = Guard::open(all(), files.clone(), clock.moment()).unwrap();
    let first = guard.figures();
    assert_eq!((first.cpu, first.memory, first.io_pressure), (None, Some(0.8), Some(0.02)));

    hand.advance(Duration::from_secs(1));
    write(&files.proc, "stat", "cpu  150 0 0 1050 0 0 0 0 0 0\n");
    write(&files.cgroup, "app/cpu.stat", "usage_usec 5600000\n");
    write(&files.proc, "pressure/memory", &stall(1_200_000));
    guard.update(clock.moment()).unwrap();
    let figures = guard.figures();
    assert_eq!(
        (figures.cpu, figures.memory_pressure, figures.io_pressure),
        (Some(0.6), Some(0.2), Some(0.0))
    );
    assert_eq!(guard.pressure(clock.moment()), 2.0, "memory stalls for twice as long as it may");

    hand.advance(Duration::from_secs(1));
    write(&files.proc, "stat", "cpu  250 0 0 1050 0 0 0 0 0 0\n");
    write(&files.proc, "meminfo", "MemTotal: 1000 kB\nMemAvailable: 50 kB\n");
    guard.update(clock.moment()).unwrap();
    assert_eq!((guard.figures().cpu, guard.figures().memory), (Some(1.0), Some(0.95)));
}

#[test]
fn what_cannot_be_had_is_an_error_when_the_guard_is_made() {
    let (clock, _hand) = Clock::manual();
    for (file, figure) in [
        ("stat", "cpu"),
        ("meminfo", "memory"),
        ("pressure/cpu", "cpu pressure"),
        ("pressure/memory", "memory pressure"),
        ("pressure/io", "io pressure"),
    ] {
        let (_root, files) = machine();
        write(&files.proc, file, "some other text\n");
        let error = Guard::open(all(), files.clone(), clock.moment()).unwrap_err();
        assert!(matches!(&error, GuardError::Malformed { figure: own, .. } if *own == figure), "{error}");
        fs::remove_file(files.proc.join(file)).unwrap();
        let error = Guard::open(all(), files.clone(), clock.moment()).unwrap_err();
        assert!(matches!(&error, GuardError::Unavailable { figure: own, .. } if *own == figure), "{error}");
        assert!(error.to_string().contains(file));
    }
    // What was not asked for need not be there.
    let (_root, files) = machine();
    fs::remove_dir_all(files.proc.join("pressure")).unwrap();
    fs::remove_dir_all(&files.cgroup).unwrap();
    let config = GuardConfig { cpu: Some(0.9), memory: Some(0.9), ..GuardConfig::default() };
    assert!(Guard::open(config, files.clone(), clock.moment()).is_ok());
    let config = GuardConfig { cpu: Some(9.0), ..config };
    assert!(matches!(Guard::open(config, files, clock.moment()), Err(GuardError::Config(_))));
}

#[tokio::test]
async fn the_task_reads_at_intervals_and_ends_with_the_guard() {
    let (clock, hand) = Clock::manual();
    let (_root, files) = machine();
    let guard = Arc::new(Guard::open(all(), files.clone(), clock.moment()).unwrap());
    let task = tokio::spawn(guard.watch(clock.clone()));
    tokio::task::yield_now().await;
    write(&files.proc, "stat", "cpu  175 0 0 925 0 0 0 0 0 0\n");
    hand.advance(Duration::from_secs(1));
    tokio::task::yield_now().await;
    assert_eq!(guard.figures().cpu, Some(0.75));

    // A figure that is lost later is unknown; the others go on.
    fs::remove_file(files.proc.join("stat")).unwrap();
    write(&files.proc, "meminfo", "MemTotal: 1000 kB\nMemAvailable: 1 kB\n");
    hand.advance(Duration::from_secs(1));
    tokio::task::yield_now().await;
    assert_eq!((guard.figures().cpu, guard.figures().memory), (None, Some(0.999)));

    drop(guard);
    hand.advance(Duration::from_secs(1));
    task.await.unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_has_processors_and_memory() {
    let clock = Clock::system();
    let config = GuardConfig { cpu: Some(1.0), memory: Some(1.0), ..GuardConfig::default() };
    let guard = Guard::open(config, Files::default(), clock.moment()).unwrap();
    guard.update(clock.moment()).unwrap();
    assert!(guard.figures().memory.is_some_and(|share| share > 0.0 && share <= 1.0));
    assert!(guard.pressure(clock.moment()) <= 1.0);
}
