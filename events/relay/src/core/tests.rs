//! The relay's decisions against a model of an outbox and a broker, under failures and crashes in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mamparo_context::{Clock, Timestamp};
use mamparo_ledger::MessageId;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::limits::BLOCKED_TOPIC_ROWS;

fn row(id: u64, topic: &str, key: Option<&str>) -> OutboxRow {
    let mut message = Message::new(topic, "payload");
    message.id = Some(MessageId(Uuid::from_u64_pair(0, id)));
    message.key = key.map(Into::into);
    let at = Timestamp::from_micros(i64::try_from(id).unwrap());
    OutboxRow { id, at, message, parked: None }
}

fn refused() -> Failure {
    Failure { transient: false, retry_after: None, why: "too large".into() }
}

fn away() -> Failure {
    Failure { transient: true, retry_after: None, why: "unavailable".into() }
}

fn number(message: &Message) -> u64 {
    message.id.unwrap().0.as_u64_pair().1
}

/// An outbox, a broker, and what the relay has under way.
struct World {
    core: Core,
    options: Options,
    now: Instant,
    outbox: BTreeMap<u64, OutboxRow>,
    head: u64,
    accepted: Vec<(u64, Message)>,
    crashes: u64,
    poison: BTreeSet<u64>,
    away: BTreeSet<String>,
    /// The next batch is accepted, but the answer is lost.
    silent: bool,
    under_way: Vec<Action>,
    /// What a read that began saw: a page is a snapshot, answered later.
    pages: Vec<Vec<OutboxRow>>,
}

impl World {
    fn new(options: Options) -> Self {
        Self {
            core: Core::new(options),
            options,
            now: Clock::manual().0.now(),
            outbox: BTreeMap::new(),
            head: 0,
            accepted: Vec::new(),
            crashes: 0,
            poison: BTreeSet::new(),
            away: BTreeSet::new(),
            silent: false,
            under_way: Vec::new(),
            pages: Vec::new(),
        }
    }

    fn commit(&mut self, topic: &str, key: Option<&str>) -> u64 {
        self.head += 1;
        self.outbox.insert(self.head, row(self.head, topic, key));
        self.core.on_head(self.head);
        self.head
    }

    /// Lets the core begin all it wants; reads take their snapshot here.
    fn begin(&mut self) -> Option<Instant> {
        loop {
            match self.core.next(self.now) {
                Action::WaitUntil(until) => return until,
                Action::Read { after, max } => {
                    let page = self.outbox.range(after + 1..).take(max).map(|(_, row)| row.clone());
                    self.pages.push(page.collect());
                    self.under_way.push(Action::Read { after, max });
                }
                action => self.under_way.push(action),
            }
            assert!(self.core.window.waiting.len() <= self.options.window);
        }
    }

    /// Finishes the thing under way number `which`; `fails` makes a write to the ledger fail.
    fn finish(&mut self, which: usize, fails: bool) {
        let (now, unit) = (self.now, 0.5);
        match self.under_way.remove(which) {
            Action::Read { .. } => {
                let page = self.pages.remove(0);
                self.core.on_rows((!fails).then_some(page), now, unit);
            }
            Action::Publish { batch, messages } => {
                let result = if self.away.contains(&*messages[0].topic) {
                    Err(away())
                } else if messages.iter().any(|message| self.poison.contains(&number(message))) {
                    Err(refused())
                } else {
                    self.accepted.extend(messages.into_iter().map(|message| (self.crashes, message)));
                    if std::mem::take(&mut self.silent) {
                        // From here on rows may repeat: another life, for the check of the order.
                        self.crashes += 1;
                        Err(away())
                    } else {
                        Ok(())
                    }
                };
                self.core.on_published(batch, result, now, unit);
            }
            Action::Sent { ids } => {
                if !fails {
                    self.outbox.retain(|id, _| !ids.contains(id));
                }
                self.core.on_forgotten(!fails, now, unit);
            }
            Action::Park { id, why } => {
                if let (false, Some(row)) = (fails, self.outbox.get_mut(&id)) {
                    row.parked = Some(why);
                }
                self.core.on_parked(!fails, now, unit);
            }
            Action::Look { id } => {
                let row = self.outbox.get(&id).cloned();
                self.core.on_looked(id, row, now);
            }
            Action::WaitUntil(_) => unreachable!("never under way"),
        }
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.under_way.clear();
        self.pages.clear();
        self.core = Core::new(self.options);
        self.core.on_head(self.head);
    }

    /// Runs until nothing is to be done any more, moving time.
    fn settle(&mut self) {
        for _ in 0..200_000 {
            let until = self.begin();
            if !self.under_way.is_empty() {
                self.finish(0, false);
            } else if let Some(until) = until {
                self.now = self.now.max(until);
            } else {
                return;
            }
        }
        panic!("it never settles: {:?}", self.core.status(self.now));
    }

    fn accepted_ids(&self) -> Vec<u64> {
        self.accepted.iter().map(|(_, message)| number(message)).collect()
    }
}

fn quick() -> Options {
    Options { batch: 4, in_flight: 3, window: 200, park_after: 3, ..Options::default() }
}

#[test]
fn rows_are_sent_in_order_and_forgotten() {
    let mut world = World::new(quick());
    for n in 0..20 {
        world.commit("orders", Some(if n % 2 == 0 { "a" } else { "b" }));
    }
    world.settle();
    assert_eq!(world.accepted_ids(), (1..=20).collect::<Vec<_>>());
    assert!(world.outbox.is_empty());
    assert_eq!(world.core.status(world.now).lag(), 0);
}

#[test]
fn forgetting_does_not_hold_up_sending() {
    let mut world = World::new(Options { in_flight: 1, ..quick() });
    for _ in 0..8 {
        world.commit("orders", Some("a"));
    }
    world.begin();
    world.finish(0, false);
    world.begin();
    world.finish(0, false);
    world.begin();
    let (first, second) = (&world.under_way[0], &world.under_way[1]);
    assert!(matches!(first, Action::Sent { ids } if ids.len() == 4), "{first:?}");
    assert!(matches!(second, Action::Publish { messages, .. } if messages.len() == 4), "{second:?}");
}

#[test]
fn a_key_is_never_in_two_batches() {
    let mut world = World::new(quick());
    for _ in 0..9 {
        world.commit("orders", Some("a"));
    }
    world.commit("orders", Some("b"));
    world.begin();
    world.finish(0, false);
    world.begin();
    let batches: Vec<Vec<u64>> = world
        .under_way
        .iter()
        .filter_map(|action| match action {
            Action::Publish { messages, .. } => Some(messages.iter().map(number).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(batches, [vec![1, 2, 3, 4], vec![10]]);
}

#[test]
fn a_refused_row_holds_up_its_key_alone_and_is_parked() {
    let mut world = World::new(quick());
    let poison = world.commit("orders", Some("a"));
    world.poison.insert(poison);
    for _ in 0..3 {
        world.commit("orders", Some("a"));
    }
    world.commit("orders", Some("b"));
    world.begin();
    while !world.under_way.is_empty() {
        world.finish(0, false);
        world.begin();
    }
    assert_eq!(world.accepted_ids(), [5], "key b went, key a waits");
    assert_eq!(world.core.status(world.now).blocked_keys, 1);
    world.settle();
    assert_eq!(world.accepted_ids(), [5, 2, 3, 4], "the parked row holds up its key no more");
    assert_eq!(world.outbox.keys().copied().collect::<Vec<_>>(), [poison]);
    assert_eq!(world.outbox[&poison].parked.as_deref(), Some("too large"));
    assert_eq!(world.core.status(world.now).parked, 1);
}

#[test]
fn a_parked_row_that_is_let_go_is_sent() {
    let mut world = World::new(quick());
    let poison = world.commit("orders", Some("a"));
    world.poison.insert(poison);
    world.settle();
    world.poison.clear();
    world.core.on_sweep();
    world.settle();
    assert!(world.accepted.is_empty(), "still parked");
    world.outbox.get_mut(&poison).unwrap().parked = None;
    world.core.on_sweep();
    world.settle();
    assert_eq!((world.accepted_ids(), world.outbox.len()), (vec![poison], 0));
}

#[test]
fn a_topic_whose_broker_is_away_holds_up_no_other_and_little_memory() {
    let mut world = World::new(quick());
    world.away.insert("payments".into());
    for n in 0..1_000 {
        world.commit("payments", Some(&format!("k{}", n % 7)));
        world.commit("orders", None);
    }
    for _ in 0..2_000 {
        world.begin();
        if world.under_way.is_empty() {
            break;
        }
        world.finish(0, false);
    }
    assert_eq!(world.accepted.len(), 1_000, "all of the other topic went");
    let status = world.core.status(world.now);
    assert_eq!((status.blocked_topics, status.parked), (1, 0));
    assert!(status.waiting <= BLOCKED_TOPIC_ROWS, "{status:?}");
    world.away.clear();
    world.settle();
    assert_eq!((world.accepted.len(), world.outbox.len()), (2_000, 0));
    assert_order(&world);
}

#[test]
fn a_long_line_behind_a_refused_row_takes_no_room_from_others() {
    let mut world = World::new(Options { window: 10, park_after: 2, ..quick() });
    let poison = world.commit("orders", Some("a"));
    world.poison.insert(poison);
    for _ in 0..50 {
        world.commit("orders", Some("a"));
    }
    world.commit("orders", Some("b"));
    while !world.accepted_ids().contains(&52) {
        world.begin();
        assert!(!world.under_way.is_empty(), "{:?}", world.core.status(world.now));
        world.finish(0, false);
    }
    world.settle();
    assert_eq!(world.accepted.len(), 51);
    assert_order(&world);
}

#[test]
fn long_reasons_are_shortened_between_characters() {
    assert_eq!(shorten("ñ".repeat(1_500)).len(), 2_000);
    assert_eq!(shorten(format!("a{}", "ñ".repeat(1_500))).len(), 1_999);
    assert_eq!(shorten("short".into()), "short");
}

/// Within a life of the relay no row is accepted twice, and rows of one topic and key are accepted in order.
fn assert_order(world: &World) {
    let mut last: HashMap<(u64, String, String), u64> = HashMap::new();
    let mut seen: BTreeSet<(u64, u64)> = BTreeSet::new();
    for (life, message) in &world.accepted {
        let id = number(message);
        assert!(seen.insert((*life, id)), "row {id} twice in life {life}");
        if let Some(key) = &message.key {
            let line = (*life, message.topic.to_string(), key.to_string());
            let before = last.insert(line, id).unwrap_or(0);
            assert!(before < id, "row {id} after {before} of the same key");
        }
    }
}

/// Something that happens to the world.
#[derive(Clone, Debug)]
enum Happening {
    Commit(u8, Option<u8>, bool),
    Finish(u8, bool),
    Away(u8),
    Back,
    Silent,
    Crash,
    Wait(u16),
    Sweep,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..3_u8, prop::option::weighted(0.8, 0..4_u8), prop::bool::weighted(0.05))
            .prop_map(|(topic, key, poison)| Happening::Commit(topic, key, poison)),
        12 => (any::<u8>(), prop::bool::weighted(0.1)).prop_map(|(which, fails)| Happening::Finish(which, fails)),
        1 => (0..3_u8).prop_map(Happening::Away),
        1 => Just(Happening::Back),
        1 => Just(Happening::Silent),
        1 => Just(Happening::Crash),
        3 => (0..500_u16).prop_map(Happening::Wait),
        1 => Just(Happening::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_least_once_and_in_order_whatever_happens(
        happenings in prop::collection::vec(happening(), 1..400),
        window in 1..40_usize,
    ) {
        let mut world = World::new(Options { window, ..quick() });
        for happening in happenings {
            match happening {
                Happening::Commit(topic, key, poison) => {
                    let key = key.map(|key| format!("k{key}"));
                    let id = world.commit(&format!("t{topic}"), key.as_deref());
                    if poison {
                        world.poison.insert(id);
                    }
                }
                Happening::Finish(which, fails) if !world.under_way.is_empty() => {
                    world.finish(usize::from(which) % world.under_way.len(), fails);
                }
                Happening::Finish(..) => {}
                Happening::Away(topic) => {
                    world.away.insert(format!("t{topic}"));
                }
                Happening::Back => world.away.clear(),
                Happening::Silent => world.silent = true,
                Happening::Crash => world.crash(),
                Happening::Wait(millis) => world.now += Duration::from_millis(millis.into()),
                Happening::Sweep => {
                    world.core.on_sweep();
                }
            }
            world.begin();
        }
        world.away.clear();
        world.silent = false;
        world.settle();
        assert_order(&world);
        let accepted: BTreeSet<u64> = world.accepted_ids().into_iter().collect();
        for id in 1..=world.head {
            prop_assert_eq!(accepted.contains(&id), !world.poison.contains(&id), "row {}", id);
        }
        prop_assert_eq!(world.outbox.keys().copied().collect::<BTreeSet<_>>(), world.poison.clone());
        prop_assert!(world.outbox.values().all(|row| row.parked.is_some()));
    }
}
