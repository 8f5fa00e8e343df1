//! As many messages as it takes, from publishers to consumers; the clock stops when the last one has arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mamparo_broker::{Lease, Start};
use mamparo_context::Clock;
use tokio::task::JoinSet;

use super::{CONSUMERS, Doors, LOGS, PUBLISHERS, QUEUES, WINDOW, message};

/// Messages in one frame, so that a window has several frames under way.
pub(super) const FRAME: usize = 128;
/// Messages of a queue that wait for a consumer, at most: a publisher that outruns the consumers waits, too.
const BACKLOG: u64 = 32 * WINDOW as u64;
const LOOK_EVERY: Duration = Duration::from_millis(1);
const WAIT: Duration = Duration::from_secs(10);

pub(super) struct Carried {
    pub(super) count: u64,
    pub(super) per_second: f64,
}

struct Counts {
    clock: Clock,
    end: Instant,
    /// What publishers took in hand.
    taken: AtomicU64,
    arrived: AtomicU64,
}

impl Counts {
    fn new(seconds: Duration) -> Arc<Self> {
        let clock = Clock::system();
        let end = clock.now() + seconds;
        Arc::new(Self { clock, end, taken: AtomicU64::new(0), arrived: AtomicU64::new(0) })
    }

    /// The number of the first message of the next frame, as long as there is time.
    fn take(&self, frame: usize) -> Option<u64> {
        (self.clock.now() < self.end).then(|| self.taken.fetch_add(frame as u64, Ordering::Relaxed))
    }

    fn backlog(&self) -> u64 {
        self.taken.load(Ordering::Relaxed).saturating_sub(self.arrived.load(Ordering::Relaxed))
    }

    /// Waits for the publishers, and then for what they published.
    async fn finish(&self, mut publishers: JoinSet<()>, seconds: Duration) -> Carried {
        let began = self.end - seconds;
        while let Some(ended) = publishers.join_next().await {
            ended.unwrap();
        }
        while self.backlog() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let count = self.taken.load(Ordering::Relaxed);
        assert_eq!(self.arrived.load(Ordering::Relaxed), count, "each message arrives, and once");
        Carried { count, per_second: count as f64 / (self.clock.now() - began).as_secs_f64() }
    }
}

/// Publishers append, one member of a group reads and stores its offset after each batch.
pub(super) async fn log(doors: &Doors, frame: usize, seconds: Duration) -> Carried {
    let topic = LOGS[0];
    let mut member = doors.consumer.log.join(topic, "bench", Start::Earliest).await.unwrap();
    let counts = Counts::new(seconds);
    let own = Arc::clone(&counts);
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        loop {
            let found = member.next(WINDOW, WAIT).await.unwrap();
            let mut offsets: Vec<(u32, u64)> = Vec::new();
            for record in &found {
                offsets.retain(|(partition, _)| *partition != record.partition);
                offsets.push((record.partition, record.offset + 1));
            }
            if !offsets.is_empty() {
                member.commit(&offsets).await.unwrap();
            }
            own.arrived.fetch_add(found.len() as u64, Ordering::Relaxed);
        }
    });
    let mut publishers = JoinSet::new();
    for _ in 0..PUBLISHERS * WINDOW / frame {
        let (log, counts) = (Arc::clone(&doors.publisher.log), Arc::clone(&counts));
        publishers.spawn(async move {
            while let Some(first) = counts.take(frame) {
                let messages = (first..).take(frame).map(|number| message(topic, number)).collect();
                log.append(messages).await.unwrap();
            }
        });
    }
    counts.finish(publishers, seconds).await
}

/// Publishers publish, consumers lease and acknowledge.
pub(super) async fn queue(doors: &Doors, frame: usize, seconds: Duration) -> Carried {
    let topic = QUEUES[0];
    let counts = Counts::new(seconds);
    let mut consumers = JoinSet::new();
    for _ in 0..CONSUMERS {
        let (queue, counts) = (Arc::clone(&doors.consumer.queue), Arc::clone(&counts));
        consumers.spawn(async move {
            let lease = Lease { max: WINDOW, visibility: Duration::ZERO, wait: WAIT };
            loop {
                let found = queue.receive(topic, lease).await.unwrap();
                let receipts: Vec<_> = found.into_iter().map(|found| found.receipt).collect();
                let live = queue.ack(&receipts).await.unwrap();
                counts.arrived.fetch_add(live as u64, Ordering::Relaxed);
            }
        });
    }
    let mut publishers = JoinSet::new();
    for _ in 0..PUBLISHERS * WINDOW / frame {
        let (queue, counts) = (Arc::clone(&doors.publisher.queue), Arc::clone(&counts));
        publishers.spawn(async move {
            loop {
                if counts.backlog() > BACKLOG {
                    tokio::time::sleep(LOOK_EVERY).await;
                    continue;
                }
                let Some(first) = counts.take(frame) else { return };
                let messages = (first..).take(frame).map(|number| message(topic, number)).collect();
                queue.publish(messages).await.unwrap();
            }
        });
    }
    counts.finish(publishers, seconds).await
}
