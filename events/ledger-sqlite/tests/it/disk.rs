//! A disk that is full, for a while, and a log that must stay small.

use std::path::Path;
use std::process::Command;

use mamparo_context::Context;
use mamparo_ledger::{Error, Expected, Ledger, NewEvent, Result, StreamName};
use mamparo_ledger_sqlite::{Durability, Options};
use tempfile::tempdir;

async fn append(ledger: &Ledger, stream: &str, bytes: usize) -> Result<u64> {
    let stream = StreamName::new(stream);
    ledger
        .transact(&Context::root(), async move |tx| {
            let event = NewEvent::new("Happened", vec![7; bytes]);
            tx.append(&stream, Expected::Any, std::slice::from_ref(&event))
                .await
                .map(|appended| appended.version)
        })
        .await
}

/// Appends until one is refused; how many were acknowledged.
async fn fill(ledger: &Ledger, bytes: usize) -> u64 {
    let mut acknowledged = 0;
    loop {
        match append(ledger, "a-1", bytes).await {
            Ok(version) => acknowledged = version,
            Err(Error::DiskFull) => return acknowledged,
            Err(error) => panic!("after {acknowledged}: {error}"),
        }
        assert!(acknowledged < 10_000, "the disk never fills");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_refuses_the_large_and_still_takes_the_small() {
    let folder = tempdir().unwrap();
    let ledger = Options::new(folder.path().join("ledger.db")).pages_max(100).open().unwrap();
    let acknowledged = fill(&ledger, 20_000).await;
    // A culprit and its neighbours at once: the group is dropped, and only who asks for too much is refused.
    let large: Vec<_> = (0..4)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { append(&ledger, "a-1", 20_000).await })
        })
        .collect();
    let small: Vec<_> = (0..16)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { append(&ledger, "a-1", 8).await })
        })
        .collect();
    for unit in large {
        let refused = unit.await.unwrap();
        assert!(matches!(refused, Err(Error::DiskFull)), "{refused:?}");
    }
    for unit in small {
        unit.await.unwrap().unwrap();
    }
    let events = ledger.read_stream(&StreamName::new("a-1"), 1, 10_000).await.unwrap();
    assert_eq!(events.len() as u64, acknowledged + 16);
    assert!(events.iter().zip(1..).all(|(event, version)| event.version == version));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_may_run_once_is_told_when_its_group_was_dropped() {
    let folder = tempdir().unwrap();
    let ledger = Options::new(folder.path().join("ledger.db")).pages_max(100).open().unwrap();
    fill(&ledger, 20_000).await;
    let mut outcomes = Vec::new();
    for _ in 0..50 {
        let cx = Context::root();
        let once = ledger.transact_once(&cx, async |tx| tx.set_checkpoint("a", 1).await);
        let (large, once) = tokio::join!(append(&ledger, "a-1", 20_000), once);
        assert!(matches!(large, Err(Error::DiskFull)), "{large:?}");
        outcomes.push(once);
    }
    // Whether the two met in one group is the scheduler's choice; the answer is right either way.
    assert!(outcomes.iter().all(|once| matches!(once, Ok(()) | Err(Error::Aborted(_)))), "{outcomes:?}");
}

/// A small file system of our own, in a mount that vanishes with the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Self {
        let folder = tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "mamparo-test"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "this test mounts a small tmpfs, which needs root");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_survived_and_writing_resumes_when_there_is_space() {
    let disk = SmallDisk::mount(4);
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 1024 * 1024]).unwrap();
    let path = disk.path().join("ledger.db");
    let ledger = Options::new(&path).open().unwrap();
    let acknowledged = fill(&ledger, 50_000).await;
    assert!(acknowledged > 0);
    assert_eq!(
        ledger.read_stream(&StreamName::new("a-1"), 1, 10_000).await.unwrap().len() as u64,
        acknowledged
    );
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(append(&ledger, "a-1", 50_000).await.unwrap(), acknowledged + 1);
    ledger.close().await;
    drop(ledger);
    let ledger = Options::new(&path).open().unwrap();
    assert_eq!(ledger.head().borrow().position, acknowledged + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_bounded_under_load_with_readers() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    // Nothing is synced here, so that the writer outruns the thread that copies as far as it ever can.
    let ledger = Options::new(&path).durability(Durability::Process).open().unwrap();
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for _ in 0..1_000 {
                    append(&ledger, &format!("a-{writer}"), 20_000).await.unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut largest, mut exported) = (0, 0, 0);
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let page = ledger.read_all(seen, 100).await.unwrap();
        seen = page.last().map_or(0, |event| event.position);
        largest = largest.max(std::fs::metadata(path.with_extension("db-wal")).unwrap().len());
        exported = exported.max(ledger.stats().log_bytes);
    }
    // 320 MB were written through it.
    let bound = mamparo_ledger_sqlite::limits::WAL_BYTES_HARD + 16 * 1024 * 1024;
    assert!(largest < bound, "the log grew to {largest} bytes");
    assert!((1..bound).contains(&exported), "{exported} bytes were exported");
}
