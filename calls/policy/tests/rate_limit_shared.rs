//! Shows what a node does by itself about a quota that it shares: blocks and their bound, a store that hangs, the
//! pause after it, and calls that are dropped or never polled again.
#![cfg(not(feature = "shuttle"))]

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_context::{Clock, Context, ManualClock, Moment};
use mamparo_policy::rate_limit::{
    Ask, Given, Quota, RateLimit, RateLimitConfig, SharedRateLimit, SharedRateLimitConfig, SharedStore,
    StoreDown, StoreError, StoreLink, StoreLinkConfig,
};
use mamparo_policy::{Admission, Admit, Mode, Reason};

const SECOND: Duration = Duration::from_secs(1);
const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A bucket in memory that several nodes reach, and that can hang or fail.
#[derive(Clone)]
struct Memory(Arc<Bucket>);

struct Bucket {
    clock: Clock,
    limit: Mutex<RateLimit>,
    asked: AtomicU32,
    hangs: AtomicBool,
    fails: AtomicBool,
}

impl SharedStore for Memory {
    async fn take(&self, ask: &Ask<'_>) -> Result<Given, StoreError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        // As over a network: the answer never comes at once.
        tokio::task::yield_now().await;
        if self.0.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.0.fails.load(Ordering::SeqCst) {
            return Err(StoreError("broken".into()));
        }
        let limit = self.0.limit.lock().expect("not poisoned");
        let now = self.0.clock.moment();
        let there = u32::try_from(limit.standing(now).remaining).expect("few");
        let (mut tokens, mut retry_after) = (0, Duration::ZERO);
        if there >= ask.least {
            tokens = there.min(ask.most);
            assert!(matches!(limit.acquire_n(&Context::root(), tokens, now), Admit::Admit(())));
        } else if let Admit::Refuse(refusal) = limit.acquire_n(&Context::root(), ask.least, now) {
            retry_after = refusal.retry_after.expect("it is known");
        }
        let standing = limit.standing(now);
        Ok(Given { tokens, remaining: there - tokens, retry_after, reset: standing.reset })
    }

    async fn put_back(&self, _key: &str, _quota: &Quota, tokens: u32) -> Result<(), StoreError> {
        self.0.limit.lock().expect("not poisoned").refund(tokens);
        Ok(())
    }
}

struct World {
    store: Memory,
    clock: Clock,
    manual: ManualClock,
    quota: Quota,
}

impl World {
    fn new(rate: u32, burst: u32) -> Self {
        let (clock, manual) = Clock::manual();
        let quota = Quota::new(rate, SECOND).burst(burst);
        let limit = RateLimit::new(RateLimitConfig::new(rate, SECOND).burst(burst), clock.clone());
        let bucket = Bucket {
            clock: clock.clone(),
            limit: Mutex::new(limit.expect("a valid limit")),
            asked: AtomicU32::new(0),
            hangs: AtomicBool::new(false),
            fails: AtomicBool::new(false),
        };
        Self { store: Memory(Arc::new(bucket)), clock, manual, quota }
    }

    fn node(&self, rule: StoreDown, block: u32, lease: Duration) -> SharedRateLimit<Memory> {
        let link = StoreLink::new(self.store.clone(), StoreLinkConfig::default(), self.clock.clone());
        let config = SharedRateLimitConfig::new("k", self.quota, rule).leased(block, lease);
        SharedRateLimit::new(config, Arc::new(link.expect("a valid link"))).expect("a valid limit")
    }

    fn asked(&self) -> u32 {
        self.store.0.asked.load(Ordering::SeqCst)
    }
}

async fn goes(node: &SharedRateLimit<Memory>) -> Result<(), Reason> {
    node.enter(&Context::root()).await.map(drop).map_err(|refusal| refusal.reason)
}

async fn admitted(node: &SharedRateLimit<Memory>, calls: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..calls {
        admitted += u32::from(goes(node).await.is_ok());
    }
    admitted
}

/// Lets every other task run until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Whether `work`, polled once, is not done.
async fn must_wait<F: Future>(mut work: Pin<&mut F>) -> bool {
    std::future::poll_fn(|task| std::task::Poll::Ready(work.as_mut().poll(task).is_pending())).await
}

#[tokio::test]
async fn nodes_together_take_no_more_than_the_quota_and_do_not_ask_in_vain() {
    let world = World::new(10, 20);
    let nodes = [(); 3].map(|()| world.node(StoreDown::Closed, 1, ms(100)));
    let mut total = 0;
    for node in &nodes {
        total += admitted(node, 15).await;
    }
    assert_eq!(total, 20);
    assert_eq!(world.asked(), 22, "each node was told once that there is nothing for 100 ms");
    world.manual.advance(ms(100));
    assert_eq!(admitted(&nodes[0], 2).await, 1);
    assert_eq!(nodes[0].standing().map(|standing| standing.remaining), Some(0));
}

#[tokio::test]
async fn a_block_serves_many_calls_and_only_one_of_them_fetches_it() {
    let world = World::new(100, 100);
    let node = world.node(StoreDown::Closed, 10, SECOND);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let node = node.clone();
            tokio::spawn(async move { goes(&node).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
    assert_eq!(world.asked(), 1);
    assert_eq!(admitted(&node, 25).await, 25);
    assert_eq!(world.asked(), 4);
    assert_eq!(node.refund(2).await, Ok(()));
    assert_eq!(
        (admitted(&node, 7).await, world.asked()),
        (7, 4),
        "five are left of the block, and two came back"
    );
}

#[tokio::test]
async fn leases_let_at_most_a_block_for_each_node_more_go_in_any_time() {
    let (nodes, block, rate, burst) = (3_u32, 8, 100, 24);
    let world = World::new(rate, burst);
    let nodes: Vec<_> = (0..nodes).map(|_| world.node(StoreDown::Closed, block, ms(200))).collect();
    let mut went: Vec<(Moment, u32)> = Vec::new();
    for round in 0..400_u32 {
        // Now and then all are greedy, and in between each takes a little: blocks are spent long after they came.
        let calls = if round % 25 == 24 { 30 } else { u32::from(round % 7 == 0) };
        for node in &nodes {
            let admitted = admitted(node, calls).await;
            went.push((world.clock.moment(), admitted));
        }
        world.manual.advance(ms(8));
    }
    let most = u64::from(block) * nodes.len() as u64;
    let (mut total, mut over) = (0_u64, 0_i64);
    for (begin, (from, _)) in went.iter().enumerate() {
        let mut sum = 0;
        for (to, admitted) in &went[begin..] {
            sum += u64::from(*admitted);
            let quota = u64::from(burst)
                + u64::from(rate) * u64::try_from(to.since(*from).as_millis()).unwrap() / 1_000;
            assert!(sum <= quota + most, "{sum} {quota}");
            over = over.max(sum as i64 - quota as i64);
        }
        total = total.max(sum);
    }
    assert!(over > 0, "the bound is not idle: {over}");
    let elapsed = u64::from(rate) * 400 * 8 / 1_000;
    assert!(total <= u64::from(burst) + elapsed, "over the whole time it is the quota itself");
}

#[tokio::test]
async fn a_store_that_hangs_costs_one_timeout_and_then_nothing_until_one_call_tries_again() {
    let world = World::new(10, 20);
    let node = world.node(StoreDown::Closed, 1, ms(100));
    world.store.0.hangs.store(true, Ordering::SeqCst);
    let first = tokio::spawn({
        let node = node.clone();
        async move { goes(&node).await }
    });
    settle().await;
    assert!(!first.is_finished());
    world.manual.advance(ms(50));
    assert_eq!(first.await.unwrap(), Err(Reason::StoreDown));
    for _ in 0..100 {
        let answer = node.acquire(&Context::root(), world.clock.moment());
        let Admit::Refuse(refusal) = answer else { panic!("{answer:?}") };
        assert_eq!((refusal.reason, refusal.retry_after), (Reason::StoreDown, Some(SECOND)));
    }
    assert_eq!(world.asked(), 1);

    world.store.0.hangs.store(false, Ordering::SeqCst);
    world.manual.advance(SECOND);
    let Admit::Wait(tries) = node.acquire(&Context::root(), world.clock.moment()) else { panic!() };
    let other = node.acquire(&Context::root(), world.clock.moment());
    assert!(matches!(other, Admit::Refuse(_)), "one tries for all");
    node.leave(tries);
    world.manual.advance(SECOND);
    assert_eq!(goes(&node).await, Ok(()), "and if it is dropped, another one does");
    assert_eq!(goes(&node).await, Ok(()));
}

#[tokio::test]
async fn each_rule_does_what_it_says_and_the_quota_is_back_with_the_store() {
    for (rule, expected) in
        [(StoreDown::Open, 40), (StoreDown::Closed, 0), (StoreDown::LocalShare { nodes: 4 }, 5)]
    {
        let world = World::new(10, 20);
        let node = world.node(rule, 1, ms(100));
        assert_eq!(admitted(&node, 10).await, 10);
        world.store.0.fails.store(true, Ordering::SeqCst);
        assert_eq!(admitted(&node, 40).await, expected, "{rule:?}");
        assert_eq!(world.asked(), 11);
        world.store.0.fails.store(false, Ordering::SeqCst);
        world.manual.advance(SECOND);
        assert_eq!(admitted(&node, 40).await, 20, "{rule:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_or_never_polled_again_holds_up_nobody() {
    let world = World::new(10, 20);
    let node = world.node(StoreDown::Closed, 5, SECOND);
    let cx = Context::root();
    let mut parked = Box::pin(node.enter(&cx));
    assert!(must_wait(parked.as_mut()).await);
    let next = tokio::spawn({
        let node = node.clone();
        async move { goes(&node).await }
    });
    settle().await;
    assert!(!next.is_finished(), "the first fetches a block for both");
    world.manual.advance(ms(50));
    assert_eq!(next.await.unwrap(), Ok(()), "but is not waited for longer than the store");

    let node = world.node(StoreDown::Closed, 5, SECOND);
    let mut dropped = Box::pin(node.enter(&cx));
    assert!(must_wait(dropped.as_mut()).await);
    let mut next = Box::pin(node.enter(&cx));
    assert!(must_wait(next.as_mut()).await);
    drop(dropped);
    assert!(next.await.is_ok());
}

#[tokio::test]
async fn a_deadline_is_kept_and_a_new_configuration_keeps_the_block() {
    let world = World::new(10, 20);
    let node = world.node(StoreDown::Open, 5, SECOND);
    world.store.0.hangs.store(true, Ordering::SeqCst);
    let hurry = Context::root().with_timeout(&world.clock, ms(10));
    let call = tokio::spawn({
        let node = node.clone();
        async move { node.enter(&hurry).await.map(drop).map_err(|refusal| refusal.reason) }
    });
    settle().await;
    world.manual.advance(ms(10));
    assert_eq!(call.await.unwrap(), Err(Reason::WaitedTooLong));

    world.store.0.hangs.store(false, Ordering::SeqCst);
    world.manual.advance(SECOND);
    assert_eq!(goes(&node).await, Ok(()));
    let asked = world.asked();
    let config = SharedRateLimitConfig::new("k", Quota::new(10, SECOND), StoreDown::Closed);
    node.reconfigure(config.clone()).unwrap();
    assert_eq!((admitted(&node, 4).await, world.asked()), (4, asked));
    node.reconfigure(SharedRateLimitConfig { mode: Mode::Off, ..config }).unwrap();
    assert_eq!((admitted(&node, 100).await, world.asked()), (100, asked));
}
