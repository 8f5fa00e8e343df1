//! Interleavings of threads at an adaptive limit: never more calls under way than the limit, and nobody forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mamparo_context::{Clock, Context, Criticality, Random};
use mamparo_policy::adaptive::{AdaptiveConfig, AdaptiveLimit};
use mamparo_policy::shed::LineConfig;
use mamparo_policy::{Admission, Outcome};
use shuttle::{future, thread};

use crate::check;

fn limit(initial: u32) -> (Arc<AdaptiveLimit>, Clock) {
    let (clock, _hand) = Clock::manual();
    let line = LineConfig { capacity: 8, ..LineConfig::default() };
    let config =
        AdaptiveConfig { initial, min: 1, max: initial, line: Some(line), ..AdaptiveConfig::default() };
    (Arc::new(AdaptiveLimit::new(config, clock.clone(), Random::seeded(1)).unwrap()), clock)
}

fn calls(
    limit: &Arc<AdaptiveLimit>,
    clock: &Clock,
    under_way: &Arc<AtomicU64>,
    most: u64,
) -> thread::JoinHandle<()> {
    let (limit, clock, under_way) = (Arc::clone(limit), clock.clone(), Arc::clone(under_way));
    thread::spawn(move || {
        for number in 0..2 {
            let class = if number == 0 { Criticality::Sheddable } else { Criticality::Critical };
            let cx = Context::root().with_criticality(class);
            let permit = future::block_on(limit.enter(&cx)).unwrap();
            assert!(under_way.fetch_add(1, Ordering::SeqCst) < most);
            assert!(limit.state().in_flight <= most);
            thread::yield_now();
            under_way.fetch_sub(1, Ordering::SeqCst);
            match number {
                0 => permit.record(&Outcome::Success, clock.moment()),
                _ => drop(permit),
            }
        }
    })
}

#[test]
fn everybody_who_waits_has_their_turn_and_the_limit_holds() {
    for most in [1, 2] {
        check(move || {
            let (limit, clock) = limit(most);
            let under_way = Arc::default();
            let threads: Vec<_> =
                (0..3).map(|_| calls(&limit, &clock, &under_way, u64::from(most))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let state = limit.state();
            assert_eq!((state.in_flight, state.waiting), (0, 0));
            assert_eq!(limit.counts().read().admitted, 6);
        });
    }
}

/// Polls once, and drops what is not ready.
fn try_once(limit: &Arc<AdaptiveLimit>) {
    let cx = Context::root();
    future::block_on(async {
        let mut enter = Box::pin(limit.enter(&cx));
        let first = std::future::poll_fn(|task| std::task::Poll::Ready(enter.as_mut().poll(task))).await;
        thread::yield_now();
        drop(first);
    });
}

#[test]
fn a_place_that_is_given_up_while_it_is_granted_is_not_lost() {
    check(|| {
        let (limit, clock) = limit(1);
        let held = limit.try_enter(&Context::root(), clock.moment()).unwrap();
        let gives_up = Arc::clone(&limit);
        let gives_up = thread::spawn(move || try_once(&gives_up));
        let stays = calls(&limit, &clock, &Arc::default(), 1);
        let releases = thread::spawn(move || drop(held));
        [gives_up, stays, releases].into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((limit.state().in_flight, limit.state().waiting), (0, 0));
    });
}
