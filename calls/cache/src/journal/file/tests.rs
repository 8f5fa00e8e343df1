//! A journal in a file: what a torn end leaves, who may open it, and that it does not grow for ever.

use std::fs;

use super::*;
use crate::journal::conformance;

fn record(id: u64, size: usize) -> Record {
    Record { id, payload: vec![u8::try_from(id % 251).unwrap(); size].into() }
}

fn open(path: &Path) -> FileJournal {
    FileJournal::open(path, FileJournalOptions { compact_bytes: 4_096 }).unwrap()
}

/// The thread lets go of the file a moment after the last handle is gone.
async fn reopen(path: PathBuf) -> FileJournal {
    loop {
        match FileJournal::open(&path, FileJournalOptions { compact_bytes: 4_096 }) {
            Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
            other => return other.unwrap(),
        }
    }
}

#[tokio::test]
async fn it_is_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    conformance::check(async || reopen(path.clone()).await).await.unwrap();
}

#[tokio::test]
async fn a_torn_end_is_cut_off_wherever_it_was_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = open(&path);
    journal.append(vec![record(1, 10), record(2, 20)]).await.unwrap();
    let whole = fs::read(&path).unwrap().len();
    journal.append(vec![record(3, 30)]).await.unwrap();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for cut in whole..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let journal = reopen(path.clone()).await;
        assert_eq!(journal.torn_bytes(), (cut - whole) as u64);
        assert_eq!(journal.replay(None, 10).await.unwrap(), [record(1, 10), record(2, 20)]);
        journal.append(vec![record(4, 40)]).await.unwrap();
        assert_eq!(journal.replay(Some(2), 10).await.unwrap(), [record(4, 40)]);
        drop(journal);
        drop(reopen(path.clone()).await);
    }
}

#[tokio::test]
async fn it_is_opened_once_and_nothing_else_passes_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = open(&path);
    let again = FileJournal::open(&path, FileJournalOptions::default());
    assert!(matches!(again, Err(OpenError::InUse { .. })));
    drop(journal);
    fs::write(folder.path().join("letter"), "dear reader").unwrap();
    let letter = FileJournal::open(folder.path().join("letter"), FileJournalOptions::default());
    assert!(matches!(letter, Err(OpenError::NotAJournal { .. })));
    assert_eq!(fs::read_to_string(folder.path().join("letter")).unwrap(), "dear reader");
    let nowhere = FileJournal::open(folder.path().join("no/where"), FileJournalOptions::default());
    assert!(matches!(nowhere, Err(OpenError::Io { .. })));
}

#[tokio::test]
async fn it_becomes_smaller_when_little_of_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = open(&path);
    journal.append(vec![record(1, 100)]).await.unwrap();
    for id in 2..200 {
        journal.append(vec![record(id, 100)]).await.unwrap();
        journal.acknowledge(vec![id]).await.unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 2 * 4_096 + 200, "at {id}");
    }
    assert_eq!(journal.replay(None, 10).await.unwrap(), [record(1, 100)]);
    let again = FileJournal::open(&path, FileJournalOptions::default());
    assert!(matches!(again, Err(OpenError::InUse { .. })), "also after it was written anew");
    drop(journal);
    assert_eq!(reopen(path).await.replay(None, 10).await.unwrap(), [record(1, 100)]);
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder.path().join("journal"));
    let refused = journal.append(vec![record(1, 1), record(2, RECORD_MAX + 1)]).await;
    assert!(matches!(refused, Err(JournalError::Refused { .. })));
    journal.append(vec![record(3, 1)]).await.unwrap();
    assert_eq!(journal.replay(None, 10).await.unwrap(), [record(3, 1)]);
}
