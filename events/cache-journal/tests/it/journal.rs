//! A journal in a ledger does what every journal must; and it is bounded, one of several, and belongs to one.

use std::path::Path;

use mamparo_cache::journal::{Journal, JournalError, Record, conformance};
use mamparo_cache_journal::{LedgerJournal, OpenError, limits};
use mamparo_ledger::Ledger;
use mamparo_ledger_sqlite::Options;

fn ledger(folder: &Path) -> Ledger {
    Options::new(folder.join("ledger.db")).open().unwrap()
}

fn record(id: u64, size: usize) -> Record {
    Record { id, payload: vec![7; size].into() }
}

async fn ids(journal: &LedgerJournal) -> Vec<u64> {
    journal.replay(None, 100).await.unwrap().iter().map(|record| record.id).collect()
}

fn is_refused(result: Result<(), JournalError>, why: &str) {
    match result {
        Err(JournalError::Refused { why: own }) => assert!(own.contains(why), "{own}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_is_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    conformance::check(async || LedgerJournal::open(ledger.clone(), "own").await.unwrap()).await.unwrap();
    ledger.close().await;
}

#[tokio::test]
async fn it_is_a_journal_also_when_the_ledger_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        // The ledger that was there before lets go of its file a moment after the last handle is gone.
        let ledger = loop {
            match Options::new(folder.path().join("ledger.db")).open() {
                Err(mamparo_ledger::OpenError::InUse { .. }) => tokio::task::yield_now().await,
                other => break other.unwrap(),
            }
        };
        LedgerJournal::open(ledger, "own").await.unwrap()
    };
    conformance::check(open).await.unwrap();
}

#[tokio::test]
async fn journals_of_other_names_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let one = LedgerJournal::open(ledger.clone(), "one").await.unwrap();
    let two = LedgerJournal::open(ledger.clone(), "two").await.unwrap();
    one.append(vec![record(1, 1), record(2, 2)]).await.unwrap();
    two.append(vec![record(2, 2), record(3, 3)]).await.unwrap();
    one.acknowledge(vec![2, 3]).await.unwrap();
    assert_eq!((ids(&one).await, ids(&two).await), (vec![1], vec![2, 3]));
    for name in [String::new(), "x".repeat(limits::NAME_MAX + 1)] {
        let refused = LedgerJournal::open(ledger.clone(), &name).await;
        assert!(matches!(refused, Err(OpenError::Name { .. })));
    }
    ledger.close().await;
}

#[tokio::test]
async fn it_belongs_to_who_has_opened_it_last() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let old = LedgerJournal::open(ledger.clone(), "own").await.unwrap();
    old.append(vec![record(1, 1)]).await.unwrap();
    let new = LedgerJournal::open(ledger.clone(), "own").await.unwrap();
    is_refused(old.append(vec![record(2, 1)]).await, "opened again");
    is_refused(old.acknowledge(vec![1]).await, "opened again");
    assert_eq!((ids(&old).await, ids(&new).await), (vec![1], vec![1]));
    new.acknowledge(vec![1]).await.unwrap();
    assert!(ids(&new).await.is_empty());
    ledger.close().await;
}

#[tokio::test]
async fn what_has_no_room_is_refused_whole_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let journal = LedgerJournal::open(ledger.clone(), "own").await.unwrap().records_max(3);
    journal.append(vec![record(1, 1), record(2, 1)]).await.unwrap();
    is_refused(journal.append(vec![record(3, 1), record(4, 1)]).await, "at most 3");
    is_refused(journal.append(vec![record(3, limits::RECORD_BYTES_MAX + 1)]).await, "a record of");
    let many = (10..).take(limits::APPEND_RECORDS_MAX + 1).map(|id| record(id, 0)).collect();
    is_refused(journal.append(many).await, "at once");
    let large = (10..43).map(|id| record(id, limits::RECORD_BYTES_MAX)).collect();
    is_refused(journal.append(large).await, "at once");
    is_refused(journal.append(vec![record(2, 1)]).await, "constraint");
    assert_eq!(ids(&journal).await, [1, 2]);
    // What was refused takes no room, and what was acknowledged makes some, once.
    journal.acknowledge(vec![1, 1, 77]).await.unwrap();
    journal.append(vec![record(3, 1), record(4, 1)]).await.unwrap();
    is_refused(journal.append(vec![record(5, 1)]).await, "at most 3");
    assert_eq!(ids(&journal).await, [2, 3, 4]);
    ledger.close().await;
}

#[tokio::test]
async fn large_records_are_replayed_in_small_pages() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let journal = LedgerJournal::open(ledger.clone(), "own").await.unwrap();
    let records: Vec<Record> = (1..=20).map(|id| record(id, limits::RECORD_BYTES_MAX)).collect();
    journal.append(records.clone()).await.unwrap();
    let (mut replayed, mut after) = (Vec::new(), None);
    loop {
        let page = journal.replay(after, usize::MAX).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() * limits::RECORD_BYTES_MAX <= limits::REPLAY_BYTES);
        after = Some(last.id);
        replayed.extend(page);
    }
    assert_eq!(replayed, records);
    journal.acknowledge((1..=20).collect()).await.unwrap();
    assert!(ids(&journal).await.is_empty());
    ledger.close().await;
}

#[tokio::test]
async fn a_ledger_that_is_closed_did_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let journal = LedgerJournal::open(ledger.clone(), "own").await.unwrap();
    ledger.close().await;
    is_refused(journal.append(vec![record(1, 1)]).await, "unavailable");
}
