//! Opening: whose file it is, whether it is whole, and whether this program knows it.

use std::path::Path;

use mamparo_context::Context;
use mamparo_ledger::{Expected, Ledger, NewEvent, OpenError, StreamName, Tx};
use mamparo_ledger_sqlite::Options;
use rusqlite::Connection;
use tempfile::tempdir;

fn refused(options: Options) -> OpenError {
    match options.open() {
        Ok(ledger) => panic!("{} opened", ledger.describe()),
        Err(error) => error,
    }
}

async fn append(ledger: &Ledger, count: usize) -> u64 {
    let append = async move |tx: &mut Tx<'_>| {
        let events = vec![NewEvent::new("Happened", "x"); count];
        tx.append(&StreamName::new("a-1"), Expected::Any, &events).await
    };
    ledger.transact(&Context::root(), append).await.unwrap().version
}

/// Leaves a file as a killed process does: with a holder in its lock and everything still in the log.
async fn crashed(path: &Path) {
    let ledger = Options::new(path).open().unwrap();
    append(&ledger, 3).await;
    let copy = path.with_extension("copy");
    for suffix in ["", "-wal"] {
        let of = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(of(path), of(&copy)).unwrap();
    }
    ledger.close().await;
    drop(ledger);
    for suffix in ["", "-wal"] {
        let of = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::rename(of(&copy), of(path)).unwrap();
    }
    std::fs::write(format!("{}.lock", path.display()), "process 1 (killed)").unwrap();
}

#[tokio::test]
async fn a_second_holder_is_refused_by_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let ledger = Options::new(&path).holder("mamparo shop orders").open().unwrap();
    let error = refused(Options::new(&path));
    let text = error.to_string();
    assert!(matches!(error, OpenError::InUse { .. }), "{text}");
    assert!(text.contains(&format!("process {} (mamparo shop orders)", std::process::id())), "{text}");
    ledger.close().await;
    assert!(Options::new(&path).open().is_ok(), "it is free once it was closed");
}

#[tokio::test]
async fn everything_is_there_again_after_closing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("deep/below/orders.db");
    let ledger = Options::new(&path).open().unwrap();
    assert_eq!(append(&ledger, 3).await, 3);
    drop(ledger);
    let ledger = Options::new(&path).open().unwrap();
    assert_eq!(ledger.head().borrow().position, 3);
    assert_eq!(append(&ledger, 1).await, 4);
}

#[tokio::test]
async fn a_file_that_was_not_closed_is_recovered() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("orders.db");
    crashed(&path).await;
    let ledger = Options::new(&path).open().unwrap();
    assert_eq!(append(&ledger, 1).await, 4);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("orders.db");
    crashed(&path).await;
    drop(Options::new(&path).open().unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    std::fs::write(format!("{}.lock", path.display()), "process 1 (killed)").unwrap();
    let error = refused(Options::new(&path));
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("restore it from a backup"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("orders.db");
    std::fs::write(&path, "these are my notes, and far more than a header's worth of them".repeat(20))
        .unwrap();
    let error = refused(Options::new(&path));
    assert!(matches!(error, OpenError::NotALedger { .. }), "{error}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA application_id = 42; CREATE TABLE theirs (a)").unwrap();
    drop(other);
    let error = refused(Options::new(&path));
    assert!(matches!(error, OpenError::NotALedger { .. }), "{error}");
}

#[tokio::test]
async fn a_newer_file_is_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("orders.db");
    drop(Options::new(&path).open().unwrap());
    let newer = Connection::open(&path).unwrap();
    newer.execute_batch("UPDATE mp_schema SET version = 99 WHERE component = 'ledger'").unwrap();
    drop(newer);
    let error = refused(Options::new(&path));
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    let kept: u32 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT version FROM mp_schema WHERE component = 'ledger'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 99);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "in the way").unwrap();
    let error = refused(Options::new(folder.path().join("file/orders.db")));
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains("file/orders.db"), "{error}");
}
