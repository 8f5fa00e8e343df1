//! Lanes as library calls: what is done, in which order, and what is refused, skipped, stopped and caught.
#![cfg(all(feature = "lanes", not(feature = "shuttle")))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use mamparo_context::{Clock, Context, Criticality, ManualClock, Random};
use mamparo_policy::lane::{BlockingLane, BlockingLaneConfig, CpuLane, CpuLaneConfig, LaneError};
use mamparo_policy::shed::LineConfig;
use mamparo_policy::{Policy, Reason, Refusal};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};

const MS: fn(u64) -> Duration = Duration::from_millis;

struct World {
    lane: CpuLane,
    clock: Clock,
    hand: ManualClock,
}

/// A lane of one thread, on a clock that is moved by hand.
fn world(line: LineConfig) -> World {
    let (clock, hand) = Clock::manual();
    let config = CpuLaneConfig { threads: Some(1), line, ..CpuLaneConfig::default() };
    World { lane: CpuLane::new(config, clock.clone(), Random::seeded(1)).unwrap(), clock, hand }
}

fn long() -> LineConfig {
    LineConfig { max_wait: MS(60_000), interval: MS(60_000), ..LineConfig::default() }
}

fn reason<T: std::fmt::Debug>(result: Result<T, LaneError>) -> Reason {
    match result {
        Err(LaneError::Refused(Refusal { policy: Policy::Lane, reason, .. })) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

impl World {
    /// Work that holds the thread until it is let go.
    async fn hold(&self) -> (mpsc::Sender<()>, JoinHandle<Result<(), LaneError>>) {
        let (let_go, held) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let lane = self.lane.clone();
        let task = tokio::spawn(async move {
            let hold = move |_: &mamparo_policy::lane::Job| {
                begun.send(()).unwrap();
                held.recv().unwrap();
            };
            lane.run(&Context::root(), "hold", hold).await
        });
        begins.await.unwrap();
        (let_go, task)
    }

    async fn learn(&self, label: &'static str, cost: Duration) {
        let hand = self.hand.clone();
        self.lane.run(&Context::root(), label, move |_| hand.advance(cost)).await.unwrap();
        // The cost is learned after the answer was given.
        while self.lane.state().running > 0 {
            yield_now().await;
        }
    }
}

#[tokio::test]
async fn work_is_done_on_a_thread_of_the_lane_and_its_cost_is_learned() {
    let world = world(long());
    let cx = Context::root();
    let name = world.lane.run(&cx, "name", |job| {
        assert!(!job.is_cancelled() && job.remaining().is_none());
        std::thread::current().name().map(str::to_owned)
    });
    assert_eq!(name.await.unwrap().as_deref(), Some("cpu-lane-0"));
    world.learn("resize", MS(20)).await;
    let state = world.lane.state();
    assert!(state.costs.contains(&("resize", MS(20))), "{state:?}");
    assert_eq!((state.threads, state.running, state.waiting), (1, 0, 0));
}

#[tokio::test]
async fn the_highest_class_is_done_first() {
    let world = world(long());
    let (let_go, held) = world.hold().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for class in [Criticality::Sheddable, Criticality::CriticalPlus, Criticality::Critical] {
        let (lane, order) = (world.lane.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let cx = Context::root().with_criticality(class);
            lane.run(&cx, "order", move |_| order.lock().unwrap().push(class)).await
        }));
        yield_now().await;
    }
    assert_eq!(world.lane.state().waiting, 3);
    let_go.send(()).unwrap();
    held.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let expected = [Criticality::CriticalPlus, Criticality::Critical, Criticality::Sheddable];
    assert_eq!(*order.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_could_not_be_done_in_time_is_refused_at_once() {
    let world = world(long());
    world.learn("resize", MS(100)).await;
    let within = |time| Context::root().with_timeout(&world.clock, time);
    assert_eq!(reason(world.lane.run(&within(MS(99)), "resize", |_| ()).await), Reason::WaitTooLong);
    assert!(world.lane.run(&within(MS(100)), "resize", |_| ()).await.is_ok());
    assert_eq!(reason(world.lane.run(&within(MS(0)), "resize", |_| ()).await), Reason::DeadlinePassed);

    // The same with 100 ms of other work before it.
    world.learn("hold", MS(100)).await;
    let (let_go, held) = world.hold().await;
    assert_eq!(world.lane.state().wait, MS(100));
    let refused = world.lane.run(&within(MS(150)), "resize", |_| ()).await;
    assert_eq!(reason(refused), Reason::WaitTooLong);
    let_go.send(()).unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(world.lane.counts().read().refused, 3);
}

#[tokio::test]
async fn work_that_has_waited_until_it_could_not_be_done_in_time_is_not_begun() {
    let world = world(long());
    world.learn("resize", MS(100)).await;
    let (let_go, held) = world.hold().await;
    let (lane, cx) = (world.lane.clone(), Context::root().with_timeout(&world.clock, MS(150)));
    let waits = tokio::spawn(async move { lane.run(&cx, "resize", |_| panic!("it was begun")).await });
    yield_now().await;
    world.hand.advance(MS(51));
    let_go.send(()).unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(reason::<()>(waits.await.unwrap()), Reason::TooLittleTime);
}

#[tokio::test]
async fn a_cost_that_was_wrong_once_does_not_close_a_label_for_ever() {
    let world = world(long());
    world.learn("resize", MS(200)).await;
    let mut refused = 0;
    while let Err(error) =
        world.lane.run(&Context::root().with_timeout(&world.clock, MS(100)), "resize", |_| ()).await
    {
        assert_eq!(reason::<()>(Err(error)), Reason::WaitTooLong);
        refused += 1;
    }
    assert!((60..80).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_wait_ends_with_the_deadline_although_the_thread_is_held() {
    let world = world(long());
    let (let_go, held) = world.hold().await;
    let (lane, cx) = (world.lane.clone(), Context::root().with_timeout(&world.clock, MS(30)));
    let waits = tokio::spawn(async move { lane.run(&cx, "late", |_| panic!("it was begun")).await });
    yield_now().await;
    world.hand.advance(MS(30));
    assert_eq!(reason::<()>(waits.await.unwrap()), Reason::DeadlinePassed);
    assert_eq!(world.lane.state().waiting, 0);
    let_go.send(()).unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn work_whose_caller_has_gone_is_skipped_or_sees_that_it_is_cancelled() {
    let world = world(long());
    let (let_go, held) = world.hold().await;
    let lane = world.lane.clone();
    let skipped =
        tokio::spawn(async move { lane.run(&Context::root(), "skipped", |_| panic!("it was begun")).await });
    yield_now().await;
    skipped.abort();
    assert!(skipped.await.unwrap_err().is_cancelled());
    assert_eq!((world.lane.state().waiting, world.lane.counts().read().cancelled), (0, 1));
    let_go.send(()).unwrap();
    held.await.unwrap().unwrap();

    let ((begun, begins), (stopped, stops)) = (oneshot::channel(), oneshot::channel());
    let lane = world.lane.clone();
    let stopped = tokio::spawn(async move {
        let until_cancelled = move |job: &mamparo_policy::lane::Job| {
            begun.send(()).unwrap();
            while !job.is_cancelled() {
                std::thread::yield_now();
            }
            stopped.send(()).unwrap();
        };
        lane.run(&Context::root(), "stopped", until_cancelled).await
    });
    begins.await.unwrap();
    stopped.abort();
    stops.await.unwrap();
}

#[tokio::test]
async fn work_whose_deadline_passes_while_it_is_done_is_abandoned_and_was_begun() {
    let world = world(long());
    let ((begun, begins), (told, tells)) = (oneshot::channel(), mpsc::channel());
    let (lane, cx) = (world.lane.clone(), Context::root().with_timeout(&world.clock, MS(30)));
    let task = tokio::spawn(async move {
        let until_cancelled = move |job: &mamparo_policy::lane::Job| {
            begun.send(()).unwrap();
            while !job.is_cancelled() {
                std::thread::yield_now();
            }
            tells.recv().unwrap();
        };
        lane.run(&cx, "slow", until_cancelled).await
    });
    begins.await.unwrap();
    yield_now().await;
    world.hand.advance(MS(30));
    assert_eq!(task.await.unwrap(), Err(LaneError::Abandoned { label: "slow" }));
    told.send(()).unwrap();
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_lane_goes_on() {
    let world = world(long());
    for (result, message) in [
        (world.lane.run(&Context::root(), "p", |_| -> u8 { panic!("no {}", "way") }).await, "no way"),
        (world.lane.run(&Context::root(), "p", |_| -> u8 { panic!("fixed") }).await, "fixed"),
        (world.lane.run(&Context::root(), "p", |_| std::panic::panic_any(7)).await, "no message"),
    ] {
        assert_eq!(result, Err(LaneError::Panicked { label: "p", message: message.into() }));
    }
    assert_eq!(world.lane.run(&Context::root(), "p", |_| 7).await, Ok(7));
}

#[tokio::test]
async fn a_full_line_refuses_but_for_what_matters_more() {
    let world = world(LineConfig { capacity: 2, ..long() });
    let (let_go, held) = world.hold().await;
    let run = |class| {
        let (lane, cx) = (world.lane.clone(), Context::root().with_criticality(class));
        tokio::spawn(async move { lane.run(&cx, "full", |_| ()).await })
    };
    let low = [run(Criticality::Sheddable), run(Criticality::Sheddable)];
    yield_now().await;
    assert_eq!(reason(run(Criticality::Sheddable).await.unwrap()), Reason::QueueFull);
    let high = run(Criticality::Critical);
    yield_now().await;
    let_go.send(()).unwrap();
    held.await.unwrap().unwrap();
    high.await.unwrap().unwrap();
    let [first, second] = low;
    assert!(first.await.unwrap().is_ok());
    assert_eq!(reason(second.await.unwrap()), Reason::Overloaded);
}

#[tokio::test]
async fn the_line_changes_while_it_runs_and_the_threads_do_not() {
    let world = world(long());
    let config = CpuLaneConfig { threads: Some(1), line: long(), ..CpuLaneConfig::default() };
    let narrow = LineConfig { capacity: 1, ..long() };
    world.lane.reconfigure(CpuLaneConfig { line: narrow, ..config }).unwrap();
    let other = world.lane.reconfigure(CpuLaneConfig { threads: Some(2), ..config });
    assert_eq!(other.unwrap_err().field, "threads");
    let (let_go, held) = world.hold().await;
    let lane = world.lane.clone();
    let waits = tokio::spawn(async move { lane.run(&Context::root(), "one", |_| ()).await });
    yield_now().await;
    assert_eq!(reason(world.lane.run(&Context::root(), "two", |_| ()).await), Reason::QueueFull);
    let_go.send(()).unwrap();
    held.await.unwrap().unwrap();
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn no_more_blocks_at_a_time_than_was_said() {
    let (clock, _hand) = Clock::manual();
    let config = BlockingLaneConfig { size: 3, line: long(), ..BlockingLaneConfig::default() };
    let runtime = tokio::runtime::Handle::current();
    let lane = BlockingLane::new(config, runtime, clock, Random::seeded(1)).unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let (let_go, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (lane, now, most, begun) = (lane.clone(), Arc::clone(&now), Arc::clone(&most), begun.clone());
            let held = Arc::clone(&held);
            tokio::spawn(async move {
                let block = move |_: &mamparo_policy::lane::Job| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    begun.send(()).unwrap();
                    held.lock().unwrap().recv().unwrap();
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                lane.run(&Context::root(), "read", block).await
            })
        })
        .collect();
    for _ in 0..3 {
        begins.recv().await.unwrap();
    }
    assert_eq!((lane.state().running, lane.state().waiting), (3, 17));
    (0..20).for_each(|_| let_go.send(()).unwrap());
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_wider_lane_begins_what_waits() {
    let (clock, _hand) = Clock::manual();
    let config = BlockingLaneConfig { size: 1, line: long(), ..BlockingLaneConfig::default() };
    let runtime = tokio::runtime::Handle::current();
    let lane = BlockingLane::new(config, runtime, clock, Random::seeded(1)).unwrap();
    let ((begun, begins), (let_go, held)) = (oneshot::channel(), mpsc::channel::<()>());
    let own = lane.clone();
    let first = tokio::spawn(async move {
        let hold = move |_: &mamparo_policy::lane::Job| {
            begun.send(()).unwrap();
            held.recv().unwrap();
        };
        own.run(&Context::root(), "hold", hold).await
    });
    begins.await.unwrap();
    let own = lane.clone();
    let second = tokio::spawn(async move { own.run(&Context::root(), "read", |_| 7).await });
    yield_now().await;
    lane.reconfigure(BlockingLaneConfig { size: 2, ..config }).unwrap();
    assert_eq!(second.await.unwrap(), Ok(7));
    let_go.send(()).unwrap();
    first.await.unwrap().unwrap();
}

#[test]
fn a_lane_whose_runtime_has_gone_refuses() {
    let (clock, _hand) = Clock::manual();
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = BlockingLaneConfig { line: long(), ..BlockingLaneConfig::default() };
    let lane = BlockingLane::new(config, other.handle().clone(), clock, Random::seeded(1)).unwrap();
    drop(other);
    let own = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..2 {
        let refused = own.block_on(lane.run(&Context::root(), "read", |_| ()));
        assert_eq!(reason(refused), Reason::Closed);
    }
}
