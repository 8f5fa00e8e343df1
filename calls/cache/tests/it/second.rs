//! Two nodes before a second level in memory, on one clock moved by hand: what is shared, what is told, and what is
//! done while the second level is away or notes are lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mamparo_cache::journal::BoxFuture;
use mamparo_cache::second::{
    Kept, Lease, Note, Notes, Reach, Scope, Tier, TierError, TwoLevel, TwoLevelOptions,
};
use mamparo_cache::{Builder, Cache, EntryOptions, Freshness, Loaded};
use mamparo_context::{Clock, Context, ManualClock, Random};
use tokio::sync::mpsc;

use crate::support::*;

/// A second level in memory.
#[derive(Default)]
struct Memory {
    inside: Mutex<Inside>,
    is_away: AtomicBool,
    loses_notes: AtomicBool,
    fills: AtomicUsize,
}

#[derive(Default)]
struct Inside {
    values: HashMap<Vec<u8>, Vec<u8>>,
    leases: HashMap<Vec<u8>, u64>,
    tags: HashMap<Arc<str>, u64>,
    cleared: u64,
    sequence: u64,
    last_token: u64,
    listeners: Vec<mpsc::UnboundedSender<Note>>,
}

impl Memory {
    fn answer<'a, T: Send + 'a>(
        &'a self,
        act: impl FnOnce(&mut Inside) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, TierError>> {
        Box::pin(async move {
            match self.is_away.load(Ordering::SeqCst) {
                true => Err(TierError { why: "away".into() }),
                false => Ok(act(&mut self.inside.lock().unwrap())),
            }
        })
    }

    /// As when the network fails: nothing is answered, and who listened hears no more.
    fn away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
        if is_away {
            self.inside.lock().unwrap().listeners.clear();
        }
    }
}

impl Tier for Memory {
    fn read<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Kept, TierError>> {
        self.answer(|inside| Kept {
            entry: inside.values.get(key).map(|bytes| Bytes::copy_from_slice(bytes)),
            cleared: inside.cleared,
        })
    }

    fn tags<'a>(&'a self, tags: &'a [Arc<str>]) -> BoxFuture<'a, Result<u64, TierError>> {
        self.answer(|inside| tags.iter().filter_map(|tag| inside.tags.get(tag).copied()).max().unwrap_or(0))
    }

    fn lease<'a>(&'a self, key: &'a [u8], _: Duration) -> BoxFuture<'a, Result<Lease, TierError>> {
        self.answer(|inside| {
            if inside.leases.contains_key(key) {
                return Lease::Taken;
            }
            inside.last_token += 1;
            inside.leases.insert(key.to_vec(), inside.last_token);
            Lease::Held { token: inside.last_token, sequence: inside.sequence }
        })
    }

    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        token: u64,
        entry: Vec<u8>,
        _: Duration,
    ) -> BoxFuture<'a, Result<bool, TierError>> {
        self.answer(move |inside| {
            if inside.leases.get(key) != Some(&token) {
                return false;
            }
            inside.leases.remove(key);
            inside.values.insert(key.to_vec(), entry);
            self.fills.fetch_add(1, Ordering::SeqCst);
            true
        })
    }

    fn release<'a>(&'a self, key: &'a [u8], token: u64) -> BoxFuture<'a, Result<(), TierError>> {
        self.answer(move |inside| {
            if inside.leases.get(key) == Some(&token) {
                inside.leases.remove(key);
            }
        })
    }

    fn invalidate<'a>(
        &'a self,
        scope: &'a Scope<Bytes>,
        origin: u64,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        self.answer(move |inside| {
            inside.sequence += 1;
            match scope {
                Scope::Key(key) => {
                    inside.values.remove(key.as_ref());
                    inside.leases.remove(key.as_ref());
                }
                Scope::Tag(tag) => _ = inside.tags.insert(Arc::clone(tag), inside.sequence),
                Scope::All => inside.cleared = inside.sequence,
            }
            if !self.loses_notes.load(Ordering::SeqCst) {
                let note = Note { sequence: inside.sequence, origin, scope: scope.clone() };
                inside.listeners.retain(|listener| listener.send(note.clone()).is_ok());
            }
        })
    }

    fn sequence(&self) -> BoxFuture<'_, Result<u64, TierError>> {
        self.answer(|inside| inside.sequence)
    }

    fn listen(&self) -> BoxFuture<'_, Result<Box<dyn Notes>, TierError>> {
        self.answer(|inside| {
            let (listener, heard) = mpsc::unbounded_channel();
            inside.listeners.push(listener);
            Box::new(Heard(heard)) as Box<dyn Notes>
        })
    }
}

struct Heard(mpsc::UnboundedReceiver<Note>);

impl Notes for Heard {
    fn next(&mut self) -> BoxFuture<'_, Option<Note>> {
        Box::pin(self.0.recv())
    }
}

type Node = TwoLevel<String, u64>;

/// Two nodes before one second level.
struct World {
    tier: Arc<Memory>,
    here: Node,
    there: Node,
    manual: ManualClock,
    source: Source,
}

async fn world(build: impl Fn(Builder<String, u64>) -> Builder<String, u64>) -> World {
    let (clock, manual) = Clock::manual();
    let tier = Arc::<Memory>::default();
    let node = |seed| {
        let builder = Cache::builder("shared").clock(clock.clone()).random(Random::seeded(seed));
        let cache = build(builder).build().unwrap();
        let options = TwoLevelOptions { time_to_live: 60 * SECOND, ..Default::default() };
        let builder = TwoLevel::builder(cache, Arc::clone(&tier) as Arc<dyn Tier>).options(options);
        builder.random(Random::seeded(seed)).build().unwrap()
    };
    let (here, there) = (node(1), node(2));
    settle().await;
    World { here, there, tier, manual, source: Source::with(1) }
}

impl World {
    async fn get(&self, node: &Node) -> Option<u64> {
        node.get_or_load(&Context::root(), &KEY.into(), self.source.load()).await.unwrap()
    }

    async fn heartbeats(&self, count: u32) {
        for _ in 0..count {
            self.manual.advance(SECOND);
            settle().await;
        }
    }
}

#[tokio::test]
async fn what_one_node_has_loaded_no_other_loads() {
    let world = world(|builder| builder).await;
    assert_eq!((world.get(&world.here).await, world.get(&world.there).await), (Some(1), Some(1)));
    assert_eq!(world.source.loads(), 1);
    assert_eq!((world.there.status().hits, world.here.status().filled), (1, 1));
    world.manual.advance(60 * SECOND);
    assert_eq!(world.there.cache().get(KEY), None, "not longer than in the second level");
}

/// foyer writes to its disk once for each caller who waited.
#[tokio::test]
async fn many_callers_on_two_nodes_are_one_load_and_one_fill() {
    let world = world(|builder| builder).await;
    let gate = world.source.shut();
    let callers: Vec<_> = (0..64)
        .map(|number| {
            let node = if number % 2 == 0 { world.here.clone() } else { world.there.clone() };
            let load = world.source.load();
            tokio::spawn(async move { node.get_or_load(&Context::root(), &KEY.into(), load).await })
        })
        .collect();
    settle().await;
    gate.open();
    for _ in 0..20 {
        settle().await;
        world.manual.advance(Duration::from_millis(100));
    }
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), Some(1));
    }
    assert_eq!((world.source.loads(), world.tier.fills.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(world.here.status().waited + world.there.status().waited, 1);
}

#[tokio::test]
async fn who_holds_a_lease_and_never_comes_back_is_not_waited_for_for_ever() {
    let world = world(|builder| builder).await;
    let key = serde_json::to_vec(KEY).unwrap();
    world.tier.lease(&key, SECOND).await.unwrap();
    let reader = {
        let (node, load) = (world.here.clone(), world.source.load());
        tokio::spawn(async move { node.get_or_load(&Context::root(), &KEY.into(), load).await })
    };
    for _ in 0..49 {
        settle().await;
        world.manual.advance(Duration::from_millis(100));
    }
    assert_eq!(world.source.loads(), 0);
    for _ in 0..3 {
        settle().await;
        world.manual.advance(Duration::from_millis(100));
    }
    assert_eq!(reader.await.unwrap().unwrap(), Some(1));
}

#[tokio::test]
async fn an_invalidation_reaches_every_node() {
    let world = world(|builder| builder).await;
    let cx = Context::root();
    for way in ["key", "tag", "all"] {
        world.source.set(1);
        let load = || {
            let source = world.source.clone();
            move |_: Context| async move {
                let value = source.read(KEY.into()).await?;
                Ok::<_, Down>(Loaded { value, options: EntryOptions::new().tag("drinks") })
            }
        };
        for node in [&world.here, &world.there] {
            assert_eq!(node.get_or_load(&cx, &KEY.into(), load()).await.unwrap(), Some(1), "{way}");
        }
        world.source.set(2);
        let reach = match way {
            "key" => world.here.invalidate(&cx, &KEY.into()).await,
            "tag" => world.here.invalidate_tag(&cx, "drinks").await,
            _ => world.here.clear(&cx).await,
        };
        assert_eq!(reach, Reach::Everywhere);
        settle().await;
        for node in [&world.there, &world.here] {
            assert_eq!(node.cache().get(KEY), None, "{way}");
            assert_eq!(node.get_or_load(&cx, &KEY.into(), load()).await.unwrap(), Some(2), "{way}");
        }
        assert_eq!(world.here.invalidate(&cx, &KEY.into()).await, Reach::Everywhere);
        settle().await;
    }
    assert_eq!((world.here.status().gaps, world.there.status().gaps), (0, 0));
}

#[tokio::test]
async fn an_invalidation_on_one_node_overtakes_a_load_on_another() {
    let world = world(|builder| builder).await;
    let gate = world.source.shut();
    let early = {
        let (node, load) = (world.there.clone(), world.source.load());
        tokio::spawn(async move { node.get_or_load(&Context::root(), &KEY.into(), load).await })
    };
    settle().await;
    world.source.set(2);
    world.here.invalidate(&Context::root(), &KEY.into()).await;
    settle().await;
    gate.open();
    assert_eq!(early.await.unwrap().unwrap(), Some(1), "it began before the write");
    settle().await;
    assert_eq!(world.there.status().overtaken, 1, "nothing old in the second level");
    assert_eq!(world.there.cache().get(KEY), None, "nor in the first");
    assert_eq!((world.get(&world.here).await, world.get(&world.there).await), (Some(2), Some(2)));
}

#[tokio::test]
async fn a_note_that_was_lost_makes_everything_stale_and_nothing_gone() {
    let world = world(|builder| builder.stale_while_revalidate(60 * SECOND)).await;
    assert_eq!((world.get(&world.here).await, world.get(&world.there).await), (Some(1), Some(1)));
    world.source.set(2);
    world.tier.loses_notes.store(true, Ordering::SeqCst);
    world.here.invalidate(&Context::root(), &KEY.into()).await;
    settle().await;
    assert_eq!(world.there.cache().get(KEY), Some(1), "it cannot know yet");
    world.heartbeats(2).await;
    assert_eq!(world.there.cache().look(KEY).unwrap().freshness, Freshness::Stale);
    assert_eq!(world.there.status().gaps, 1);
    assert_eq!(world.get(&world.there).await, Some(1), "served while it is loaded");
    settle().await;
    assert_eq!(world.get(&world.there).await, Some(2));
}

#[tokio::test]
async fn while_the_second_level_is_away_each_node_serves_and_says_later_what_it_could_not() {
    let world = world(|builder| builder.stale_while_revalidate(60 * SECOND)).await;
    assert_eq!((world.get(&world.here).await, world.get(&world.there).await), (Some(1), Some(1)));
    world.tier.away(true);
    world.source.set(2);
    assert_eq!(world.here.invalidate(&Context::root(), &KEY.into()).await, Reach::Later);
    assert_eq!(world.here.invalidate(&Context::root(), &KEY.into()).await, Reach::Later);
    assert_eq!(world.here.status().queued, 1, "of a key the last");
    assert_eq!(world.get(&world.here).await, Some(2), "from the source");
    world.heartbeats(1).await;
    assert!(!world.there.status().listens);
    assert_eq!(world.there.cache().look(KEY).unwrap().freshness, Freshness::Stale);
    world.tier.away(false);
    // What the second level says of the key is not believed before it was told.
    world.here.cache().clear();
    assert_eq!(world.get(&world.here).await, Some(2));
    world.heartbeats(5).await;
    assert_eq!(world.here.status().queued, 0);
    assert!(world.there.status().listens);
    world.get(&world.there).await;
    settle().await;
    assert_eq!((world.get(&world.there).await, world.get(&world.here).await), (Some(2), Some(2)));
}

#[tokio::test]
async fn a_second_level_that_does_not_answer_is_left_alone() {
    let world = world(|builder| builder).await;
    world.tier.away(true);
    for number in 0..20 {
        let key = number.to_string();
        let source = world.source.clone();
        let own = key.clone();
        let load = move |_| async move { source.read(own).await };
        assert_eq!(world.here.get_or_load(&Context::root(), &key, load).await.unwrap(), None);
    }
    assert_eq!(world.here.status().breaker.as_str(), "open");
    assert_eq!(world.source.loads(), 20);
}

#[tokio::test]
async fn when_the_source_fails_an_old_entry_of_the_second_level_is_served() {
    let world = world(|builder| builder.stale_if_error(600 * SECOND)).await;
    assert_eq!(world.get(&world.here).await, Some(1));
    world.manual.advance(70 * SECOND);
    world.source.fail(Some(503));
    assert_eq!(world.get(&world.there).await, Some(1), "although this node never had it");
    world.manual.advance(700 * SECOND);
    world.there.get_or_load(&Context::root(), &KEY.into(), world.source.load()).await.unwrap_err();
}
