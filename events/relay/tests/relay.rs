//! From a real ledger to a real broker: nothing is lost, whatever fails in between.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mamparo_broker::{BoxFuture, Lease, PublishError, Queue};
use mamparo_context::{Clock, Context, ManualClock, Random};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{Ledger, Message, MessageId, Tx};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use mamparo_relay::{Options, Publisher, QueuePublisher, Relay, Router};
use tempfile::TempDir;
use tokio::sync::Notify;

struct Room {
    ledger: Ledger,
    hub: Arc<Hub>,
    manual: ManualClock,
    _folder: TempDir,
}

/// A ledger and, in a file of its own, a hub with the queues `orders`, `payments` and `small` (of two messages).
async fn room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let open = |name: &str, seed: u64| {
        let options = Sqlite::new(folder.path().join(name)).durability(Durability::Process);
        options.clock(clock.clone(), Random::seeded(seed)).open().unwrap()
    };
    let small = QueueOptions { capacity_messages: 2, ..QueueOptions::default() };
    let topics = vec![
        TopicOptions::queue("orders", QueueOptions::default()),
        TopicOptions::queue("payments", QueueOptions::default()),
        TopicOptions::queue("small", small),
    ];
    let hub = Arc::new(Hub::open(open("hub.db", 2), topics).await.unwrap());
    Room { ledger: open("ledger.db", 1), hub, manual, _folder: folder }
}

impl Room {
    fn relay(&self) -> Relay {
        let hub = QueuePublisher::new(Arc::clone(&self.hub) as Arc<dyn Queue>).unwrap();
        self.relay_to(Arc::new(hub))
    }

    fn relay_to(&self, publisher: Arc<dyn Publisher>) -> Relay {
        let options = Options { park_after: 3, batch: 10, ..Options::default() };
        Relay::new(self.ledger.clone(), publisher, options).with_random(Random::seeded(3))
    }

    async fn publish(&self, messages: Vec<Message>) -> Vec<MessageId> {
        let work = async move |tx: &mut Tx<'_>| {
            let mut ids = Vec::new();
            for message in &messages {
                ids.push(tx.publish(message.clone()).await?);
            }
            Ok(ids)
        };
        self.ledger.transact(&Context::root(), work).await.unwrap()
    }

    /// Payloads of everything that can be leased now, acknowledged.
    async fn take(&self, queue: &str) -> Vec<String> {
        self.take_ids(queue).await.into_iter().map(|(_, payload)| payload).collect()
    }

    async fn take_ids(&self, queue: &str) -> Vec<(MessageId, String)> {
        let lease = Lease { max: 100, visibility: Duration::from_secs(30), wait: Duration::ZERO };
        let mut all = Vec::new();
        loop {
            let got = self.hub.receive(queue, lease).await.unwrap();
            if got.is_empty() {
                return all;
            }
            let receipts: Vec<_> = got.iter().map(|delivery| delivery.receipt.clone()).collect();
            self.hub.ack(&receipts).await.unwrap();
            all.extend(got.into_iter().map(|delivery| {
                let message = delivery.message;
                (message.id.unwrap(), String::from_utf8(message.payload.to_vec()).unwrap())
            }));
        }
    }

    async fn outbox(&self) -> usize {
        self.ledger.read_outbox(0, 1_000).await.unwrap().len()
    }
}

fn numbered(topic: &str, key: &str, count: usize) -> Vec<Message> {
    (0..count).map(|n| Message::new(topic, format!("{key}{n}")).key(key)).collect()
}

#[tokio::test]
async fn what_was_committed_is_carried_in_order_and_forgotten() {
    let room = room().await;
    let mut relay = room.relay();
    room.publish(numbered("orders", "a", 25)).await;
    let step = relay.step().await;
    assert_eq!((step.sent, step.until), (25, None));
    let expected: Vec<String> = (0..25).map(|n| format!("a{n}")).collect();
    assert_eq!(room.take("orders").await, expected);
    assert_eq!(room.outbox().await, 0);
    assert_eq!(relay.status().borrow().lag(), 0);
    room.publish(numbered("orders", "b", 1)).await;
    assert_eq!(relay.step().await.sent, 26, "it goes on where it was");
}

/// Hands on to the hub; then the answer is lost with the process.
struct Crash {
    to: Arc<Hub>,
    accepted: Arc<Notify>,
}

impl Publisher for Crash {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            self.to.publish(messages).await?;
            self.accepted.notify_one();
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn a_crash_between_publishing_and_forgetting_sends_again_under_the_same_ids() {
    let room = room().await;
    let ids = room.publish(numbered("orders", "a", 3)).await;
    let accepted = Arc::new(Notify::new());
    let crash = Crash { to: Arc::clone(&room.hub), accepted: Arc::clone(&accepted) };
    let mut relay = room.relay_to(Arc::new(crash));
    tokio::select! {
        _ = relay.step() => panic!("its publisher never answers"),
        () = accepted.notified() => {}
    }
    drop(relay);
    assert_eq!(room.outbox().await, 3);
    room.relay().step().await;
    let sent: Vec<MessageId> = room.take_ids("orders").await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(sent, [ids.clone(), ids].concat());
    assert_eq!(room.outbox().await, 0);
}

#[tokio::test]
async fn a_full_queue_holds_up_its_topic_only_until_there_is_room() {
    let room = room().await;
    let mut relay = room.relay();
    room.publish(numbered("small", "a", 2)).await;
    relay.step().await;
    room.publish([numbered("small", "a", 3).split_off(2), numbered("orders", "o", 3)].concat()).await;
    let step = relay.step().await;
    assert_eq!((step.sent, room.take("orders").await.len()), (5, 3));
    let status = relay.status().borrow().clone();
    assert_eq!((status.blocked_topics, status.parked, status.waiting), (1, 0, 1));
    assert_eq!(room.take("small").await, ["a0", "a1"]);
    assert_eq!(relay.step().await.sent, 5, "not before its pause is over");
    room.manual.advance(Duration::from_secs(10));
    assert_eq!(relay.step().await.sent, 6);
    assert_eq!(room.take("small").await, ["a2"]);
}

/// Refuses whole batches with a message that says `poison`, until it is cured; hands on everything else.
struct Picky {
    to: Arc<Hub>,
    cured: AtomicBool,
    calls: AtomicU32,
}

impl Publisher for Picky {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let poison = messages.iter().any(|message| &*message.payload == b"poison");
            if poison && !self.cured.load(Ordering::SeqCst) {
                return Err(PublishError::TooLarge { part: "payload", bytes: 2, max: 1 });
            }
            self.to.publish(messages).await.map(drop)
        })
    }
}

#[tokio::test]
async fn the_one_that_is_refused_is_parked_and_sent_once_a_person_lets_it_go() {
    let room = room().await;
    let publisher = Arc::new(Picky {
        to: Arc::clone(&room.hub),
        cured: AtomicBool::new(false),
        calls: AtomicU32::new(0),
    });
    let mut relay = room.relay_to(Arc::clone(&publisher) as Arc<dyn Publisher>);
    let mut batch = numbered("orders", "a", 2);
    batch.push(Message::new("orders", "poison").key("a"));
    batch.push(Message::new("orders", "behind").key("a"));
    batch.extend(numbered("orders", "b", 2));
    room.publish(batch).await;
    relay.step().await;
    let mut sent = room.take("orders").await;
    sent.sort();
    assert_eq!(sent, ["a0", "a1", "b0", "b1"], "key b and what stands before go");
    for _ in 0..2 {
        room.manual.advance(Duration::from_secs(10));
        relay.step().await;
    }
    assert_eq!(room.take("orders").await, ["behind"]);
    let row = room.ledger.read_outbox(0, 10).await.unwrap().pop().unwrap();
    assert_eq!(row.parked.as_deref(), Some("payload has 2 bytes, at most 1 are accepted"));
    assert_eq!(relay.status().borrow().parked, 1);

    publisher.cured.store(true, Ordering::SeqCst);
    let id = row.id;
    let release = async move |tx: &mut Tx<'_>| tx.outbox_park(id, None).await;
    assert!(room.ledger.transact(&Context::root(), release).await.unwrap());
    relay.sweep();
    relay.step().await;
    assert_eq!((room.take("orders").await, room.outbox().await), (vec!["poison".to_owned()], 0));
}

#[tokio::test]
async fn topics_are_routed_and_one_without_a_route_is_parked() {
    let room = room().await;
    let hub = Arc::new(QueuePublisher::new(Arc::clone(&room.hub) as Arc<dyn Queue>).unwrap());
    let router = Router::new().route("orders", hub.clone()).route("pay*", hub);
    let mut relay = room.relay_to(Arc::new(router));
    let topics = ["orders", "payments", "nowhere"];
    room.publish(topics.map(|topic| Message::new(topic, topic)).to_vec()).await;
    for _ in 0..3 {
        relay.step().await;
        room.manual.advance(Duration::from_secs(10));
    }
    assert_eq!(room.take("orders").await, ["orders"]);
    assert_eq!(room.take("payments").await, ["payments"]);
    assert_eq!(relay.status().borrow().parked, 1);
}

#[tokio::test]
async fn a_running_relay_is_woken_by_the_commit_and_stops_with_everything_forgotten() {
    let room = room().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let relay = room.relay();
    let mut status = relay.status();
    let running = tokio::spawn(relay.run(async move {
        let _ = stopped.await;
    }));
    for n in 1..=3_u64 {
        room.publish(numbered("orders", "a", 1)).await;
        status.wait_for(|status| status.sent == n).await.unwrap();
    }
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!((room.outbox().await, room.take("orders").await.len()), (0, 3));
}

/// Accepts without ever answering, until it is well again.
struct Silent {
    to: Arc<Hub>,
    well: AtomicBool,
}

impl Publisher for Silent {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            self.to.publish(messages).await?;
            if self.well.load(Ordering::SeqCst) { Ok(()) } else { std::future::pending().await }
        })
    }
}

#[tokio::test]
async fn a_broker_that_never_answers_is_asked_again_under_the_same_ids() {
    let room = room().await;
    let ids = room.publish(numbered("orders", "a", 2)).await;
    let silent = Arc::new(Silent { to: Arc::clone(&room.hub), well: AtomicBool::new(false) });
    let options = Options { answer_within: Duration::ZERO, ..Options::default() };
    let mut relay = Relay::new(room.ledger.clone(), Arc::clone(&silent) as Arc<dyn Publisher>, options);
    relay.step().await;
    let status = relay.status().borrow().clone();
    assert_eq!((status.sent, status.failures, status.blocked_topics), (0, 1, 1));
    assert_eq!(
        status.last_error.unwrap(),
        "broker did not answer, the messages may have been accepted: no answer within 0ns"
    );
    silent.well.store(true, Ordering::SeqCst);
    let mut relay = room.relay_to(silent);
    assert_eq!(relay.step().await.sent, 2);
    let mut sent: Vec<MessageId> = room.take_ids("orders").await.into_iter().map(|(id, _)| id).collect();
    sent.dedup();
    assert!(sent.ends_with(&ids), "{sent:?}");
    assert_eq!(room.outbox().await, 0);
}
