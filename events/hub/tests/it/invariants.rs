//! Whatever is done to a queue in whatever order: what the tables say about a message agrees, what is counted is
//! there, and the messages of a key are done in order.

use std::collections::HashMap;
use std::time::Duration;

use mamparo_broker::{Delivery, Lease, Message, Queue};
use mamparo_context::Random;
use mamparo_hub::{Backoff, QueueOptions, TopicOptions};
use uuid::Uuid;

use crate::support::{Fixture, queue};

const SECOND: Duration = Duration::from_secs(1);

/// Statements that find what must not be, by what it is.
const MUST_BE_EMPTY: [(&str, &str); 5] = [
    (
        "a message that nobody can ever get, or that two can",
        "SELECT m.id FROM hub_message m WHERE (SELECT count(*) FROM hub_ready r WHERE r.id = m.id) \
         + (SELECT count(*) FROM hub_away a WHERE a.id = m.id) <> (m.key IS NULL OR m.id = \
         (SELECT min(id) FROM hub_message f WHERE f.queue = m.queue AND f.key = m.key))",
    ),
    (
        "a place without its message",
        "SELECT id FROM (SELECT id FROM hub_ready UNION ALL SELECT id FROM hub_away) \
         WHERE id NOT IN (SELECT id FROM hub_message)",
    ),
    (
        "a place that says something else than its message",
        "SELECT p.id FROM (SELECT id, queue, size, keyed FROM hub_ready UNION ALL \
         SELECT id, queue, size, keyed FROM hub_away) p JOIN hub_message m ON m.id = p.id \
         WHERE p.queue <> m.queue OR p.size <> m.size OR p.keyed <> (m.key IS NOT NULL)",
    ),
    (
        "a wrong count of messages",
        "SELECT q.id FROM hub_queue q WHERE q.messages <> \
         (SELECT count(*) FROM hub_message WHERE queue = q.id) + (SELECT count(*) FROM hub_dead WHERE queue = q.id)",
    ),
    (
        "a wrong count of bytes",
        "SELECT q.id FROM hub_queue q WHERE q.bytes <> \
         (SELECT total(size) FROM hub_message WHERE queue = q.id) + (SELECT total(size) FROM hub_dead WHERE queue = q.id)",
    ),
];

struct Run {
    fixture: Fixture,
    random: Random,
    held: Vec<Delivery>,
    /// The number of the last message of each queue and key that was acknowledged.
    done: HashMap<(String, String), u64>,
}

impl Run {
    fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// Some of the messages that are held, in any order.
    fn some(&mut self) -> Vec<Delivery> {
        let count = self.below(self.held.len() as u64 + 1);
        (0..count)
            .map(|_| self.held.swap_remove(self.random.below(self.held.len() as u64) as usize))
            .collect()
    }

    fn message(&self) -> Message {
        let topic = ["jobs", "other", "both"][self.below(3) as usize];
        let mut message = Message::new(topic, vec![b'x'; self.below(50) as usize]);
        if self.below(2) == 0 {
            message = message.key(["a", "b", "c", "d"][self.below(4) as usize]);
        }
        match self.below(8) {
            0 => message.not_before(self.fixture.hub.clock().wall() + SECOND * self.below(20) as u32),
            1 => message.id(Uuid::from_u128(self.below(50).into())),
            _ => message,
        }
    }

    async fn step(&mut self) {
        let hub = self.fixture.hub.clone();
        match self.below(12) {
            0..=2 => {
                let messages = (0..self.below(12)).map(|_| self.message()).collect();
                // A full queue is an answer, too.
                let _ = hub.publish(messages).await;
            }
            3..=5 => {
                let max = self.below(15) as usize;
                let visibility = SECOND * (1 + self.below(20) as u32);
                let lease = Lease { max, visibility, wait: Duration::ZERO };
                let name = ["jobs", "other"][self.below(2) as usize];
                self.held.extend(hub.receive(name, lease).await.expect("receive"));
            }
            6 | 7 => self.ack().await,
            8 => {
                for found in self.some() {
                    let delay = SECOND * self.below(3) as u32;
                    hub.nack(&found.receipt, delay, "failed").await.expect("nack");
                }
            }
            9 => {
                let (released, extended) = (receipts(&self.some()), receipts(&self.held));
                hub.release(&released).await.expect("release");
                hub.extend(&extended, 5 * SECOND).await.expect("extend");
            }
            10 => {
                if let Some(found) = self.some().first() {
                    hub.reject(&found.receipt, "rejected").await.expect("reject");
                }
                for letter in hub.dead_letters(None, 0, 3).await.expect("dead letters") {
                    match self.below(3) {
                        0 => hub.redrive(letter.sequence).await.expect("redrive"),
                        1 => hub.discard(letter.sequence).await.expect("discard"),
                        _ => {}
                    }
                }
            }
            _ => self.fixture.time.advance(SECOND * self.below(12) as u32),
        }
    }

    /// Acknowledges some messages one by one and others together, and looks at their order.
    async fn ack(&mut self) {
        let hub = self.fixture.hub.clone();
        let mut some = self.some();
        let alone = some.split_off(some.len() - some.len().min(2));
        hub.ack(&receipts(&some)).await.expect("ack");
        for found in alone {
            let live = hub.ack(&receipts(std::slice::from_ref(&found))).await.expect("ack");
            if let (1, Some(key)) = (live, &found.message.key) {
                let key = (found.receipt.queue.clone(), key.to_string());
                let before = self.done.insert(key, found.receipt.sequence);
                assert!(before.is_none_or(|before| before < found.receipt.sequence), "order of a key");
            }
        }
    }

    async fn check(&self, when: &str) {
        for (what, statement) in MUST_BE_EMPTY {
            let found = self.fixture.ledger.query(statement, &[]).await.expect("a query");
            assert!(found.is_empty(), "{when}: {what}: {found:?}");
        }
    }
}

fn receipts(found: &[Delivery]) -> Vec<mamparo_broker::Receipt> {
    found.iter().map(|found| found.receipt.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_gets_stuck_or_miscounted() {
    for seed in 0..12 {
        let backoff = Backoff { initial: SECOND, max: 4 * SECOND };
        let both = vec!["both".to_owned()];
        let jobs = QueueOptions { subscriptions: both.clone(), backoff, capacity_messages: 120, ..queue() };
        let other = QueueOptions { subscriptions: both, dedup: Some(30 * SECOND), ..queue() };
        let topics = vec![
            TopicOptions::fanout("both"),
            TopicOptions::queue("jobs", jobs),
            TopicOptions::queue("other", other),
        ];
        let fixture = Fixture::new(topics).await;
        let (random, held, done) = (Random::seeded(seed), Vec::new(), HashMap::new());
        let mut run = Run { fixture, random, held, done };
        for step in 0..150 {
            run.step().await;
            run.check(&format!("seed {seed}, step {step}")).await;
        }
        // Everything that is left can be had, in the end.
        run.held.clear();
        for _ in 0..400 {
            run.fixture.time.advance(5 * SECOND);
            for name in ["jobs", "other"] {
                let lease = Lease { max: 50, visibility: 30 * SECOND, wait: Duration::ZERO };
                let found = run.fixture.hub.receive(name, lease).await.expect("receive");
                run.held.extend(found);
            }
            run.ack().await;
        }
        for _ in 0..40 {
            run.ack().await;
        }
        run.check(&format!("seed {seed}, at the end")).await;
        let left = run.fixture.hub.queues().await.expect("queues");
        assert!(left.iter().all(|info| info.ready + info.delayed == 0), "seed {seed}: {left:?}");
    }
}
