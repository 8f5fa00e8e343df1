//! Messages at a pace, each alone in its frame: how long from the answer to its publisher to its handler, and from
//! the moment it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mamparo_broker::{Lease, Start};
use mamparo_context::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Doors, LOGS, QUEUES, WINDOW, message};
use crate::run::{histogram, micros_since};

const PER_SECOND: f64 = 2_000.0;
const LOOK_EVERY: Duration = Duration::from_millis(1);
const WAIT: Duration = Duration::from_secs(10);
/// Batches of receipts that wait to be acknowledged, at most.
const TO_ACK: usize = 64;

/// In milliseconds.
pub(super) struct Paced {
    pub(super) handler_p99: f64,
    pub(super) due_p50: f64,
    pub(super) due_p99: f64,
}

/// When every message was acknowledged and handled, in microseconds since the start.
struct Marks {
    clock: Clock,
    start: Instant,
    committed: Vec<AtomicU64>,
    handled: Vec<AtomicU64>,
    left: AtomicU64,
}

impl Marks {
    fn new(seconds: Duration) -> Arc<Self> {
        let count = (PER_SECOND * seconds.as_secs_f64()).ceil() as u64;
        let clock = Clock::system();
        let start = clock.now();
        let none = || (0..count).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { clock, start, committed: none(), handled: none(), left: AtomicU64::new(count) })
    }

    fn commit(&self, number: u64) {
        self.committed[number as usize].store(micros_since(&self.clock, self.start), Ordering::Relaxed);
    }

    fn handle(&self, payload: &[u8]) {
        let number = u64::from_le_bytes(payload[..8].try_into().unwrap());
        self.handled[number as usize].store(micros_since(&self.clock, self.start), Ordering::Relaxed);
        self.left.fetch_sub(1, Ordering::Relaxed);
    }

    /// Publishes every message when it is due, without waiting for the ones before it.
    async fn pace<F: Future<Output = ()> + Send + 'static>(&self, publish: impl Fn(u64) -> F) {
        let mut publishing = JoinSet::new();
        for number in 0..self.committed.len() as u64 {
            let due = self.start + Duration::from_micros(due(number));
            let early = due.saturating_duration_since(self.clock.now());
            if !early.is_zero() {
                tokio::time::sleep(early).await;
            }
            publishing.spawn(publish(number));
        }
        while let Some(published) = publishing.join_next().await {
            published.unwrap();
        }
        while self.left.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn sum(&self) -> Paced {
        let (mut to_handler, mut since_due) = (histogram(), histogram());
        for (number, (committed, handled)) in self.committed.iter().zip(&self.handled).enumerate() {
            let (committed, handled) = (committed.load(Ordering::Relaxed), handled.load(Ordering::Relaxed));
            // A message can be handled before its publisher has the answer.
            to_handler.saturating_record(handled.saturating_sub(committed));
            since_due.saturating_record(handled.saturating_sub(due(number as u64)));
        }
        let millis = |micros: u64| micros as f64 / 1000.0;
        Paced {
            handler_p99: millis(to_handler.value_at_quantile(0.99)),
            due_p50: millis(since_due.value_at_quantile(0.5)),
            due_p99: millis(since_due.value_at_quantile(0.99)),
        }
    }
}

/// Microseconds after the start.
fn due(number: u64) -> u64 {
    (number as f64 * 1e6 / PER_SECOND) as u64
}

/// Through a log, to a member of a group that stores its offsets in between.
pub(super) async fn log(doors: &Doors, seconds: Duration) -> Paced {
    let topic = LOGS[1];
    let mut member = doors.consumer.log.join(topic, "bench", Start::Earliest).await.unwrap();
    let marks = Marks::new(seconds);
    let own = Arc::clone(&marks);
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        loop {
            let found = member.next(WINDOW, WAIT).await.unwrap();
            let mut offsets: Vec<(u32, u64)> = Vec::new();
            for record in &found {
                own.handle(&record.message.payload);
                offsets.retain(|(partition, _)| *partition != record.partition);
                offsets.push((record.partition, record.offset + 1));
            }
            if !offsets.is_empty() {
                member.commit(&offsets).await.unwrap();
            }
        }
    });
    let publish = |number| {
        let (log, marks) = (Arc::clone(&doors.publisher.log), Arc::clone(&marks));
        async move {
            log.append(vec![message(topic, number)]).await.unwrap();
            marks.commit(number);
        }
    };
    marks.pace(publish).await;
    marks.sum()
}

/// Through a queue, to a consumer that acknowledges beside its work.
pub(super) async fn queue(doors: &Doors, seconds: Duration) -> Paced {
    let topic = QUEUES[1];
    let marks = Marks::new(seconds);
    let (done, mut to_ack) = mpsc::channel(TO_ACK);
    let mut consumer = JoinSet::new();
    let (own, queue) = (Arc::clone(&marks), Arc::clone(&doors.consumer.queue));
    consumer.spawn(async move {
        let lease = Lease { max: WINDOW, visibility: Duration::ZERO, wait: WAIT };
        loop {
            let found = queue.receive(topic, lease).await.unwrap();
            found.iter().for_each(|found| own.handle(&found.message.payload));
            let receipts: Vec<_> = found.into_iter().map(|found| found.receipt).collect();
            if done.send(receipts).await.is_err() {
                return;
            }
        }
    });
    let queue = Arc::clone(&doors.consumer.queue);
    consumer.spawn(async move {
        while let Some(mut receipts) = to_ack.recv().await {
            while let Ok(more) = to_ack.try_recv() {
                receipts.extend(more);
            }
            queue.ack(&receipts).await.unwrap();
        }
    });
    let publish = |number| {
        let (queue, marks) = (Arc::clone(&doors.publisher.queue), Arc::clone(&marks));
        async move {
            queue.publish(vec![message(topic, number)]).await.unwrap();
            marks.commit(number);
        }
    };
    marks.pace(publish).await;
    marks.sum()
}
