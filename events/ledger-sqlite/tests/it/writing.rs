//! What one writer for everybody must stand: closures that wait, groups that are dropped, callers that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mamparo_context::Context;
use mamparo_ledger::{Error, Expected, Ledger, NewEvent, StreamName};
use mamparo_ledger_sqlite::Options;
use tempfile::{TempDir, tempdir};

fn open() -> (TempDir, Ledger) {
    let folder = tempdir().unwrap();
    let ledger = Options::new(folder.path().join("ledger.db")).open().unwrap();
    (folder, ledger)
}

#[tokio::test]
async fn a_closure_that_waits_for_something_else_is_refused() {
    let (_folder, ledger) = open();
    let waited = ledger
        .transact(&Context::root(), async |tx| {
            tx.append(&StreamName::new("a"), Expected::Any, &[NewEvent::new("x", "x")]).await?;
            tokio::task::yield_now().await;
            Ok(())
        })
        .await;
    assert!(matches!(waited, Err(Error::ForeignAwait)), "{waited:?}");
    assert_eq!(ledger.head().borrow().position, 0);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_stop_the_ledger() {
    let (_folder, ledger) = open();
    for _ in 0..100 {
        let cx = Context::root();
        let mut left = Box::pin(ledger.transact(&cx, async |tx| {
            tx.append(&StreamName::new("a"), Expected::Any, &[NewEvent::new("x", "x")]).await
        }));
        // Polled once, so that the unit is on its way, and then dropped.
        let waker = std::task::Waker::noop();
        let _ = left.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    let cx = Context::root();
    let events = ledger.transact(&cx, async |tx| tx.read_stream(&StreamName::new("a"), 1, 1000).await);
    assert_eq!(events.await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_unit_that_may_run_once_runs_once() {
    let (_folder, ledger) = open();
    let runs = Arc::new(AtomicU32::new(0));
    let own = Arc::clone(&runs);
    ledger
        .transact_once(&Context::root(), async move |tx| {
            own.fetch_add(1, Ordering::SeqCst);
            tx.set_checkpoint("a", 1).await
        })
        .await
        .unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// The closed form of a bounded queue: who comes too many is told at once, and nothing of the rest is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_callers_are_refused_at_once() {
    let (_folder, ledger) = open();
    let gate = Arc::new(std::sync::Barrier::new(2));
    let own = Arc::clone(&gate);
    // One unit keeps the writer busy until the queue is full.
    let busy = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            ledger
                .transact(&Context::root(), async move |_tx| {
                    own.wait();
                    own.wait();
                    Ok(())
                })
                .await
        }
    });
    gate.wait();
    let cx = Context::root();
    let mut waiting = Vec::new();
    let waker = std::task::Waker::noop();
    let refused = loop {
        let mut unit = Box::pin(ledger.transact(&cx, async |tx| tx.set_checkpoint("a", 1).await));
        match unit.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(answer) => break answer,
            std::task::Poll::Pending => waiting.push(unit),
        }
        assert!(waiting.len() <= mamparo_ledger::limits::WAITING_UNITS_MAX, "the queue has no bound");
    };
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    gate.wait();
    busy.await.unwrap().unwrap();
    for unit in waiting {
        unit.await.unwrap();
    }
}
