//! The line as a table, and the bulkhead under its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Duration;

use mamparo_context::{Clock, Context, Moment};

use super::core::{Called, Line, Turn};
use super::{Bulkhead, BulkheadConfig, BulkheadPass, BulkheadTicket};
use crate::{Admission, Admit, Mode, Outcome, Reason};

fn at(millis: u64) -> Moment {
    Moment::ZERO + Duration::from_millis(millis)
}

#[test]
fn the_first_whose_time_is_not_over_is_called() {
    let mut line: Line<&str> = Line::new();
    let (a, b, c) = (line.join(at(5)), line.join(at(50)), line.join(at(50)));
    line.call_by(a, |_| false, || "a");
    line.call_by(b, |_| false, || "b");
    let mut told = Vec::new();
    assert_eq!(line.call(at(5), |who| told.extend(who)), Called { gone: 1, somebody: true });
    assert_eq!(told, ["a", "b"]);
    assert_eq!((line.turn(a), line.turn(c), line.turn(b)), (Turn::Gone, Turn::Waits, Turn::Called));
    assert_eq!(line.turn(b), Turn::Gone, "it has heard of it");
    assert_eq!((line.leave(c), line.len()), (Turn::Waits, 0));
    assert_eq!(line.call(at(5), |_| {}), Called { gone: 0, somebody: false });
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Waiter {
    ticket: BulkheadTicket,
    woken: Arc<Woken>,
}

fn waits(bulkhead: &Bulkhead, cx: &Context, clock: &Clock) -> Waiter {
    match bulkhead.admit(cx, clock.moment()) {
        Admit::Wait(ticket) => {
            let mut waiter = Waiter { ticket, woken: Arc::default() };
            assert!(waiter.poll(bulkhead).is_pending());
            waiter
        }
        other => panic!("it should wait: {:?}", other_name(&other)),
    }
}

impl Waiter {
    fn poll(&mut self, bulkhead: &Bulkhead) -> Poll<Result<BulkheadPass, Reason>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        let turn = bulkhead.poll_turn(&mut self.ticket, &mut Task::from_waker(&waker));
        turn.map_err(|refusal| refusal.reason)
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Ordering::SeqCst)
    }
}

fn other_name<P, T>(admit: &Admit<P, T>) -> &'static str {
    match admit {
        Admit::Admit(_) => "admitted",
        Admit::Wait(_) => "waits",
        Admit::Refuse(refusal) => refusal.reason.as_str(),
    }
}

fn admitted(bulkhead: &Bulkhead, cx: &Context, clock: &Clock) -> BulkheadPass {
    match bulkhead.admit(cx, clock.moment()) {
        Admit::Admit(Some(pass)) => pass,
        other => panic!("it should be admitted: {}", other_name(&other)),
    }
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn places_go_round_in_the_order_of_coming_and_each_is_woken_once() {
    let (clock, _) = Clock::manual();
    let cx = Context::root();
    let bulkhead =
        Bulkhead::new(BulkheadConfig { queue: 3, ..BulkheadConfig::of(1) }, clock.clone()).unwrap();
    let pass = admitted(&bulkhead, &cx, &clock);
    let (mut a, b, mut c) =
        (waits(&bulkhead, &cx, &clock), waits(&bulkhead, &cx, &clock), waits(&bulkhead, &cx, &clock));
    assert_eq!(other_name(&bulkhead.admit(&cx, clock.moment())), "queue-full");
    assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (1, 3));

    bulkhead.record(pass, &Outcome::Success, clock.moment());
    assert_eq!((a.woken(), b.woken(), c.woken()), (1, 0, 0));
    // Whoever comes now does not overtake.
    let d = waits(&bulkhead, &cx, &clock);
    let Poll::Ready(Ok(pass)) = a.poll(&bulkhead) else { panic!("it is the first") };
    // One who leaves gives its place in the line to those behind it.
    bulkhead.leave(b.ticket);
    bulkhead.cancel(pass);
    assert_eq!((c.woken(), d.woken()), (1, 0));
    assert!(c.poll(&bulkhead).is_ready());
    // One who was called and leaves gives the turn on.
    bulkhead.cancel(BulkheadPass(()));
    assert_eq!(d.woken(), 1);
    bulkhead.leave(d.ticket);
    assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (0, 0));
    let counted = bulkhead.counts().read();
    assert_eq!((counted.admitted, counted.waited, counted.refused), (1, 4, 1));
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn nobody_waits_beyond_its_deadline_or_the_bound() {
    let (clock, manual) = Clock::manual();
    let bulkhead = Bulkhead::new(
        BulkheadConfig { wait: Duration::from_millis(30), queue: 2, ..BulkheadConfig::of(1) },
        clock.clone(),
    )
    .unwrap();
    let cx = Context::root();
    let hurried = cx.clone().with_timeout(&clock, Duration::from_millis(10));
    let _pass = admitted(&bulkhead, &cx, &clock);
    let (mut a, mut b) = (waits(&bulkhead, &hurried, &clock), waits(&bulkhead, &cx, &clock));
    manual.advance(Duration::from_millis(10));
    assert_eq!((a.woken(), b.woken()), (1, 0));
    assert!(matches!(a.poll(&bulkhead), Poll::Ready(Err(Reason::WaitedTooLong))));
    assert_eq!(other_name(&bulkhead.admit(&hurried, clock.moment())), "wait-too-long");
    manual.advance(Duration::from_millis(20));
    assert!(matches!(b.poll(&bulkhead), Poll::Ready(Err(Reason::WaitedTooLong))));
    assert_eq!(bulkhead.waiting(), 0);
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn more_room_lets_those_in_who_wait_and_less_room_is_reached_as_calls_end() {
    let (clock, _) = Clock::manual();
    let cx = Context::root();
    let bulkhead =
        Bulkhead::new(BulkheadConfig { queue: 2, ..BulkheadConfig::of(1) }, clock.clone()).unwrap();
    let _pass = admitted(&bulkhead, &cx, &clock);
    let (mut a, mut b) = (waits(&bulkhead, &cx, &clock), waits(&bulkhead, &cx, &clock));
    bulkhead.reconfigure(BulkheadConfig::of(3)).unwrap();
    assert!(a.poll(&bulkhead).is_ready() && b.poll(&bulkhead).is_ready());
    bulkhead.reconfigure(BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) }).unwrap();
    assert_eq!((bulkhead.under_way(), bulkhead.calls()), (3, 1));
    bulkhead.cancel(BulkheadPass(()));
    bulkhead.cancel(BulkheadPass(()));
    assert_eq!(other_name(&bulkhead.admit(&cx, clock.moment())), "queue-full");
    bulkhead.cancel(BulkheadPass(()));
    assert_eq!(other_name(&bulkhead.admit(&cx, clock.moment())), "admitted");
    assert!(bulkhead.reconfigure(BulkheadConfig { calls: 0, ..BulkheadConfig::of(1) }).is_err());
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn in_shadow_it_refuses_nothing_and_counts_what_it_would_have_done() {
    let (clock, _) = Clock::manual();
    let cx = Context::root();
    let config = BulkheadConfig { mode: Mode::Shadow, queue: 1, ..BulkheadConfig::of(1) };
    let bulkhead = Bulkhead::new(config, clock.clone()).unwrap();
    let _held = admitted(&bulkhead, &cx, &clock);
    for _ in 0..2 {
        assert!(matches!(bulkhead.admit(&cx, clock.moment()), Admit::Admit(None)));
    }
    let full = BulkheadConfig { queue: 0, ..config };
    bulkhead.reconfigure(full).unwrap();
    assert!(matches!(bulkhead.admit(&cx, clock.moment()), Admit::Admit(None)));
    let counted = bulkhead.counts().read();
    assert_eq!((counted.admitted, counted.shadow_waited, counted.shadow_refused), (1, 2, 1));
    assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (1, 0));
}

#[cfg(not(feature = "shuttle"))]
#[tokio::test]
async fn a_permit_that_is_dropped_gives_its_place_back_also_while_it_waits() {
    let (clock, _) = Clock::manual();
    let cx = Context::root();
    let bulkhead = Arc::new(Bulkhead::new(BulkheadConfig::of(1), clock.clone()).unwrap());
    let permit = bulkhead.try_enter(&cx, clock.moment()).unwrap();
    assert_eq!(bulkhead.try_enter(&cx, clock.moment()).unwrap_err().reason, Reason::QueueFull);
    {
        let waiting = bulkhead.enter(&cx);
        let mut waiting = std::pin::pin!(waiting);
        let nothing = Waker::noop();
        assert!(waiting.as_mut().poll(&mut Task::from_waker(nothing)).is_pending());
        assert_eq!(bulkhead.waiting(), 1);
    }
    assert_eq!((bulkhead.under_way(), bulkhead.waiting()), (1, 0));
    drop(permit);
    assert_eq!((bulkhead.under_way(), bulkhead.counts().read().cancelled), (0, 1));
    bulkhead.enter(&cx).await.unwrap().record(&Outcome::Success, clock.moment());
    assert_eq!(bulkhead.under_way(), 0);
}

#[cfg(not(feature = "shuttle"))]
#[test]
fn who_enters_and_goes_before_it_is_polled_takes_nothing_along() {
    let (clock, _) = Clock::manual();
    let bulkhead = Bulkhead::new(BulkheadConfig::of(1), clock.clone()).unwrap();
    let cx = Context::root();
    drop(bulkhead.enter(&cx));
    assert_eq!(bulkhead.under_way(), 0);
    let held = admitted(&bulkhead, &cx, &clock);
    drop(bulkhead.enter(&cx));
    assert_eq!(bulkhead.waiting(), 0);
    bulkhead.cancel(held);
    assert_eq!(bulkhead.under_way(), 0);
}
