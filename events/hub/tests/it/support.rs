//! Hubs in temporary folders, with a clock moved by hand.

use std::sync::Arc;
use std::time::Duration;

use mamparo_conformance::broker::{Advance, LogSubject, QueueSubject};
use mamparo_context::{Clock, ManualClock, Random};
use mamparo_hub::{Backoff, Hub, LogOptions, QueueOptions, TopicOptions};
use mamparo_ledger::Ledger;
use mamparo_ledger_sqlite::Options;
use tempfile::TempDir;

/// An open hub in a folder of its own.
pub(crate) struct Fixture {
    pub(crate) hub: Hub,
    pub(crate) ledger: Ledger,
    pub(crate) time: ManualClock,
    pub(crate) folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new(topics: Vec<TopicOptions>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (clock, time) = Clock::manual();
        let ledger = open(&folder, clock);
        let hub = Hub::open(ledger.clone(), topics).await.expect("a hub");
        Self { hub, ledger, time, folder }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, by: Duration) {
        self.time.advance(by);
        self.hub.tick();
    }

    pub(crate) fn advance(&self) -> Advance {
        let (time, hub) = (self.time.clone(), self.hub.clone());
        Box::new(move |by| {
            time.advance(by);
            hub.tick();
            Box::pin(async {})
        })
    }
}

pub(crate) fn open(folder: &TempDir, clock: Clock) -> Ledger {
    let options = Options::new(folder.path().join("hub.db")).clock(clock, Random::seeded(1));
    options.open().expect("a ledger")
}

/// A queue that gives up after three attempts, and does not rest after a lease that ran out.
pub(crate) fn queue() -> QueueOptions {
    let backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
    QueueOptions { max_attempts: QueueSubject::MAX_ATTEMPTS, backoff, ..QueueOptions::default() }
}

pub(crate) async fn queue_subject() -> QueueSubject {
    let topics = vec![TopicOptions::queue("jobs", queue()), TopicOptions::queue("other", queue())];
    let fixture = Fixture::new(topics).await;
    let (queue, advance) = (Arc::new(fixture.hub.clone()), fixture.advance());
    QueueSubject { queue, name: "jobs".into(), advance, guard: Box::new(fixture) }
}

pub(crate) async fn log_subject() -> LogSubject {
    let options = LogOptions { partitions: LogSubject::PARTITIONS, ..LogOptions::default() };
    let fixture = Fixture::new(vec![TopicOptions::log("facts", options)]).await;
    LogSubject { log: Arc::new(fixture.hub.clone()), topic: "facts".into(), guard: Box::new(fixture) }
}
