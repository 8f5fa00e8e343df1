//! What "on disk" means, seen from outside: a process under `strace`, in which every acknowledgement is written
//! after the end of an `fdatasync` that began after the bytes of its transaction were written.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use mamparo_conformance::programs::is_installed;
use mamparo_context::Context;
use mamparo_ledger::{Expected, NewEvent, StreamName};
use mamparo_ledger_sqlite::{Durability, Options};
use tempfile::tempdir;

/// Tells the test that it is the process to be watched, and how durable it is to be.
const WATCHED: &str = "MAMPARO_WATCHED_DURABILITY";
const CALLERS: usize = 16;
const UNITS_PER_CALLER: usize = 20;

/// The watched process: many callers, each of which says on standard output what was acknowledged to it.
async fn acknowledge(durability: Durability) {
    let folder = tempdir().unwrap();
    let ledger = Options::new(folder.path().join("watched.db")).durability(durability).open().unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for unit in 0..UNITS_PER_CALLER {
                    let name = format!("<unit-{:05}>", caller * UNITS_PER_CALLER + unit);
                    let event = NewEvent::new("Happened", name.clone());
                    ledger
                        .transact(&Context::root(), async move |tx| {
                            let stream = StreamName::of("caller", caller);
                            tx.append(&stream, Expected::Any, std::slice::from_ref(&event)).await
                        })
                        .await
                        .unwrap();
                    std::io::stdout().write_all(format!("ack {name}\n").as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

/// Runs this very test under `strace`, as the watched process.
fn trace(durability: &str) -> String {
    let folder = tempdir().unwrap();
    let output = folder.path().join("trace");
    let status = Command::new("strace")
        .args(["-f", "-y", "-s", "5000", "-e", "trace=write,pwrite64,fdatasync,fsync", "-o"])
        .arg(&output)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "synced::acknowledgements_follow_their_sync", "--nocapture"])
        .env(WATCHED, durability)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    String::from_utf8_lossy(&std::fs::read(output).unwrap()).into_owned()
}

/// The units whose acknowledgement was written before a sync that covers them had ended, and how many were
/// acknowledged.
fn uncovered(trace: &str) -> (Vec<String>, usize) {
    // How many syncs of the log had begun when the bytes of each unit were first written to it.
    let mut written: HashMap<&str, usize> = HashMap::new();
    // Syncs of the log are numbered from 1; those under way stand under their thread.
    let (mut begun, mut last_ended) = (0, 0);
    let mut under_way: HashMap<&str, usize> = HashMap::new();
    let (mut uncovered, mut acknowledged) = (Vec::new(), 0);
    for line in trace.lines() {
        let thread = line.split(' ').next().unwrap_or_default();
        let is_log = line.contains("watched.db-wal");
        if is_log && (line.contains(" fdatasync(") || line.contains(" fsync(")) {
            begun += 1;
            if line.contains("<unfinished") {
                under_way.insert(thread, begun);
            } else if line.ends_with("= 0") {
                last_ended = last_ended.max(begun);
            }
        } else if line.contains("sync resumed>") && line.ends_with("= 0") {
            last_ended = last_ended.max(under_way.remove(thread).unwrap_or(0));
        } else if is_log && line.contains(" pwrite64(") {
            for unit in units(line) {
                written.entry(unit).or_insert(begun);
            }
        } else if line.contains(" write(1<") && line.contains("ack <unit-") {
            for unit in units(line) {
                acknowledged += 1;
                if written.get(unit).is_none_or(|begun_before| last_ended <= *begun_before) {
                    uncovered.push(unit.to_owned());
                }
            }
        }
    }
    (uncovered, acknowledged)
}

fn units(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("<unit-").filter_map(|(at, _)| line.get(at..at + "<unit-00000>".len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_follow_their_sync() {
    match std::env::var(WATCHED).as_deref() {
        Ok("disk") => return acknowledge(Durability::Disk).await,
        Ok(_) => return acknowledge(Durability::Process).await,
        Err(_) => {}
    }
    if !is_installed("strace", "that every acknowledgement follows the fdatasync that covers it") {
        return;
    }
    let (early, acknowledged) = uncovered(&trace("disk"));
    assert_eq!(acknowledged, CALLERS * UNITS_PER_CALLER);
    assert_eq!(early, [] as [String; 0]);
    // The same check finds every acknowledgement wanting where nothing is synced: it can fail.
    let (early, acknowledged) = uncovered(&trace("process"));
    assert_eq!(acknowledged, CALLERS * UNITS_PER_CALLER);
    assert_eq!(early.len(), acknowledged);
}
