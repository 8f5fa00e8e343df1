//! Writing behind the cache: levels, order, coalescing, bounds, failures, and the end of the process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_cache::journal::{BoxFuture, FileJournal, FileJournalOptions, Journal, JournalError, Record};
use mamparo_cache::{
    Acknowledge, Cache, Change, Loaded, Loader, OpenError, PutError, Store, WriteBehind, WriteBehindOptions,
};
use mamparo_context::{Clock, Context, ManualClock, Random};

use crate::support::*;

const MILLI: Duration = Duration::from_millis(1);

/// A store that notes every write, in order, and fails when it is told to.
#[derive(Default)]
struct Notes {
    written: Mutex<Vec<(String, Option<u64>)>>,
    versions: Mutex<Vec<u64>>,
    failing: Mutex<bool>,
}

impl Notes {
    fn all(&self) -> Vec<(String, Option<u64>)> {
        self.written.lock().unwrap().clone()
    }

    fn fail(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }
}

impl Store<String, u64> for Notes {
    type Error = Down;

    async fn write(&self, _: &Context, changes: &[Change<String, u64>]) -> Result<(), Down> {
        if *self.failing.lock().unwrap() {
            return Err(Down(503));
        }
        for change in changes {
            self.written.lock().unwrap().push((change.key.clone(), change.value));
            self.versions.lock().unwrap().push(change.version);
        }
        Ok(())
    }
}

impl Loader<String, u64> for Notes {
    type Error = Down;

    async fn load(&self, _: &Context, key: &String) -> Result<Loaded<u64>, Down> {
        let last = self.all().into_iter().rev().find(|(own, _)| own == key);
        Ok(last.and_then(|(_, value)| value).into())
    }
}

/// A journal in memory that can be made to wait or to fail.
#[derive(Default)]
struct Paper {
    records: Mutex<Vec<Record>>,
    failing: Mutex<bool>,
    gate: Mutex<Option<Arc<tokio::sync::Notify>>>,
    appends: Mutex<usize>,
}

impl Journal for Paper {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            let gate = self.gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                gate.notified().await;
            }
            if *self.failing.lock().unwrap() {
                return Err(JournalError::Refused { why: "the disk is full".into() });
            }
            *self.appends.lock().unwrap() += 1;
            self.records.lock().unwrap().extend(records);
            Ok(())
        })
    }

    fn acknowledge(&self, ids: Vec<u64>) -> BoxFuture<'_, Result<(), JournalError>> {
        self.records.lock().unwrap().retain(|record| !ids.contains(&record.id));
        Box::pin(std::future::ready(Ok(())))
    }

    fn replay(&self, after: Option<u64>, max: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        let mut records = self.records.lock().unwrap().clone();
        records.retain(|record| after.is_none_or(|after| record.id > after));
        records.sort_by_key(|record| record.id);
        records.truncate(max);
        Box::pin(std::future::ready(Ok(records)))
    }
}

struct Desk {
    behind: WriteBehind<String, u64, Arc<Notes>>,
    notes: Arc<Notes>,
    paper: Arc<Paper>,
    manual: ManualClock,
}

fn options() -> WriteBehindOptions {
    WriteBehindOptions { linger: 10 * MILLI, dirty_keys: 4, ..Default::default() }
}

async fn desk(options: WriteBehindOptions) -> Desk {
    desk_on(options, Arc::default(), Arc::default()).await
}

async fn desk_on(options: WriteBehindOptions, notes: Arc<Notes>, paper: Arc<Paper>) -> Desk {
    let (clock, manual) = Clock::manual();
    let cache = Cache::builder("behind").clock(clock).build().unwrap();
    let builder = WriteBehind::builder(cache, Arc::clone(&notes)).options(options).random(Random::seeded(7));
    let behind = builder.journal(Arc::clone(&paper) as Arc<dyn Journal>).open().await.unwrap();
    Desk { behind, notes, paper, manual }
}

fn note(key: &str, value: u64) -> (String, Option<u64>) {
    (key.into(), Some(value))
}

#[tokio::test]
async fn each_level_waits_for_what_it_says() {
    let desk = desk(options()).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    *desk.paper.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let write = |level| {
        let behind = desk.behind.clone();
        tokio::spawn(async move { behind.write(&Context::root(), KEY.into(), Some(1), level).await })
    };
    let memory = write(Acknowledge::Memory);
    settle().await;
    assert!(memory.is_finished());
    let (journal, store) = (write(Acknowledge::Journal), write(Acknowledge::Store));
    settle().await;
    assert!(!journal.is_finished());
    assert_eq!(desk.behind.cache().get(KEY), Some(1), "who reads sees it at once");
    assert_eq!(desk.behind.status().not_on_disk, 1);
    *desk.paper.gate.lock().unwrap() = None;
    gate.notify_one();
    settle().await;
    assert!(journal.is_finished() && !store.is_finished());
    assert!(desk.notes.all().is_empty());
    desk.manual.advance(10 * MILLI);
    store.await.unwrap().unwrap();
    assert_eq!(desk.notes.all(), [note(KEY, 1)]);
    settle().await;
    assert!(desk.paper.records.lock().unwrap().is_empty(), "the journal holds nothing that the store has");
}

#[tokio::test]
async fn writes_of_a_key_are_one_write_and_reads_see_the_last() {
    let desk = desk(options()).await;
    let cx = Context::root();
    for value in 1..=100 {
        desk.behind.put(&cx, KEY.into(), value).await.unwrap();
        assert_eq!(desk.paper.records.lock().unwrap().len(), 1, "of a key the journal holds one record");
    }
    desk.behind.cache().clear();
    assert_eq!(desk.behind.known(&KEY.into()), Some(Some(100)));
    assert_eq!(
        desk.behind.get(&cx, &KEY.into()).await.unwrap(),
        Some(100),
        "also when the cache has forgotten it"
    );
    assert!(desk.notes.all().is_empty());
    desk.manual.advance(10 * MILLI);
    settle().await;
    assert_eq!(desk.notes.all(), [note(KEY, 100)]);
    desk.behind.remove(&cx, KEY.into()).await.unwrap();
    assert_eq!(desk.behind.get(&cx, &KEY.into()).await.unwrap(), None);
    desk.behind.close(&cx).await.unwrap();
    assert_eq!(desk.notes.all(), [note(KEY, 100), (KEY.into(), None)]);
    let status = desk.behind.status();
    assert_eq!((status.taken, status.written, status.dirty), (101, 2, 0));
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_append() {
    let desk = desk(WriteBehindOptions { dirty_keys: 1_000, ..options() }).await;
    let writes: Vec<_> = (0..100_u64)
        .map(|number| {
            let behind = desk.behind.clone();
            tokio::spawn(async move { behind.put(&Context::root(), number.to_string(), number).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert!(*desk.paper.appends.lock().unwrap() <= 3, "{}", desk.paper.appends.lock().unwrap());
}

#[tokio::test]
async fn too_many_dirty_keys_are_refused_and_say_when() {
    let desk = desk(options()).await;
    let cx = Context::root();
    desk.notes.fail(true);
    for key in 0..4 {
        desk.behind.put(&cx, key.to_string(), 1).await.unwrap();
    }
    let refused = desk.behind.put(&cx, "4".into(), 1).await;
    assert!(matches!(refused, Err(PutError::Full { retry_after }) if !retry_after.is_zero()));
    desk.behind.put(&cx, "3".into(), 2).await.unwrap();
    assert_eq!(desk.behind.status().refused, 1);
    desk.manual.advance(10 * MILLI);
    settle().await;
    assert_eq!(desk.behind.status().dirty, 4, "what fails stays");
    assert!(desk.behind.status().last_error.is_some());
    desk.notes.fail(false);
    for _ in 0..50 {
        desk.manual.advance(100 * MILLI);
        settle().await;
    }
    assert_eq!(desk.behind.status().dirty, 0);
    assert!(desk.notes.all().contains(&note("3", 2)));
    desk.behind.put(&cx, "4".into(), 1).await.unwrap();
}

#[tokio::test]
async fn when_the_journal_fails_the_store_is_waited_for() {
    let desk = desk(options()).await;
    *desk.paper.failing.lock().unwrap() = true;
    let write = {
        let behind = desk.behind.clone();
        tokio::spawn(async move { behind.put(&Context::root(), KEY.into(), 1).await })
    };
    settle().await;
    assert!(!write.is_finished(), "the level that was asked for is not reached");
    desk.manual.advance(10 * MILLI);
    write.await.unwrap().unwrap();
    assert_eq!(desk.notes.all(), [note(KEY, 1)]);
    assert_eq!(desk.behind.status().journal_failures, 1);
    desk.notes.fail(true);
    let cx = Context::root().with_timeout(desk.behind.cache().clock(), SECOND);
    let behind = desk.behind.clone();
    let write = tokio::spawn(async move { behind.put(&cx, KEY.into(), 2).await });
    settle().await;
    desk.manual.advance(SECOND);
    assert!(matches!(write.await.unwrap(), Err(PutError::Indeterminate)));
}

#[tokio::test]
async fn closing_writes_everything_or_says_what_is_left() {
    let desk = desk(options()).await;
    let cx = Context::root();
    desk.notes.fail(true);
    desk.behind.put(&cx, KEY.into(), 1).await.unwrap();
    let closing = {
        let behind = desk.behind.clone();
        let cx = Context::root().with_timeout(behind.cache().clock(), SECOND);
        tokio::spawn(async move { behind.close(&cx).await })
    };
    settle().await;
    desk.manual.advance(SECOND);
    let error = closing.await.unwrap().unwrap_err();
    assert_eq!((error.left, error.lost), (1, 0));
    assert!(matches!(desk.behind.put(&cx, KEY.into(), 2).await, Err(PutError::Closed)));
    desk.notes.fail(false);
    let again = {
        let behind = desk.behind.clone();
        tokio::spawn(async move { behind.close(&Context::root()).await })
    };
    for _ in 0..100 {
        desk.manual.advance(100 * MILLI);
        settle().await;
    }
    again.await.unwrap().unwrap();
    assert_eq!(desk.notes.all(), [note(KEY, 1)]);
}

#[tokio::test]
async fn what_a_process_left_behind_is_written_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let notes = Arc::<Notes>::default();
    let open = async || {
        let journal = loop {
            match FileJournal::open(&path, FileJournalOptions::default()) {
                Ok(journal) => break journal,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let (clock, _) = Clock::manual();
        let cache = Cache::builder("behind").clock(clock).build().unwrap();
        let builder = WriteBehind::builder(cache, Arc::clone(&notes)).journal(Arc::new(journal));
        builder.options(options()).open().await.unwrap()
    };
    let behind = open().await;
    let cx = Context::root();
    for value in 1..=3 {
        behind.put(&cx, KEY.into(), value).await.unwrap();
    }
    behind.remove(&cx, "gone".into()).await.unwrap();
    drop(behind);
    settle().await;
    assert!(notes.all().is_empty());
    let behind = open().await;
    assert_eq!(behind.status().dirty, 2);
    assert_eq!(behind.get(&cx, &KEY.into()).await.unwrap(), Some(3), "and is seen before it is written");
    behind.put(&cx, KEY.into(), 4).await.unwrap();
    behind.close(&cx).await.unwrap();
    assert_eq!(notes.all(), [note(KEY, 4), ("gone".into(), None)]);
    drop(behind);
    let behind = open().await;
    assert_eq!(behind.status().dirty, 0);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_everything_before_it_is_lost() {
    let paper = Arc::<Paper>::default();
    paper.records.lock().unwrap().push(Record { id: 7, payload: b"not json".as_slice().into() });
    let cache = Cache::<String, u64>::builder("behind").build().unwrap();
    let opened = WriteBehind::builder(cache, Arc::<Notes>::default()).journal(paper).open().await;
    assert!(matches!(opened, Err(OpenError::Record { id: 7, .. })));
}

#[tokio::test]
async fn a_level_that_there_is_no_journal_for_is_refused() {
    let cache = Cache::<String, u64>::builder("behind").build().unwrap();
    let opened = WriteBehind::builder(cache.clone(), Arc::<Notes>::default()).open().await;
    assert!(matches!(opened, Err(OpenError::NoJournal)));
    let wrong = WriteBehindOptions { batch: 0, ..options() };
    let opened = WriteBehind::builder(cache.clone(), Arc::<Notes>::default()).options(wrong).open().await;
    assert!(matches!(opened, Err(OpenError::Options(_))));
    let store = WriteBehindOptions { acknowledge: Acknowledge::Store, linger: Duration::ZERO, ..options() };
    let notes = Arc::<Notes>::default();
    let behind = WriteBehind::builder(cache, Arc::clone(&notes)).options(store).open().await.unwrap();
    behind.put(&Context::root(), KEY.into(), 1).await.unwrap();
    behind.write(&Context::root(), KEY.into(), Some(2), Acknowledge::Journal).await.unwrap();
    assert_eq!(notes.all(), [note(KEY, 1), note(KEY, 2)]);
    let versions = notes.versions.lock().unwrap().clone();
    assert!(versions.is_sorted());
}
