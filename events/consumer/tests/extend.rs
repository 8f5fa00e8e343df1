//! Messages that wait for their turn longer than they were leased for: their leases are extended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mamparo_broker::{
    BoxFuture, Capabilities, DeadLetter, Delivery, Lease, Message, MessageId, PublishError, Queue,
    QueueError, QueueInfo, Receipt,
};
use mamparo_consumer::{Consumer, Options};
use mamparo_context::{Clock, ManualClock, Random};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use tokio::sync::Semaphore;

/// The hub, but acknowledgements take long: until leases were extended, and then 20 s more.
struct Slow {
    hub: Hub,
    manual: ManualClock,
    extended: Semaphore,
    acknowledged: AtomicUsize,
}

impl Queue for Slow {
    fn capabilities(&self) -> Capabilities {
        Queue::capabilities(&self.hub)
    }

    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<MessageId>, PublishError>> {
        self.hub.publish(messages)
    }

    fn receive<'a>(
        &'a self,
        queue: &'a str,
        lease: Lease,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, QueueError>> {
        self.hub.receive(queue, lease)
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>> {
        Box::pin(async move {
            if let Ok(extended) = self.extended.acquire().await {
                extended.forget();
                self.extended.close();
                self.manual.advance(Duration::from_secs(20));
                self.hub.tick();
            }
            let live = self.hub.ack(receipts).await?;
            self.acknowledged.fetch_add(live, Ordering::SeqCst);
            Ok(live)
        })
    }

    fn nack<'a>(
        &'a self,
        receipt: &'a Receipt,
        delay: Duration,
        error: &'a str,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        self.hub.nack(receipt, delay, error)
    }

    fn reject<'a>(
        &'a self,
        receipt: &'a Receipt,
        error: &'a str,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        self.hub.reject(receipt, error)
    }

    fn extend<'a>(
        &'a self,
        receipts: &'a [Receipt],
        visibility: Duration,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        Box::pin(async move {
            let extended = self.hub.extend(receipts, visibility).await;
            self.extended.add_permits(1);
            extended
        })
    }

    fn release<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>> {
        self.hub.release(receipts)
    }

    fn dead_letters<'a>(
        &'a self,
        queue: Option<&'a str>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>> {
        self.hub.dead_letters(queue, after, limit)
    }

    fn redrive(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>> {
        self.hub.redrive(sequence)
    }

    fn discard(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>> {
        self.hub.discard(sequence)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueInfo>, QueueError>> {
        self.hub.queues()
    }
}

#[tokio::test]
async fn leases_are_extended_before_they_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let open = |name: &str, seed: u64| {
        let options = Sqlite::new(folder.path().join(name)).durability(Durability::Process);
        options.clock(clock.clone(), Random::seeded(seed)).open().unwrap()
    };
    let topics = vec![TopicOptions::queue("orders", QueueOptions::default())];
    let hub = Hub::open(open("hub.db", 2), topics).await.unwrap();
    let (extended, acknowledged) = (Semaphore::new(0), AtomicUsize::new(0));
    let slow = Arc::new(Slow { hub, manual: manual.clone(), extended, acknowledged });
    slow.publish((0..10).map(|n| Message::new("orders", format!("m{n}"))).collect()).await.unwrap();

    let options = Options { visibility: Duration::from_secs(30), concurrency: 1, ..Options::default() };
    let queue = Arc::clone(&slow) as Arc<dyn Queue>;
    let mut consumer = Consumer::new(open("ledger.db", 1), queue, options).unwrap();
    consumer.subscribe("orders", "inventory", async move |tx, message| {
        assert_eq!(tx.context().attempt().number(), 1, "no lease ran out");
        if &*message.payload == b"m0" {
            manual.advance(Duration::from_secs(20));
        }
        Ok(())
    });
    assert_eq!(consumer.step().await, 10);
    assert_eq!(slow.acknowledged.load(Ordering::SeqCst), 10, "40 s after they were leased for 30 s");
    let status = consumer.status().now().remove(0);
    assert_eq!((status.handled, status.repeated, status.dead), (10, 0, 0));
}
