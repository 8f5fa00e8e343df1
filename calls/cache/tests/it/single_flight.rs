//! One load at a time, whatever becomes of who began it: each scar of other libraries is a test here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Waker};

use mamparo_cache::{Abandoned, EntryOptions, LoadError, Loaded};
use mamparo_context::Context;

use crate::support::*;

#[tokio::test]
async fn callers_at_the_same_time_share_one_load() {
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(7);
    let gate = source.shut();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (cache, source) = (cache.clone(), source.clone());
            tokio::spawn(async move { cache.get_or_load(&Context::root(), KEY, source.load()).await })
        })
        .collect();
    settle().await;
    gate.open();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), Some(7));
    }
    assert_eq!(source.loads(), 1);
    let metrics = cache.metrics();
    assert_eq!((metrics.loads, metrics.misses, metrics.joined), (1, 100, 99));
}

#[tokio::test]
async fn the_one_who_began_a_load_may_be_dropped() {
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(7);
    let gate = source.shut();
    let cx = Context::root();
    let mut first = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
    assert!(futures_poll(first.as_mut()).is_pending());
    let mut second = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
    assert!(futures_poll(second.as_mut()).is_pending());
    drop(first);
    settle().await;
    gate.open();
    assert_eq!(second.await.unwrap(), Some(7));
    assert_eq!(source.loads(), 1);
}

/// In moka the load is polled by the caller who began it: parked, it holds up everybody else for ever.
#[tokio::test]
async fn the_one_who_began_a_load_may_be_parked() {
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(7);
    let gate = source.shut();
    let root = Context::root();
    let mut parked = Box::pin(cache.get_or_load(&root, KEY, source.load()));
    assert!(futures_poll(parked.as_mut()).is_pending());
    let second = cache.get_or_load(&root, KEY, source.load());
    gate.open();
    assert_eq!(second.await.unwrap(), Some(7));
    assert_eq!(source.loads(), 1);
    drop(parked);
}

#[tokio::test]
async fn a_load_that_panics_is_told_to_all_and_the_next_caller_loads_anew() {
    let (cache, _) = cache(|builder| builder);
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move {
                let load = |_| async {
                    tokio::task::yield_now().await;
                    if true {
                        std::panic::panic_any("quietly");
                    }
                    Ok::<Option<u64>, Down>(None)
                };
                cache.get_or_load(&Context::root(), KEY, load).await
            })
        })
        .collect();
    for caller in callers {
        assert!(matches!(caller.await.unwrap(), Err(LoadError::Panicked)));
    }
    let source = Source::with(8);
    assert_eq!(cache.get_or_load(&Context::root(), KEY, source.load()).await.unwrap(), Some(8));
}

/// quick_cache runs a failing load once for each caller.
#[tokio::test]
async fn a_load_that_fails_runs_once_and_all_get_its_error() {
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(7);
    source.fail(Some(503));
    let gate = source.shut();
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let (cache, source) = (cache.clone(), source.clone());
            tokio::spawn(async move { cache.get_or_load(&Context::root(), KEY, source.load()).await })
        })
        .collect();
    settle().await;
    gate.open();
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert_eq!(error.downcast_ref::<Down>(), Some(&Down(503)));
    }
    assert_eq!(source.loads(), 1);
    assert!(cache.is_empty());
}

/// In moka an invalidation during a load is lost, and the value from before the write is served.
#[tokio::test]
async fn an_invalidation_during_a_load_wins() {
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(1);
    let gate = source.shut();
    let cx = Context::root();
    let mut early = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
    assert!(futures_poll(early.as_mut()).is_pending());
    settle().await;
    source.set(2);
    cache.invalidate(&KEY.to_owned());
    // Who comes after the write does not wait for what was read before it.
    let mut late = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
    assert!(futures_poll(late.as_mut()).is_pending());
    settle().await;
    assert_eq!(source.loads(), 2);
    gate.open();
    settle().await;
    assert_eq!(late.await.unwrap(), Some(2));
    assert_eq!(early.await.unwrap(), Some(1), "it began before the write");
    assert_eq!(cache.get(KEY), Some(2));
    assert_eq!(cache.metrics().overtaken, 1);
}

#[tokio::test]
async fn a_write_a_clearing_and_a_tag_overtake_a_load_too() {
    for way in ["insert", "clear", "tag", "other tag"] {
        let (cache, _) = cache(|builder| builder);
        let source = Source::with(1);
        let gate = source.shut();
        let own = source.clone();
        let load = move |_| async move {
            let value = own.read(KEY.into()).await?;
            Ok::<_, Down>(Loaded { value, options: EntryOptions::new().tag("drinks") })
        };
        let cx = Context::root();
        let mut early = Box::pin(cache.get_or_load(&cx, KEY, load));
        assert!(futures_poll(early.as_mut()).is_pending());
        settle().await;
        match way {
            "insert" => cache.insert(KEY.into(), 2),
            "clear" => cache.clear(),
            "tag" => cache.invalidate_tag("drinks"),
            _ => cache.invalidate_tag("foods"),
        }
        gate.open();
        assert_eq!(early.await.unwrap(), Some(1), "{way}");
        let known = match way {
            "insert" => Some(2),
            "other tag" => Some(1),
            _ => None,
        };
        assert_eq!(cache.get(KEY), known, "{way}");
    }
}

/// tower-resilience's waiters poll without pause: 193,616 times in 200 ms.
#[tokio::test]
async fn a_waiter_is_polled_twice_however_long_it_waits() {
    const CALLERS: usize = 10_000;
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(7);
    let gate = source.shut();
    let most = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (cache, source, most) = (cache.clone(), source.clone(), Arc::clone(&most));
            tokio::spawn(async move {
                let cx = Context::root();
                let mut get = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
                let mut polls = 0;
                let got = std::future::poll_fn(|task| {
                    polls += 1;
                    get.as_mut().poll(task)
                });
                assert_eq!(got.await.unwrap(), Some(7));
                most.fetch_max(polls, Ordering::SeqCst);
            })
        })
        .collect();
    settle().await;
    gate.open();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!((source.loads(), most.load(Ordering::SeqCst)), (1, 2));
}

#[tokio::test]
async fn each_waiter_has_its_own_deadline_and_a_late_result_is_stored() {
    let (cache, manual) = cache(|builder| builder);
    let source = Source::with(7);
    let gate = source.shut();
    let wait = |seconds: u32| {
        let (cache, source) = (cache.clone(), source.clone());
        let cx = Context::root().with_timeout(cache.clock(), seconds * SECOND);
        tokio::spawn(async move { cache.get_or_load(&cx, KEY, source.load()).await })
    };
    let (short, long) = (wait(1), wait(10));
    settle().await;
    manual.advance(2 * SECOND);
    assert!(matches!(short.await.unwrap(), Err(LoadError::DeadlinePassed)));
    assert!(!long.is_finished());
    manual.advance(9 * SECOND);
    assert!(matches!(long.await.unwrap(), Err(LoadError::DeadlinePassed)));
    gate.open();
    settle().await;
    assert_eq!(cache.get(KEY), Some(7));
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn a_load_is_given_up_at_its_hard_timeout() {
    let (cache, manual) = cache(|builder| builder.hard_timeout(5 * SECOND));
    let source = Source::with(7);
    let _gate = source.shut();
    let waiter = {
        let (cache, source) = (cache.clone(), source.clone());
        tokio::spawn(async move { cache.get_or_load(&Context::root(), KEY, source.load()).await })
    };
    settle().await;
    manual.advance(5 * SECOND);
    assert!(matches!(waiter.await.unwrap(), Err(LoadError::TimedOut { after }) if after == 5 * SECOND));
    assert_eq!(manual.next_wakeup(), None, "nothing is left behind");
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_ends_if_it_is_told_to() {
    for (when, loads_on) in [(Abandoned::Finish, true), (Abandoned::Cancel, false)] {
        let (cache, manual) = cache(|builder| builder.when_abandoned(when));
        let source = Source::with(7);
        let gate = source.shut();
        let wait = |seconds: u32| {
            let (cache, source) = (cache.clone(), source.clone());
            let cx = Context::root().with_timeout(cache.clock(), seconds * SECOND);
            tokio::spawn(async move { cache.get_or_load(&cx, KEY, source.load()).await })
        };
        let (first, latest) = (wait(1), wait(3));
        settle().await;
        manual.advance(SECOND);
        first.await.unwrap().unwrap_err();
        assert!(!latest.is_finished(), "the load lives as long as the latest who waits");
        manual.advance(2 * SECOND);
        latest.await.unwrap().unwrap_err();
        settle().await;
        gate.open();
        settle().await;
        assert_eq!(cache.get(KEY).is_some(), loads_on, "{when:?}");
    }
}

#[tokio::test]
async fn the_load_is_told_its_own_deadline_and_not_that_of_who_began_it() {
    let (cache, _) = cache(|builder| builder.hard_timeout(5 * SECOND));
    let cx = Context::root().with_timeout(cache.clock(), SECOND);
    let clock = cache.clock().clone();
    let load =
        move |cx: Context| async move { Ok::<_, Down>(cx.remaining(&clock).map(|left| left.as_secs())) };
    assert_eq!(cache.get_or_load(&cx, KEY, load).await.unwrap(), Some(5));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(7);
    let cx = Context::root();
    let mut get = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
    assert!(matches!(futures_poll(get.as_mut()), Poll::Ready(Err(LoadError::Stopped))));
    cache.insert(KEY.into(), 1);
    let mut get = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
    assert!(matches!(futures_poll(get.as_mut()), Poll::Ready(Ok(Some(1)))));
}

#[test]
fn when_the_runtime_ends_so_do_its_loads_and_who_waits_elsewhere_is_told() {
    let (cache, _) = cache(|builder| builder);
    let source = Source::with(7);
    let _gate = source.shut();
    let cx = Context::root();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut get = Box::pin(cache.get_or_load(&cx, KEY, source.load()));
    runtime.block_on(async {
        assert!(futures_poll(get.as_mut()).is_pending());
        settle().await;
    });
    drop(runtime);
    assert!(matches!(futures_poll(get.as_mut()), Poll::Ready(Err(LoadError::Stopped))));
}

/// Polls once, with nobody to wake.
fn futures_poll<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Task::from_waker(Waker::noop()))
}
