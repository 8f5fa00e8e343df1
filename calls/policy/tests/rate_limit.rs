//! Shows that calls wait in order, leave at any place without harm, and keep what they have when the quota changes.
#![cfg(not(feature = "shuttle"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Duration;

use mamparo_context::{Clock, Context, ManualClock};
use mamparo_policy::rate_limit::{RateLimit, RateLimitConfig, RateTicket};
use mamparo_policy::{Admission, Admit, Mode, Reason, Refusal};

const SECOND: Duration = Duration::from_secs(1);
const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct World {
    limit: Arc<RateLimit>,
    manual: ManualClock,
    clock: Clock,
}

/// A call in the line, and how often its task was woken.
struct Caller {
    ticket: Option<RateTicket>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl World {
    fn new(config: RateLimitConfig) -> Self {
        let (clock, manual) = Clock::manual();
        Self { limit: Arc::new(RateLimit::new(config, clock.clone()).expect("a valid limit")), manual, clock }
    }

    fn try_cost(&self, cost: u32) -> Admit<(), RateTicket> {
        self.limit.acquire_n(&Context::root(), cost, self.clock.moment())
    }

    fn goes(&self, cost: u32) -> bool {
        matches!(self.try_cost(cost), Admit::Admit(()))
    }

    fn refused(&self, cost: u32) -> Refusal {
        match self.try_cost(cost) {
            Admit::Refuse(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// A call that must wait, and has been polled once.
    fn waits(&self, cost: u32) -> Caller {
        let Admit::Wait(ticket) = self.try_cost(cost) else { panic!("does not wait") };
        let mut caller = Caller { ticket: Some(ticket), wakes: Arc::default() };
        assert_eq!(self.poll(&mut caller), None);
        caller
    }

    fn poll(&self, caller: &mut Caller) -> Option<Result<(), Refusal>> {
        let waker = Waker::from(Arc::clone(&caller.wakes));
        let ticket = caller.ticket.as_mut().expect("not answered yet");
        match self.limit.poll_turn(ticket, &mut Task::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(answer) => {
                caller.ticket = None;
                Some(answer)
            }
        }
    }

    fn leave(&self, caller: &mut Caller) {
        self.limit.leave(caller.ticket.take().expect("not answered yet"));
    }

    /// Polls whoever was woken, until nobody is: who was answered, in order.
    fn run(&self, callers: &mut [Caller]) -> Vec<(usize, bool)> {
        let mut answered = Vec::new();
        loop {
            let woken = callers
                .iter()
                .position(|caller| caller.ticket.is_some() && caller.wakes.0.swap(0, Ordering::SeqCst) > 0);
            let Some(woken) = woken else { return answered };
            if let Some(answer) = self.poll(&mut callers[woken]) {
                answered.push((woken, answer.is_ok()));
            }
        }
    }
}

fn waiting(rate: u32, burst: u32) -> RateLimitConfig {
    RateLimitConfig::new(rate, SECOND).burst(burst).waiting(100, Duration::from_secs(60))
}

#[test]
fn without_a_queue_what_is_over_the_quota_is_refused_and_told_when() {
    let world = World::new(RateLimitConfig::new(10, SECOND).burst(3));
    assert_eq!((0..5).filter(|_| world.goes(1)).count(), 3);
    let refusal = world.refused(1);
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::OverQuota, Some(ms(100))));
    assert_eq!(world.refused(3).retry_after, Some(ms(300)));
    world.manual.advance(ms(250));
    assert_eq!(world.refused(3).retry_after, Some(ms(50)));
    assert!(world.goes(2) && !world.goes(1));
    let never = world.refused(4);
    assert_eq!((never.reason, never.retry_after), (Reason::TooCostly, None));
}

#[test]
fn tokens_put_back_are_there_again_and_never_more_than_a_burst() {
    let world = World::new(RateLimitConfig::new(1, SECOND).burst(5));
    assert!(world.goes(5) && !world.goes(1));
    world.limit.refund(2);
    assert!(world.goes(2) && !world.goes(1));
    world.limit.refund(1_000);
    assert!(world.goes(5) && !world.goes(1));
}

#[test]
fn calls_go_in_the_order_of_their_coming_whatever_they_cost() {
    let world = World::new(waiting(10, 5));
    assert!(world.goes(5));
    let mut callers = [4, 1, 2].map(|cost| world.waits(cost));
    assert_eq!(world.limit.waiting(), 3);
    world.manual.advance(ms(100));
    assert_eq!(world.run(&mut callers), [], "the second would have enough, but the first came first");
    for (advance, answered) in [(299, vec![]), (1, vec![(0, true)]), (100, vec![(1, true)]), (199, vec![])] {
        world.manual.advance(ms(advance));
        assert_eq!(world.run(&mut callers), answered);
    }
    world.manual.advance(ms(1));
    assert_eq!(world.run(&mut callers), [(2, true)]);
    assert!(!matches!(world.try_cost(1), Admit::Admit(())), "and they have paid");
}

#[test]
fn nobody_overtakes_the_line_and_it_opens_again_when_it_is_empty() {
    let world = World::new(waiting(10, 5));
    assert!(world.goes(5));
    let mut first = world.waits(5);
    world.manual.advance(ms(300));
    let mut second = world.waits(1);
    world.leave(&mut first);
    assert_eq!(world.poll(&mut second), Some(Ok(())));
    assert!(world.goes(2) && !world.goes(1));
}

#[test]
fn one_timer_serves_the_whole_line_and_a_jump_of_the_clock_answers_all_that_are_due() {
    let world = World::new(waiting(10, 1));
    assert!(world.goes(1));
    let mut callers: Vec<_> = (0..20).map(|_| world.waits(1)).collect();
    assert_eq!(world.manual.next_wakeup(), Some(ms(100)));
    let woken = |callers: &[Caller]| -> Vec<usize> {
        callers.iter().map(|caller| caller.wakes.0.load(Ordering::SeqCst)).collect()
    };
    world.manual.advance(ms(100));
    assert_eq!(woken(&callers)[..3], [1, 0, 0]);
    assert_eq!(world.run(&mut callers[..1]), [(0, true)]);
    assert_eq!(
        woken(&callers)[..3],
        [0, 1, 0],
        "the next in the line takes over the timer, and nobody else wakes"
    );
    assert_eq!(world.run(&mut callers), []);
    assert_eq!(world.manual.next_wakeup(), Some(ms(100)));
}

#[test]
fn a_late_timer_costs_no_part_of_the_rate_and_a_long_sleep_lets_no_burst_go() {
    let config = RateLimitConfig::leaky(2_000, SECOND, 100, SECOND);
    let world = World::new(config);
    assert!(world.goes(1));
    let mut callers: Vec<_> = (0..60).map(|_| world.waits(1)).collect();
    for _ in 0..10 {
        world.manual.advance(ms(1));
        assert_eq!(
            world.run(&mut callers).len(),
            2,
            "half a millisecond apart, on a timer of one millisecond"
        );
    }
    world.manual.advance(ms(500));
    assert_eq!(world.run(&mut callers).len(), 5, "at most what two milliseconds would have let go");
}

#[test]
fn a_leaky_bucket_spaces_calls_and_drops_what_does_not_fit_into_its_queue() {
    let world = World::new(RateLimitConfig::leaky(10, SECOND, 3, SECOND));
    assert!(world.goes(1));
    let mut callers = [1, 2, 1].map(|cost| world.waits(cost));
    let full = world.refused(1);
    assert_eq!((full.reason, full.retry_after), (Reason::QueueFull, Some(ms(500))));
    let mut at = Vec::new();
    for step in 1..=10 {
        world.manual.advance(ms(50));
        at.extend(world.run(&mut callers).into_iter().map(|(who, _)| (who, step * 50)));
    }
    assert_eq!(at, [(0, 100), (1, 200), (2, 400)]);
}

#[test]
fn a_wait_that_is_too_long_is_refused_before_it_begins() {
    let world = World::new(RateLimitConfig::new(10, SECOND).burst(1).waiting(10, ms(250)));
    assert!(world.goes(1));
    let _line = [world.waits(1), world.waits(1)];
    let refusal = world.refused(1);
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::WaitTooLong, Some(ms(300))));

    let world = World::new(waiting(10, 1));
    assert!(world.goes(1));
    let hurry = Context::root().with_timeout(&world.clock, ms(99));
    let answer = world.limit.acquire(&hurry, world.clock.moment());
    assert!(matches!(answer, Admit::Refuse(Refusal { reason: Reason::WaitTooLong, .. })), "{answer:?}");
    let time = Context::root().with_timeout(&world.clock, ms(100));
    let Admit::Wait(ticket) = world.limit.acquire(&time, world.clock.moment()) else { panic!() };
    world.limit.leave(ticket);
}

#[test]
fn whoever_is_asked_for_after_the_deadline_is_not_sent() {
    let world = World::new(waiting(10, 1));
    assert!(world.goes(1));
    let time = Context::root().with_timeout(&world.clock, ms(100));
    let Admit::Wait(ticket) = world.limit.acquire(&time, world.clock.moment()) else { panic!() };
    let mut caller = Caller { ticket: Some(ticket), wakes: Arc::default() };
    let mut next = world.waits(1);
    world.manual.advance(ms(101));
    let Some(Err(refusal)) = world.poll(&mut caller) else { panic!() };
    assert_eq!(refusal.reason, Reason::WaitedTooLong);
    assert_eq!(world.poll(&mut next), Some(Ok(())), "its token goes to the next");
}

#[test]
fn leaving_at_any_place_harms_nobody_else() {
    for left in 0..5 {
        let world = World::new(waiting(10, 1));
        assert!(world.goes(1));
        let mut callers: Vec<_> = (0..5).map(|_| world.waits(1)).collect();
        world.leave(&mut callers[left]);
        let mut order = Vec::new();
        for _ in 0..4 {
            world.manual.advance(ms(100));
            let answered = world.run(&mut callers);
            assert_eq!(answered.len(), 1, "one for each interval, without a gap where {left} was");
            order.extend(answered);
        }
        let expected: Vec<_> = (0..5).filter(|who| *who != left).map(|who| (who, true)).collect();
        assert_eq!(order, expected);
        assert_eq!(world.limit.waiting(), 0);
    }
}

#[test]
fn who_leaves_after_its_turn_has_come_gives_its_tokens_to_the_next() {
    let world = World::new(waiting(10, 1));
    assert!(world.goes(1));
    let (mut first, mut second) = (world.waits(1), world.waits(1));
    world.manual.advance(ms(100));
    assert_eq!(world.poll(&mut second), None, "which answers the first, too");
    world.leave(&mut first);
    assert_eq!(second.wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(world.poll(&mut second), Some(Ok(())));
}

#[test]
fn one_that_is_never_polled_again_does_not_hold_up_the_others() {
    let world = World::new(waiting(10, 1));
    assert!(world.goes(1));
    let _parked = world.waits(1);
    let mut second = world.waits(1);
    world.manual.advance(ms(100));
    let mut third = world.waits(1);
    world.manual.advance(ms(100));
    assert_eq!(world.poll(&mut second), Some(Ok(())));
    world.manual.advance(ms(100));
    assert_eq!(world.poll(&mut third), Some(Ok(())));
}

#[test]
fn tokens_put_back_reach_the_first_in_the_line_at_once() {
    let world = World::new(waiting(1, 5));
    assert!(world.goes(5));
    let mut callers = [2, 1].map(|cost| world.waits(cost));
    world.limit.refund(2);
    assert_eq!(world.run(&mut callers), [(0, true)]);
    world.limit.refund(1);
    assert_eq!(world.run(&mut callers), [(1, true)]);
}

#[test]
fn a_new_quota_keeps_the_order_and_tells_new_times() {
    let world = World::new(waiting(1, 1));
    assert!(world.goes(1));
    let mut callers: Vec<_> = (0..3).map(|_| world.waits(1)).collect();
    world.limit.reconfigure(waiting(10, 1)).unwrap();
    assert_eq!(world.run(&mut callers), []);
    assert_eq!(world.manual.next_wakeup(), Some(ms(100)));
    for who in 0..3 {
        world.manual.advance(ms(100));
        assert_eq!(world.run(&mut callers), [(who, true)]);
    }
}

#[test]
fn a_new_quota_refuses_at_once_those_for_whom_it_is_too_slow_and_their_places_go_on() {
    let config = |rate| RateLimitConfig::new(rate, SECOND).burst(4).waiting(10, SECOND);
    let world = World::new(config(10));
    assert!(world.goes(4));
    let mut callers = [1, 4, 1].map(|cost| world.waits(cost));
    world.limit.reconfigure(config(2)).unwrap();
    assert_eq!(world.run(&mut callers), [(1, false)], "it would have been there after 2.5 s");
    for (advance, answered) in [(500, vec![(0, true)]), (499, vec![]), (1, vec![(2, true)])] {
        world.manual.advance(ms(advance));
        assert_eq!(world.run(&mut callers), answered);
    }
}

#[test]
fn the_tokens_that_are_there_stay_and_a_wrong_quota_changes_nothing() {
    let config = |rate, burst| RateLimitConfig::new(rate, SECOND).burst(burst);
    let world = World::new(config(10, 10));
    assert!(world.goes(6));
    world.limit.reconfigure(config(1_000, 50)).unwrap();
    assert_eq!(world.limit.standing(world.clock.moment()).remaining, 4);
    assert!(world.goes(4) && !world.goes(1));
    assert!(world.limit.reconfigure(config(0, 50)).is_err());
    assert_eq!(world.limit.config().rate, 1_000);
    let standing = world.limit.standing(world.clock.moment());
    assert_eq!((standing.limit, standing.remaining, standing.reset), (1_000, 0, ms(50)));
    world.limit.reconfigure(config(1_000, 1).mode(Mode::Off)).unwrap();
    assert_eq!(world.limit.mode(), Mode::Off);
}

#[test]
fn what_another_policy_refused_gives_its_tokens_back_and_what_was_cancelled_does_not() {
    let world = World::new(RateLimitConfig::new(1, SECOND).burst(5));
    let costly = world.limit.with_cost(3);
    assert!(world.goes(5));
    world.limit.give_back(());
    costly.give_back(());
    world.limit.cancel(());
    assert!(world.goes(4) && !world.goes(1));
    assert_eq!(costly.describe(), "1 in each 1s, 5 at once, 3 for each call");
}

#[tokio::test]
async fn as_a_call_it_waits_and_counts() {
    let world = World::new(waiting(10, 2));
    let cx = Context::root();
    drop(world.limit.enter(&cx).await.unwrap());
    drop(world.limit.enter(&cx).await.unwrap());
    let limit = Arc::clone(&world.limit);
    let third = tokio::spawn(async move { limit.enter(&Context::root()).await.map(drop) });
    tokio::task::yield_now().await;
    assert!(!third.is_finished());
    world.manual.advance(ms(100));
    third.await.unwrap().unwrap();

    let costly = Arc::new(world.limit.with_cost(2));
    let waits = costly.try_enter(&cx, world.clock.moment()).map(drop);
    assert_eq!(waits.unwrap_err().reason, Reason::QueueFull);
    world.manual.advance(ms(200));
    drop(costly.try_enter(&cx, world.clock.moment()).unwrap());
    let counted = world.limit.counts().read();
    assert_eq!((counted.admitted, counted.waited, counted.refused), (4, 2, 0));
}

#[tokio::test]
async fn in_the_shadow_it_counts_and_lets_go() {
    let world = World::new(RateLimitConfig::new(1, SECOND).mode(Mode::Shadow));
    for _ in 0..3 {
        drop(world.limit.enter(&Context::root()).await.unwrap());
    }
    let counted = world.limit.counts().read();
    assert_eq!((counted.admitted, counted.shadow_refused), (1, 2));
}

#[test]
fn a_call_that_is_admitted_or_refused_allocates_nothing() {
    let world = World::new(RateLimitConfig::new(1, SECOND).burst(2));
    let (cx, now) = (Context::root(), world.clock.moment());
    let allocated = allocation_counter::measure(|| {
        assert!(matches!(world.limit.admit(&cx, now), Admit::Admit(Some(()))));
        drop(world.limit.try_enter(&cx, now).unwrap());
        assert!(matches!(world.limit.admit(&cx, now), Admit::Refuse(_)));
    });
    assert_eq!(allocated.count_total, 0);
}
