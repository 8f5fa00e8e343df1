//! What a journal does when nobody knows whether a write took effect: a ledger that stops before it answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use mamparo_context::{Clock, Timestamp};
use mamparo_ledger::{
    Engine, Head, Migrations, OutboxRow, ReadError, Recorded, Rows, Stats, StreamName, Timer, Unit, Value,
};
use tokio::sync::watch;

use super::*;

/// Takes every unit of work, and never answers.
struct Silent {
    clock: Clock,
    taken: Arc<AtomicUsize>,
}

fn gone<T>() -> BoxFuture<'static, Result<T, ReadError>> {
    Box::pin(async { Err(ReadError::Unavailable("gone".into())) })
}

impl Engine for Silent {
    fn describe(&self) -> String {
        "silent".into()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn submit(&self, unit: Box<dyn Unit>) -> Result<(), (Box<dyn Unit>, Error)> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        drop(unit);
        Ok(())
    }

    fn migrate(&self, _: Migrations) -> BoxFuture<'_, Result<(), mamparo_ledger::OpenError>> {
        Box::pin(async { Ok(()) })
    }

    fn head(&self) -> watch::Receiver<Head> {
        watch::channel(Head::default()).1
    }

    fn query(&self, _: Arc<str>, _: Vec<Value>) -> BoxFuture<'_, Result<Rows, ReadError>> {
        gone()
    }

    fn read_stream(
        &self,
        _: StreamName,
        _: u64,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        gone()
    }

    fn read_all(&self, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        gone()
    }

    fn read_outbox(&self, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<OutboxRow>, ReadError>> {
        gone()
    }

    fn read_timers(&self, _: String, _: Timestamp, _: usize) -> BoxFuture<'_, Result<Vec<Timer>, ReadError>> {
        gone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn after_a_write_in_doubt_it_takes_nothing_more() {
    let taken = Arc::new(AtomicUsize::new(0));
    let ledger = Ledger::new(Silent { clock: Clock::system(), taken: Arc::clone(&taken) });
    let own = Own { number: 1, opened: 1 };
    let journal = LedgerJournal { ledger, own, records_max: RECORDS_MAX, in_doubt: Arc::default() };
    let record = Record { id: 1, payload: Vec::new().into() };
    let first = journal.append(vec![record.clone()]).await;
    assert!(matches!(first, Err(JournalError::Indeterminate { .. })), "{first:?}");
    assert_eq!(journal.append(vec![record]).await, first);
    assert_eq!(journal.clone().acknowledge(vec![1]).await, first);
    assert_eq!(taken.load(Ordering::SeqCst), 1);
    // A read did nothing, and is not in doubt.
    assert!(matches!(journal.replay(None, 1).await, Err(JournalError::Refused { .. })));
}
