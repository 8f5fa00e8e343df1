//! Many requests of one address at the same time, on one thread: who fetches, who waits, and for how long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use mamparo_http_cache::{Begin, Purge, Verdict, Waited};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, LocalSet};

use crate::rig::*;

type Service = Box<dyn Fn(&HeaderMap) -> Response<Bytes>>;

/// A proxy whose service answers when it is let.
struct World {
    rig: Rig,
    service: RefCell<Service>,
    gate: Semaphore,
    asked: Cell<usize>,
    together: Cell<usize>,
    most_together: Cell<usize>,
}

fn world(service: impl Fn(&HeaderMap) -> Response<Bytes> + 'static) -> Rc<World> {
    Rc::new(World {
        rig: rig(),
        service: RefCell::new(Box::new(service)),
        gate: Semaphore::new(0),
        asked: Cell::new(0),
        together: Cell::new(0),
        most_together: Cell::new(0),
    })
}

impl World {
    /// Walks one request through, as a proxy does.
    async fn walk(self: Rc<Self>, ask: Ask) -> Got {
        let mut waited = Waited::default();
        loop {
            match self.rig.begin_again(&ask, waited) {
                Begin::Wait(waiter) => waited = waiter.await,
                Begin::Miss(fill) => {
                    self.asked.set(self.asked.get() + 1);
                    self.together.set(self.together.get() + 1);
                    self.most_together.set(self.most_together.get().max(self.together.get()));
                    let guard = self.gate.acquire().await.unwrap();
                    guard.forget();
                    self.together.set(self.together.get() - 1);
                    return self.rig.fetch(fill, &ask, &*self.service.borrow());
                }
                Begin::Hit(answer) => {
                    let body = String::from_utf8(answer.body().to_vec()).unwrap();
                    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                    return Got { status, headers, body, asked: false };
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn spawn(self: &Rc<Self>, count: usize, ask: impl Fn(usize) -> Ask) -> Vec<JoinHandle<Got>> {
        (0..count).map(|number| tokio::task::spawn_local(Rc::clone(self).walk(ask(number)))).collect()
    }

    fn answer_with(&self, service: impl Fn(&HeaderMap) -> Response<Bytes> + 'static) {
        *self.service.borrow_mut() = Box::new(service);
    }
}

/// Lets everybody go on as far as they come.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn all(tasks: Vec<JoinHandle<Got>>) -> Vec<Got> {
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn of_all_who_want_the_same_one_fetches_it() {
    run(async {
        let world = world(|_| fresh(60, "one"));
        let tasks = world.spawn(200, |_| get("/a"));
        settle().await;
        assert_eq!(world.asked.get(), 1);
        world.gate.add_permits(1);
        let all = all(tasks).await;
        assert!(all.iter().all(|got| got.body == "one"));
        assert_eq!(all[1].cache_status(), "mamparo; fwd=uri-miss; collapsed; ttl=60");
        let counts = world.rig.cache.counts();
        assert_eq!((counts.misses, counts.waits, counts.collapsed), (1, 199, 199));
    });
}

#[test]
fn of_all_who_find_it_stale_one_asks_whether_it_is_the_same() {
    run(async {
        let world = world(|forwarded| {
            let status = if forwarded.contains_key("if-none-match") { 304 } else { 200 };
            answer(status, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], "one")
        });
        world.gate.add_permits(2);
        all(world.spawn(1, |_| get("/a"))).await;
        world.rig.pass(60);
        let all = all(world.spawn(50, |_| get("/a"))).await;
        assert!(all.iter().all(|got| got.body == "one"));
        assert_eq!((world.asked.get(), world.rig.cache.counts().revalidated), (2, 1));
    });
}

#[test]
fn when_the_one_who_fetches_goes_another_takes_its_place() {
    run(async {
        let world = world(|_| fresh(60, "one"));
        let mut tasks = world.spawn(10, |_| get("/a"));
        settle().await;
        tasks.remove(0).abort();
        settle().await;
        assert_eq!((world.asked.get(), world.together.get()), (2, 2), "one more is asked, and only one");
        world.gate.add_permits(1);
        assert!(all(tasks).await.iter().all(|got| got.body == "one"));
        assert_eq!(world.rig.cache.counts().aborted, 1);
    });
}

#[test]
fn whoever_goes_on_dropping_what_it_fetches_keeps_nobody_waiting_for_ever() {
    run(async {
        let world = world(|_| fresh(60, "one"));
        let mut tasks = world.spawn(10, |_| get("/a"));
        for _ in 0..3 {
            settle().await;
            tasks.remove(0).abort();
        }
        settle().await;
        assert_eq!(world.asked.get(), 3 + 7, "who has waited three times asks by itself");
        world.gate.add_permits(7);
        assert!(all(tasks).await.iter().all(|got| got.body == "one"));
    });
}

#[test]
fn what_is_not_kept_does_not_put_its_requests_in_a_line() {
    run(async {
        let world = world(|_| answer(200, &[("cache-control", "private")], "mine"));
        let tasks = world.spawn(20, |_| get("/a"));
        settle().await;
        assert_eq!(world.asked.get(), 1, "nobody knows yet");
        world.gate.add_permits(1);
        settle().await;
        assert_eq!((world.asked.get(), world.together.get()), (20, 19), "all others at the same time");
        world.gate.add_permits(19);
        all(tasks).await;
        // From now on it is known.
        let tasks = world.spawn(20, |_| get("/a"));
        settle().await;
        assert_eq!(world.together.get(), 20);
        // It may have changed its mind: who comes after an answer that is kept shares it.
        world.answer_with(|_| fresh(60, "shared"));
        world.gate.add_permits(20);
        all(tasks).await;
        assert!(all_hit(&world, "/a").await);
    });
}

async fn all_hit(world: &Rc<World>, path: &str) -> bool {
    all(world.spawn(5, |_| get(path))).await.iter().all(|got| !got.asked)
}

#[test]
fn after_a_while_it_is_tried_again_whether_it_is_kept() {
    run(async {
        let world = world(|_| answer(200, &[("cache-control", "private")], "mine"));
        world.gate.add_permits(1);
        all(world.spawn(1, |_| get("/a"))).await;
        world.rig.pass(119);
        let alone = world.spawn(2, |_| get("/a"));
        settle().await;
        assert_eq!(world.together.get(), 2);
        alone.iter().for_each(JoinHandle::abort);
        settle().await;
        world.together.set(0);
        world.rig.pass(1);
        _ = world.spawn(2, |_| get("/a"));
        settle().await;
        assert_eq!(world.together.get(), 1);
    });
}

#[test]
fn an_error_is_not_waited_for_twice() {
    run(async {
        let world = world(|_| answer(503, &[], "bad"));
        let tasks = world.spawn(20, |_| get("/a"));
        settle().await;
        world.gate.add_permits(1);
        settle().await;
        assert_eq!(world.together.get(), 19);
        world.gate.add_permits(19);
        assert!(all(tasks).await.iter().all(|got| got.status == 503));
    });
}

#[test]
fn what_is_stale_when_it_comes_is_for_one_alone() {
    run(async {
        let world = world(|_| answer(200, &[("cache-control", "max-age=0"), ("etag", "\"1\"")], "one"));
        world.gate.add_permits(1);
        all(world.spawn(1, |_| get("/a"))).await;
        let tasks = world.spawn(20, |_| get("/a"));
        settle().await;
        assert_eq!(world.together.get(), 20);
        world.gate.add_permits(20);
        all(tasks).await;
    });
}

#[test]
fn who_wants_another_variant_waits_only_until_that_is_known() {
    run(async {
        let rig = rig();
        let of = |variant: &str| get("/a").with("x-v", variant);
        let mut fill = rig.miss(&of("1"));
        let begin = |variant| match rig.begin(&of(variant)) {
            Begin::Wait(waiter) => waiter,
            other => panic!("{other:?}"),
        };
        let (same, other) = (begin("1"), begin("2"));
        let mut head = answer(200, &[("cache-control", "max-age=60"), ("vary", "x-v")], "");
        let status = head.status();
        assert!(matches!(fill.answer_head(status, head.headers_mut(), rig.when()), Verdict::Store));
        // Both look again: the one waits on, now for its own variant, the other fetches.
        let other = rig.begin_again(&of("2"), other.await);
        assert!(matches!(other, Begin::Miss(_)), "{other:?}");
        let Begin::Wait(same) = rig.begin_again(&of("1"), same.await) else { panic!("it is on its way") };
        fill.push(&"one".into());
        fill.finish();
        let Begin::Hit(hit) = rig.begin_again(&of("1"), same.await) else { panic!("it is here") };
        assert_eq!(hit.body(), "one");
    });
}

#[test]
fn what_turns_out_too_large_is_not_waited_for_to_its_end() {
    run(async {
        let rig = rig_with(|config| config.object_bytes_max = 4);
        let mut fill = rig.miss(&get("/a"));
        let Begin::Wait(waiter) = rig.begin(&get("/a")) else { panic!("it is on its way") };
        let mut head = fresh(60, "");
        let status = head.status();
        _ = fill.answer_head(status, head.headers_mut(), rig.when());
        fill.push(&"12345".into());
        let again = rig.begin_again(&get("/a"), waiter.await);
        assert!(matches!(again, Begin::Miss(_)));
        fill.push(&"more".into());
        fill.finish();
        assert_eq!(rig.cache.counts().stored, 0);
    });
}

#[test]
fn who_has_waited_too_long_asks_by_itself_and_what_it_gets_is_kept() {
    run(async {
        let rig = rig();
        let slow = rig.miss(&get("/a"));
        let Begin::Wait(waiter) = rig.begin(&get("/a")) else { panic!("it is on its way") };
        drop(waiter);
        let Begin::Miss(fill) = rig.begin_again(&get("/a"), Waited::too_long()) else { panic!("alone") };
        rig.fetch(fill, &get("/a"), |_| fresh(60, "fast"));
        assert_eq!(rig.hit(&get("/a")).body, "fast");
        rig.fetch(slow, &get("/a"), |_| fresh(60, "slow"));
        assert_eq!(rig.hit(&get("/a")).body, "slow");
        assert_eq!(rig.cache.describe().fills, 0);
    });
}

#[test]
fn who_waited_before_a_purge_gets_what_was_fetched_and_who_comes_after_it_does_not() {
    run(async {
        let rig = rig();
        let fill = rig.miss(&get("/a"));
        let Begin::Wait(before) = rig.begin(&get("/a")) else { panic!("it is on its way") };
        rig.cache.purge(&Purge::Address("https://shop.example/a".into())).unwrap();
        let after = rig.miss(&get("/a"));
        rig.fetch(fill, &get("/a"), |_| fresh(60, "old"));
        let Begin::Wait(waiter) = rig.begin(&get("/a")) else { panic!("the second is on its way") };
        rig.fetch(after, &get("/a"), |_| fresh(60, "new"));
        let old = before.await;
        let Begin::Hit(hit) = rig.begin_again(&get("/a"), waiter.await) else { panic!("it is here") };
        assert_eq!(hit.body(), "new");
        let Begin::Hit(hit) = rig.begin_again(&get("/a"), old) else { panic!("something newer is here") };
        assert_eq!(hit.body(), "new");
    });
}

#[test]
fn what_is_purged_while_it_is_fetched_and_turns_out_to_vary_is_for_no_other_variant() {
    run(async {
        let rig = rig();
        let of = |variant: &str| get("/a").with("x-v", variant);
        let fill = rig.miss(&of("1"));
        let Begin::Wait(waiter) = rig.begin(&of("2")) else { panic!("it is on its way") };
        rig.cache.purge(&Purge::All).unwrap();
        let vary = [("cache-control", "max-age=60"), ("vary", "x-v")];
        rig.fetch(fill, &of("1"), |_| answer(200, &vary, "one"));
        let again = rig.begin_again(&of("2"), waiter.await);
        assert!(matches!(again, Begin::Miss(_)), "{again:?}");
    });
}

#[test]
fn who_waited_is_answered_even_if_what_was_fetched_has_gone_already() {
    run(async {
        let rig = rig();
        let fill = rig.miss(&get("/a"));
        let Begin::Wait(waiter) = rig.begin(&get("/a")) else { panic!("it is on its way") };
        rig.fetch(fill, &get("/a"), |_| fresh(60, "one"));
        rig.cache.purge(&Purge::All).unwrap();
        let Begin::Hit(hit) = rig.begin_again(&get("/a"), waiter.await) else {
            panic!("it was fetched for it")
        };
        assert_eq!(hit.body(), "one");
        drop(rig.miss(&get("/a")));
    });
}

#[test]
fn who_asks_on_somebodys_behalf_neither_leads_nor_waits() {
    let rig = rig();
    let mine = get("/a").with("authorization", "Bearer me");
    let (first, second) = (rig.miss(&mine), rig.miss(&mine));
    let everybodys = rig.miss(&get("/a"));
    assert!(matches!(rig.begin(&get("/a")), Begin::Wait(_)));
    drop((first, second, everybodys));
    assert_eq!(rig.cache.describe().fills, 0);
}
