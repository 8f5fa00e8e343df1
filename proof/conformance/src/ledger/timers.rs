//! Durable timers and checkpoints.

use std::time::Duration;

use mamparo_context::Timestamp;
use mamparo_ledger::{Error, Ledger, Timer};

use super::cx;

fn timer(key: &str, due: Timestamp) -> Timer {
    Timer { owner: "saga".into(), key: key.into(), due, payload: key.to_owned().into() }
}

async fn set(ledger: &Ledger, timer: Timer) {
    ledger.transact(&cx(), async move |tx| tx.set_timer(&timer).await).await.expect("committed");
}

async fn due(ledger: &Ledger, until: Timestamp) -> Vec<String> {
    let timers = ledger.read_timers("saga", until, 100).await.expect("read");
    timers.into_iter().map(|timer| timer.key).collect()
}

/// Timers are read in the order in which they are due, up to a moment, for their owner only.
pub async fn timers_are_read_by_when_they_are_due(ledger: &Ledger) {
    let now = ledger.clock().wall();
    let at = |seconds| now + Duration::from_secs(seconds);
    for (key, seconds) in [("c", 30), ("a", 10), ("b", 20)] {
        set(ledger, timer(key, at(seconds))).await;
    }
    set(ledger, Timer { owner: "other".into(), ..timer("x", at(1)) }).await;
    assert_eq!(due(ledger, at(9)).await, [] as [&str; 0]);
    assert_eq!(due(ledger, at(20)).await, ["a", "b"]);
    let all = ledger.read_timers("saga", at(99), 2).await.expect("read");
    assert_eq!(all, [timer("a", at(10)), timer("b", at(20))]);
}

/// A timer that is set again is moved; one that is cleared is gone.
pub async fn a_timer_is_moved_and_cleared(ledger: &Ledger) {
    let now = ledger.clock().wall();
    let before = ledger.head().borrow().timers;
    set(ledger, timer("a", now)).await;
    assert!(ledger.head().borrow().timers > before);
    set(ledger, timer("a", now + Duration::from_secs(60))).await;
    assert!(due(ledger, now).await.is_empty());
    let clear = async || ledger.transact(&cx(), async |tx| tx.clear_timer("saga", "a").await).await;
    assert!(clear().await.expect("committed"));
    assert!(!clear().await.expect("committed"));
    assert!(due(ledger, now + Duration::from_secs(99)).await.is_empty());
}

/// Of many that take a timer which fires one gets it, and nobody once it was moved.
pub async fn a_timer_is_taken_once(ledger: &Ledger) {
    let now = ledger.clock().wall();
    set(ledger, timer("a", now)).await;
    let take = async |due| {
        ledger
            .transact(&cx(), async move |tx| tx.take_timer("saga", "a", due).await)
            .await
            .expect("committed")
    };
    assert!(!take(now + Duration::from_secs(1)).await);
    let undone: Result<(), _> = ledger
        .transact(&cx(), async move |tx| {
            assert!(tx.take_timer("saga", "a", now).await?);
            Err(Error::app("handler failed"))
        })
        .await;
    undone.expect_err("refused");
    assert!(take(now).await);
    assert!(!take(now).await);
}

/// A checkpoint moves if, and only if, the transaction that moves it commits.
pub async fn checkpoints_move_with_their_transaction(ledger: &Ledger) {
    let read = async || ledger.transact(&cx(), async |tx| tx.checkpoint("orders").await).await.expect("read");
    assert_eq!(read().await, 0);
    ledger.transact(&cx(), async |tx| tx.set_checkpoint("orders", 7).await).await.expect("committed");
    let undone: Result<(), _> = ledger
        .transact(&cx(), async |tx| {
            tx.set_checkpoint("orders", 8).await?;
            Err(Error::app("refused"))
        })
        .await;
    undone.expect_err("refused");
    assert_eq!(read().await, 7);
}
