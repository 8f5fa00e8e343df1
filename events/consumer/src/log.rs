//! A consumer of a log: the place of the group is a checkpoint in the transaction of the handler, so the effect of
//! every record comes once; the offset that the log itself stores follows behind.

mod partition;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Capability, Group, Log, LogError, Message, Missing, Start};
use mamparo_context::{Clock, Random};
use mamparo_ledger::{Ledger, Result, Tx};
use tokio::sync::watch;

use crate::handler::Handler;
use crate::limits::{BROKER_PAUSE, RECORDS_MAX};
use crate::status::Counters;
use crate::{Options, Statuses};
use partition::{Applier, Partition};

/// What can be chosen about a consumer of logs, beside [`Options`] (of which those about leases do not apply).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// What every consumer has.
    pub common: Options,
    /// Where records go that can never be handled: published there, with the error in the header
    /// `mamparo-error`, in the transaction that moves the checkpoint past them. Without it such a record holds up
    /// its partition, and is tried again for ever.
    pub dead_letters: Option<Arc<str>>,
}

/// Handles the records of logs, with effect once.
///
/// All members of a group write into the same ledger, for it holds their place. The place in the ledger rules:
/// moving the offset stored in the log back does not apply records again; a consumer under a new name does.
pub struct LogConsumer {
    ledger: Ledger,
    log: Arc<dyn Log>,
    options: LogOptions,
    random: Random,
    subscriptions: Vec<Subscription>,
}

struct Subscription {
    log: Arc<dyn Log>,
    topic: Arc<str>,
    name: Arc<str>,
    start: Start,
    group: Option<Box<dyn Group>>,
    applier: Applier,
    partitions: BTreeMap<u32, Partition>,
    clock: Clock,
    options: Options,
}

impl LogConsumer {
    /// A consumer of `log` whose handlers write into `ledger`.
    ///
    /// # Errors
    /// The broker has no consumer groups.
    pub fn new(ledger: Ledger, log: Arc<dyn Log>, options: LogOptions) -> std::result::Result<Self, Missing> {
        log.capabilities().require("a consumer of a log", &[Capability::Replay, Capability::Groups])?;
        let options = LogOptions { common: options.common.in_range(), ..options };
        Ok(Self { ledger, log, options, random: Random::system(), subscriptions: Vec::new() })
    }

    /// The same consumer with jitter from a seed; before the first subscription.
    #[must_use]
    pub fn with_random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Handles the records of `topic` as the consumer group `name`, which begins at `start`. The handler is as in
    /// [`crate::Consumer::subscribe`]; records of a partition are handled in order, several in one transaction.
    pub fn subscribe<F>(&mut self, topic: &str, name: &str, start: Start, handler: F) -> &mut Self
    where
        F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>, &'t Message) -> Result<()> + Send + Sync + 'static,
    {
        let handler: Arc<dyn Handler> = Arc::new(handler);
        self.subscriptions.push(Subscription {
            log: Arc::clone(&self.log),
            topic: topic.into(),
            name: name.into(),
            start,
            group: None,
            applier: Applier {
                ledger: self.ledger.clone(),
                handler,
                checkpoint: format!("log/{name}/{topic}").into(),
                options: self.options.clone(),
                random: self.random.clone(),
                counters: Arc::new(Counters::default()),
            },
            partitions: BTreeMap::new(),
            clock: self.ledger.clock().clone(),
            options: self.options.common,
        });
        self
    }

    /// How its subscriptions stand, while it runs.
    pub fn status(&self) -> Statuses {
        let counters = |subscription: &Subscription| {
            let counters = Arc::clone(&subscription.applier.counters);
            (Arc::clone(&subscription.topic), Arc::clone(&subscription.name), counters)
        };
        Statuses(self.subscriptions.iter().map(counters).collect())
    }

    /// Runs until `shutdown` ends; the transactions that run then are finished and the stored offsets follow.
    ///
    /// Dropped at any await, the records after the checkpoint are read again.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(false);
        let all = self.subscriptions.iter_mut().map(|subscription| subscription.run(stopped.clone()));
        let until_stop = async {
            shutdown.await;
            stop.send_replace(true);
        };
        tokio::join!(join_all(all), until_stop);
    }

    /// Reads and handles what is there at this moment of the clock; answers with the number of records that are
    /// done, repeated ones included.
    pub async fn step(&mut self) -> usize {
        let mut done = 0;
        for subscription in &mut self.subscriptions {
            loop {
                let now = subscription.turn(Duration::ZERO).await;
                done += now.done;
                if now.read == 0 && now.done == 0 {
                    break;
                }
            }
        }
        done
    }
}

/// What one turn of a subscription came to.
#[derive(Default)]
struct Turn {
    read: usize,
    done: usize,
    /// How long nothing can be done, after a failure.
    pause: Option<Duration>,
}

impl Subscription {
    async fn run(&mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let wait = if self.partitions.is_empty() { self.options.wait } else { Duration::ZERO };
            // What a dropped read had read is read again; what was read is applied to the end.
            let read = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break,
                read = self.read(wait) => read,
            };
            let turn = self.apply(read).await;
            if let (0, Some(pause)) = (turn.done, turn.pause) {
                tokio::select! {
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
        self.group = None;
    }

    async fn turn(&mut self, wait: Duration) -> Turn {
        let read = self.read(wait).await;
        self.apply(read).await
    }

    /// Applies what was read, and stores the offsets.
    async fn apply(&mut self, read: std::result::Result<usize, LogError>) -> Turn {
        let mut turn = Turn::default();
        match read {
            Ok(read) => turn.read = read,
            Err(error) => {
                self.lost("read", &error);
                turn.pause = Some(BROKER_PAUSE);
                return turn;
            }
        }
        let now = self.clock.now();
        let applier = &self.applier;
        let free = self.partitions.iter_mut().filter(|(_, partition)| !partition.is_paused(now));
        let applied = join_all(free.map(|(number, partition)| applier.apply(*number, partition))).await;
        turn.done = applied.into_iter().sum();
        let offsets: Vec<(u32, u64)> = self
            .partitions
            .iter_mut()
            .filter_map(|(number, own)| Some((*number, own.take_moved()?)))
            .collect();
        if let (false, Some(group)) = (offsets.is_empty(), self.group.as_mut())
            && let Err(error) = group.commit(&offsets).await
        {
            self.lost("commit", &error);
        }
        self.partitions.retain(|_, partition| !partition.records.is_empty());
        let now = self.clock.now();
        let pauses = self.partitions.values().filter_map(|partition| partition.paused_until);
        turn.pause = pauses.min().map(|until| until.saturating_duration_since(now).max(BROKER_PAUSE / 10));
        turn
    }

    async fn read(&mut self, wait: Duration) -> std::result::Result<usize, LogError> {
        let held: usize = self.partitions.values().map(|partition| partition.records.len()).sum();
        if held + BATCH_MAX > RECORDS_MAX {
            return Ok(0);
        }
        let group = match &mut self.group {
            Some(group) => group,
            none => none.insert(self.log.join(&self.topic, &self.name, self.start).await?),
        };
        let records = group.next(BATCH_MAX, wait).await?;
        let mine: Vec<u32> = group.assignment().partitions.iter().map(|(partition, _)| *partition).collect();
        self.partitions.retain(|number, _| mine.contains(number));
        let read = records.len();
        for record in records {
            self.partitions.entry(record.partition).or_default().push(record);
        }
        Ok(read)
    }

    /// The group is joined anew; what was read is read again, and the checkpoints know what was applied.
    fn lost(&mut self, what: &'static str, error: &LogError) {
        tracing::warn!(topic = %self.topic, group = %self.name, what, %error, "the log failed");
        self.group = None;
        self.partitions.clear();
    }
}
