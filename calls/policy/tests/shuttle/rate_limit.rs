//! Races admit no more than the quota, and nobody in the line is forgotten, whatever threads do.

use std::sync::Arc;
use std::time::Duration;

use mamparo_context::{Clock, Context, ManualClock};
use mamparo_policy::rate_limit::{KeyedRateLimit, KeyedRateLimitConfig, Quota, RateLimit, RateLimitConfig};
use mamparo_policy::{Admission, Admit};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::{future, thread};

use crate::check;

const SECOND: Duration = Duration::from_secs(1);

fn world(config: RateLimitConfig) -> (Arc<RateLimit>, Clock, ManualClock) {
    let (clock, manual) = Clock::manual();
    (Arc::new(RateLimit::new(config, clock.clone()).expect("a valid limit")), clock, manual)
}

fn waiting(rate: u32, burst: u32) -> RateLimitConfig {
    RateLimitConfig::new(rate, SECOND).burst(burst).waiting(10, Duration::from_secs(100))
}

/// Moves the clock whenever nobody else has anything to do, until all `tasks` have ended.
fn drive(manual: &ManualClock, done: &AtomicUsize, tasks: usize) {
    let mut idle = 0;
    while done.load(Ordering::SeqCst) < tasks {
        manual.advance(Duration::from_millis(50));
        thread::yield_now();
        idle += 1;
        assert!(idle < 5_000, "somebody in the line was forgotten");
    }
}

#[test]
fn no_more_go_than_there_are_tokens() {
    check(|| {
        let (limit, clock, _manual) = world(RateLimitConfig::new(1, SECOND).burst(3));
        let gone = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let (limit, clock, gone) = (Arc::clone(&limit), clock.clone(), Arc::clone(&gone));
                thread::spawn(move || {
                    for _ in 0..2 {
                        if let Admit::Admit(()) = limit.acquire(&Context::root(), clock.moment()) {
                            gone.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        assert_eq!(gone.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn everybody_in_the_line_has_a_turn_and_time_pays_for_each() {
    check(|| {
        let (limit, clock, manual) = world(waiting(10, 1));
        let start = clock.moment();
        let done = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (limit, done) = (Arc::clone(&limit), Arc::clone(&done));
                thread::spawn(move || {
                    let gone = future::block_on(limit.enter(&Context::root())).map(drop);
                    done.fetch_add(1, Ordering::SeqCst);
                    gone
                })
            })
            .collect();
        drive(&manual, &done, 4);
        for caller in callers {
            assert_eq!(caller.join().expect("no panic"), Ok(()));
        }
        assert!(clock.moment().since(start) >= Duration::from_millis(300));
        assert_eq!(limit.waiting(), 0);
    });
}

#[test]
fn whoever_leaves_takes_nobody_along() {
    check(|| {
        let (limit, _clock, manual) = world(waiting(10, 1));
        let done = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..4)
            .map(|number| {
                let (limit, done) = (Arc::clone(&limit), Arc::clone(&done));
                thread::spawn(move || {
                    let cx = Context::root();
                    let mut turn = Box::pin(limit.enter(&cx));
                    if number % 2 == 0 {
                        // Polled once, and dropped at a time that the checker chooses.
                        future::block_on(std::future::poll_fn(|task| {
                            let _ = turn.as_mut().poll(task);
                            std::task::Poll::Ready(())
                        }));
                        thread::yield_now();
                        drop(turn);
                    } else {
                        assert!(future::block_on(turn).is_ok());
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        drive(&manual, &done, 4);
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        assert_eq!(limit.waiting(), 0);
    });
}

#[test]
fn a_change_of_quota_among_callers_makes_no_tokens() {
    check(|| {
        let (limit, clock, _manual) = world(RateLimitConfig::new(1, SECOND).burst(4));
        let gone = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (limit, clock, gone) = (Arc::clone(&limit), clock.clone(), Arc::clone(&gone));
                thread::spawn(move || {
                    for _ in 0..3 {
                        if let Admit::Admit(()) = limit.acquire(&Context::root(), clock.moment()) {
                            gone.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        for config in [(1_000, 4), (2, 9), (1, 4)] {
            limit.reconfigure(RateLimitConfig::new(config.0, SECOND).burst(config.1)).expect("a valid limit");
        }
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        assert_eq!(gone.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn refunds_and_a_new_quota_reach_those_who_wait() {
    check(|| {
        let (limit, clock, manual) = world(waiting(1, 2));
        let _ = limit.acquire_n(&Context::root(), 2, clock.moment());
        let done = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let (limit, done) = (Arc::clone(&limit), Arc::clone(&done));
                thread::spawn(move || {
                    let gone = future::block_on(limit.enter(&Context::root())).map(drop);
                    done.fetch_add(1, Ordering::SeqCst);
                    gone
                })
            })
            .collect();
        limit.refund(1);
        limit.reconfigure(waiting(10, 2)).expect("a valid limit");
        drive(&manual, &done, 3);
        for caller in callers {
            assert_eq!(caller.join().expect("no panic"), Ok(()));
        }
    });
}

#[test]
fn a_key_is_limited_once_however_many_threads_meet_it_first() {
    check(|| {
        let config =
            KeyedRateLimitConfig { keys: 2, ..KeyedRateLimitConfig::new(Quota::new(1, SECOND).burst(3)) };
        let limit = Arc::new(KeyedRateLimit::<u64>::new(config).expect("a valid limit"));
        let now = Clock::manual().0.moment();
        let gone = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..3)
            .map(|other| {
                let (limit, gone) = (Arc::clone(&limit), Arc::clone(&gone));
                thread::spawn(move || {
                    for key in [7, 7, 100 + other] {
                        let went = limit.acquire(&key, 1, now).is_ok();
                        if went && key == 7 {
                            gone.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        // Key 7 has its own three tokens, or those that it shares with others when it found no place.
        assert!(gone.load(Ordering::SeqCst) <= 3 + 3);
        assert!(limit.len() <= 2);
    });
}
