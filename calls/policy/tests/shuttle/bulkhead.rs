//! Never more calls than there are places, and nobody in the line is forgotten, whatever threads do.

use std::sync::Arc;
use std::task::{Context as Task, Poll, Wake, Waker};

use mamparo_context::{Clock, Context};
use mamparo_policy::bulkhead::{Bulkhead, BulkheadConfig};
use mamparo_policy::{Admission, Admit, Outcome};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

use crate::check;

/// Wakes a thread.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Enters, waits if it must, and works; says whether it got in.
fn visit(bulkhead: &Bulkhead, clock: &Clock, inside: &AtomicUsize, most: usize, leaves: bool) -> bool {
    let pass = match bulkhead.acquire(&Context::root(), clock.moment()) {
        Admit::Admit(pass) => pass,
        Admit::Refuse(_) => return false,
        Admit::Wait(ticket) if leaves => {
            thread::yield_now();
            bulkhead.leave(ticket);
            return false;
        }
        Admit::Wait(mut ticket) => {
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            loop {
                match bulkhead.poll_turn(&mut ticket, &mut Task::from_waker(&waker)) {
                    Poll::Ready(turn) => break turn.unwrap(),
                    Poll::Pending => thread::park(),
                }
            }
        }
    };
    assert!(inside.fetch_add(1, Ordering::SeqCst) < most, "more than there are places");
    thread::yield_now();
    inside.fetch_sub(1, Ordering::SeqCst);
    bulkhead.record(pass, &Outcome::Success, clock.moment());
    true
}

fn crowd(leavers: usize) {
    let clock = Clock::manual().0;
    let config = BulkheadConfig { queue: 8, ..BulkheadConfig::of(1) };
    let bulkhead = Arc::new(Bulkhead::new(config, clock.clone()).unwrap());
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let (bulkhead, inside, clock) = (Arc::clone(&bulkhead), Arc::clone(&inside), clock.clone());
            thread::spawn(move || visit(&bulkhead, &clock, &inside, 1, number < leavers))
        })
        .collect();
    // A thread that is never woken would be found as a deadlock.
    let entered = threads.into_iter().map(|thread| thread.join().unwrap());
    assert!(entered.filter(|entered| *entered).count() >= 4 - leavers);
    assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (0, 0));
}

#[test]
fn everybody_who_waits_gets_in() {
    check(|| crowd(0));
}

#[test]
fn who_leaves_takes_nobodys_turn_along() {
    check(|| crowd(2));
}

#[test]
fn more_room_while_others_come_and_go_forgets_nobody() {
    check(|| {
        let clock = Clock::manual().0;
        let bulkhead = Arc::new(
            Bulkhead::new(BulkheadConfig { queue: 8, ..BulkheadConfig::of(1) }, clock.clone()).unwrap(),
        );
        let inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (bulkhead, inside, clock) = (Arc::clone(&bulkhead), Arc::clone(&inside), clock.clone());
                thread::spawn(move || visit(&bulkhead, &clock, &inside, 2, false))
            })
            .collect();
        bulkhead.reconfigure(BulkheadConfig { queue: 8, ..BulkheadConfig::of(2) }).unwrap();
        threads.into_iter().for_each(|thread| assert!(thread.join().unwrap()));
        assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (0, 0));
    });
}
