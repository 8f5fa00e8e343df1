//! A real queue, a real ledger: the effect of a message comes once, and what cannot be handled is kept for a person.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mamparo_broker::{Delivery, Lease, Message, MessageId, Queue};
use mamparo_consumer::{Consumer, Options, Reject, prune};
use mamparo_context::{Clock, Context, ManualClock, Random};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{Error, Ledger, Tx, params};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use tempfile::TempDir;
use tokio::sync::Notify;
use uuid::Uuid;

struct Room {
    ledger: Ledger,
    hub: Arc<Hub>,
    clock: Clock,
    manual: ManualClock,
    _folder: TempDir,
}

async fn room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let open = |name: &str, seed: u64| {
        let options = Sqlite::new(folder.path().join(name)).durability(Durability::Process);
        options.clock(clock.clone(), Random::seeded(seed)).open().unwrap()
    };
    let topics = vec![TopicOptions::queue("orders", QueueOptions::default())];
    let hub = Arc::new(Hub::open(open("hub.db", 2), topics).await.unwrap());
    let ledger = open("ledger.db", 1);
    let table = async |tx: &mut Tx<'_>| tx.sql("CREATE TABLE seen (payload TEXT NOT NULL)", params![]).await;
    ledger.transact(&Context::root(), table).await.unwrap();
    Room { ledger, hub, clock, manual, _folder: folder }
}

async fn note(tx: &mut Tx<'_>, message: &Message) -> mamparo_ledger::Result<()> {
    let payload = std::str::from_utf8(&message.payload).map_err(Error::app)?;
    tx.sql("INSERT INTO seen (payload) VALUES (?1)", params![payload]).await?;
    Ok(())
}

impl Room {
    fn consumer(&self, options: Options) -> Consumer {
        let queue = Arc::clone(&self.hub) as Arc<dyn Queue>;
        Consumer::new(self.ledger.clone(), queue, options).unwrap().with_random(Random::seeded(3))
    }

    async fn publish(&self, messages: Vec<Message>) {
        self.hub.publish(messages).await.unwrap();
    }

    async fn seen(&self) -> Vec<String> {
        let rows = self.ledger.query("SELECT payload FROM seen ORDER BY rowid", params![]).await.unwrap();
        rows.into_iter().map(|row| row.get(0).unwrap()).collect()
    }

    async fn counts(&self) -> (u64, u64, u64, u64) {
        let info = self.hub.queues().await.unwrap().remove(0);
        (info.ready, info.delayed, info.leased, info.dead)
    }

    async fn inbox(&self) -> u64 {
        let rows = self.ledger.query("SELECT count(*) FROM mp_inbox", params![]).await.unwrap();
        rows[0].get(0).unwrap()
    }
}

fn message(text: &str, id: u64) -> Message {
    Message::new("orders", text.to_owned()).id(Uuid::from_u64_pair(0, id))
}

#[tokio::test]
async fn a_message_takes_effect_once_however_often_it_comes() {
    let room = room().await;
    let mut consumer = room.consumer(Options::default());
    consumer.subscribe("orders", "inventory", note);
    for _ in 0..3 {
        room.publish(vec![message("a", 1), message("b", 2)]).await;
        consumer.step().await;
    }
    // At the same time, too: all leased together.
    room.publish((0..20).map(|_| message("c", 3)).collect()).await;
    consumer.step().await;
    let mut seen = room.seen().await;
    seen.sort();
    assert_eq!(seen, ["a", "b", "c"]);
    assert_eq!(room.counts().await, (0, 0, 0, 0), "all are acknowledged");
    let status = consumer.status().now().remove(0);
    assert_eq!((status.handled, status.repeated), (3, 4 + 19));
}

#[tokio::test]
async fn two_members_of_one_consumer_share_its_inbox() {
    let room = room().await;
    let mut consumer = room.consumer(Options::default());
    consumer.subscribe("orders", "inventory", note).subscribe("orders", "inventory", note);
    room.publish((0..50).map(|n| message("same", n % 5)).collect()).await;
    consumer.step().await;
    assert_eq!((room.seen().await.len(), room.inbox().await), (5, 5));
}

#[tokio::test]
async fn what_fails_is_tried_again_later_and_takes_effect_once() {
    let room = room().await;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let mut consumer = room.consumer(Options::default());
    consumer.subscribe("orders", "inventory", async move |tx, message| {
        note(tx, message).await?;
        let attempt = tx.context().attempt().number();
        assert_eq!(attempt, counted.fetch_add(1, Ordering::SeqCst) + 1);
        if attempt < 3 { Err(Error::app("shop closed")) } else { Ok(()) }
    });
    room.publish(vec![message("a", 1)]).await;
    for expected in 1..=3 {
        consumer.step().await;
        assert_eq!(calls.load(Ordering::SeqCst), expected);
        assert_eq!(room.seen().await.len(), usize::from(expected == 3), "rolled back with its inbox row");
        room.manual.advance(Duration::from_secs(30));
    }
    assert_eq!(room.counts().await, (0, 0, 0, 0));
}

#[derive(Debug, thiserror::Error)]
#[error("stock {0} is not known")]
struct Unknown(&'static str);

#[tokio::test]
async fn what_can_never_be_handled_is_a_dead_letter_with_the_chain_of_its_causes() {
    let room = room().await;
    let mut consumer = room.consumer(Options { attempts_max: 2, ..Options::default() });
    consumer.subscribe("orders", "inventory", async |tx, message| {
        note(tx, message).await?;
        match &*message.payload {
            b"poison" => Err(Reject::new("no such line").caused_by(Unknown("mate")).into()),
            b"no json" => message.parse::<u32>().map(drop).map_err(Error::app),
            b"panic" => panic!("index out of bounds"),
            b"always" => Err(Error::app("shop closed")),
            _ => Ok(()),
        }
    });
    let texts = ["poison", "no json", "panic", "always", "good"];
    room.publish(texts.iter().zip(1..).map(|(text, id)| message(text, id)).collect()).await;
    for _ in 0..3 {
        consumer.step().await;
        room.manual.advance(Duration::from_secs(30));
    }
    assert_eq!(room.seen().await, ["good"]);
    let dead = room.hub.dead_letters(Some("orders"), 0, 10).await.unwrap();
    let mut errors: Vec<(&str, &str, u32)> =
        dead.iter().map(|letter| (&*letter.payload, &*letter.error, letter.attempts)).collect();
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            ("always", "shop closed (after 2 attempts)", 2),
            ("no json", "expected ident at line 1 column 2", 1),
            ("panic", "unit of work panicked: index out of bounds", 1),
            ("poison", "rejected: no such line: stock mate is not known", 1),
        ]
    );
    assert_eq!(room.inbox().await, 1, "a dead letter that is sent again is not a repeated message");
}

#[tokio::test]
async fn messages_of_a_key_keep_their_order_over_a_retry() {
    let room = room().await;
    let mut consumer = room.consumer(Options::default());
    consumer.subscribe("orders", "inventory", async |tx, message| {
        let first_try = tx.context().attempt().number() == 1;
        if first_try && &*message.payload == b"a1" {
            return Err(Error::app("shop closed"));
        }
        note(tx, message).await
    });
    let of = |key: &str, n: u64| message(&format!("{key}{n}"), n + u64::from(key == "b") * 10).key(key);
    room.publish(vec![of("a", 1), of("a", 2), of("b", 1), of("a", 3), of("b", 2)]).await;
    for _ in 0..3 {
        consumer.step().await;
        room.manual.advance(Duration::from_secs(30));
    }
    let seen = room.seen().await;
    let of_key = |key: &str| seen.iter().filter(|text| text.starts_with(key)).cloned().collect::<Vec<_>>();
    assert_eq!((of_key("a").join(" "), of_key("b").join(" ")), ("a1 a2 a3".into(), "b1 b2".into()));
}

#[tokio::test]
async fn the_context_of_the_message_is_that_of_the_transaction_and_its_deadline_does_not_lose_it() {
    let room = room().await;
    let cx = Context::root().with_timeout(&room.clock, Duration::from_secs(1));
    let trace = cx.trace().trace_id();
    let mut consumer = room.consumer(Options::default());
    consumer.subscribe("orders", "inventory", async move |tx, message| {
        assert_eq!(tx.context().trace().trace_id(), trace);
        assert_eq!(tx.context().deadline(), None);
        note(tx, message).await
    });
    room.publish(vec![message("late", 1).in_context(&cx, &room.clock)]).await;
    room.manual.advance(Duration::from_secs(9));
    consumer.step().await;
    assert_eq!(room.seen().await, ["late"]);
}

#[tokio::test]
async fn a_ledger_that_is_away_burns_no_attempt() {
    let room = room().await;
    let mut consumer = room.consumer(Options::default());
    consumer.subscribe("orders", "inventory", note);
    room.publish(vec![message("a", 1), message("b", 2)]).await;
    room.ledger.close().await;
    consumer.step().await;
    assert_eq!(room.counts().await, (2, 0, 0, 0));
    let back = receive(&room).await;
    assert!(back.iter().all(|delivery| delivery.attempt == 1), "{back:?}");
}

async fn receive(room: &Room) -> Vec<Delivery> {
    let lease = Lease { max: 100, visibility: Duration::from_secs(30), wait: Duration::ZERO };
    room.hub.receive("orders", lease).await.unwrap()
}

#[tokio::test]
async fn a_consumer_that_stops_finishes_what_runs_and_gives_the_rest_back_unattempted() {
    let room = room().await;
    let (started, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut consumer = room.consumer(Options { concurrency: 1, prefetch: 10, ..Options::default() });
    let (telling, stopping) = (Arc::clone(&started), Arc::clone(&stop));
    consumer.subscribe("orders", "inventory", async move |tx, message| {
        // The stop is asked for while the first handler runs.
        telling.notify_one();
        stopping.notify_one();
        note(tx, message).await
    });
    room.publish((1..=5).map(|n| message(&format!("m{n}"), n)).collect()).await;
    let running = tokio::spawn(consumer.run(async move { stop.notified().await }));
    started.notified().await;
    running.await.unwrap();
    let handled = room.seen().await.len();
    let back = receive(&room).await;
    assert!(handled >= 1, "what ran was finished");
    assert_eq!(handled + back.len(), 5, "everything else was given back");
    assert!(back.iter().all(|delivery| delivery.attempt == 1), "{back:?}");
}

#[tokio::test]
async fn the_inbox_is_pruned_behind_its_window() {
    let room = room().await;
    let mut consumer = room.consumer(Options::default());
    consumer.subscribe("orders", "inventory", note);
    room.publish((0..600).map(|n| message("old", n)).collect()).await;
    consumer.step().await;
    room.manual.advance(Duration::from_secs(3_600));
    room.publish(vec![message("new", 9_999)]).await;
    consumer.step().await;
    assert_eq!(room.inbox().await, 601);
    assert_eq!(prune(&room.ledger, Duration::from_secs(1_800)).await.unwrap(), 600);
    assert_eq!(room.inbox().await, 1);
    assert_eq!(message("new", 9_999).id, Some(MessageId(Uuid::from_u64_pair(0, 9_999))));
}
