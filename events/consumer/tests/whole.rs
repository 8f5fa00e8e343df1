//! From a commit in one service to the effect in another: crashes in between repeat messages, never effects.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::sync::Arc;

use mamparo_broker::{BoxFuture, Message, PublishError, Queue};
use mamparo_consumer::{Consumer, Options};
use mamparo_context::{Clock, Context, Random};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{Ledger, Tx, params};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use mamparo_relay::{Options as RelayOptions, Publisher, QueuePublisher, Relay};
use tokio::sync::Notify;

fn open(folder: &Path, name: &str, seed: u64) -> Ledger {
    let options = Sqlite::new(folder.join(name)).durability(Durability::Process);
    options.clock(Clock::manual().0, Random::seeded(seed)).open().unwrap()
}

/// Hands on to the hub; then the process dies before it hears so.
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

async fn count(ledger: &Ledger) -> u64 {
    let rows = ledger.query("SELECT on_hand FROM stock", params![]).await.unwrap();
    rows[0].get(0).unwrap()
}

#[tokio::test]
async fn crashes_between_publishing_and_forgetting_repeat_messages_but_not_effects() {
    let folder = tempfile::tempdir().unwrap();
    let (orders, inventory) = (open(folder.path(), "orders.db", 1), open(folder.path(), "inventory.db", 2));
    let topics = vec![TopicOptions::queue("orders", QueueOptions::default())];
    let hub = Arc::new(Hub::open(open(folder.path(), "hub.db", 3), topics).await.unwrap());
    let cx = Context::root();
    let table = async |tx: &mut Tx<'_>| {
        tx.sql("CREATE TABLE stock (on_hand INTEGER NOT NULL)", params![]).await?;
        tx.sql("INSERT INTO stock (on_hand) VALUES (1000)", params![]).await
    };
    inventory.transact(&cx, table).await.unwrap();
    let publish = async |tx: &mut Tx<'_>| {
        for n in 0..50 {
            tx.publish(Message::new("orders", "1").key(&format!("order-{}", n % 7))).await?;
        }
        Ok(())
    };
    orders.transact(&cx, publish).await.unwrap();

    for _ in 0..3 {
        let accepted = Arc::new(Notify::new());
        let crash = Crash { to: Arc::clone(&hub), accepted: Arc::clone(&accepted) };
        let mut relay = Relay::new(orders.clone(), Arc::new(crash), RelayOptions::default());
        tokio::select! {
            _ = relay.step() => panic!("its publisher never answers"),
            () = accepted.notified() => {}
        }
    }
    let publisher = QueuePublisher::new(Arc::clone(&hub) as Arc<dyn Queue>).unwrap();
    let mut relay = Relay::new(orders.clone(), Arc::new(publisher), RelayOptions::default());
    assert_eq!(relay.step().await.sent, 50);
    assert!(orders.read_outbox(0, 1).await.unwrap().is_empty());

    let mut consumer = Consumer::new(inventory.clone(), hub, Options::default()).unwrap();
    consumer.subscribe("orders", "inventory", async |tx, message| {
        let quantity: u32 = message.parse().map_err(mamparo_ledger::Error::app)?;
        tx.sql("UPDATE stock SET on_hand = on_hand - ?1", params![quantity]).await?;
        Ok(())
    });
    consumer.step().await;
    assert_eq!(count(&inventory).await, 950);
    let status = consumer.status().now().remove(0);
    assert_eq!((status.handled, status.repeated), (50, 150));
}
