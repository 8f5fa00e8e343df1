//! The records of one partition, applied in order: several in one transaction, one by one after a failure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use mamparo_broker::{Headers, Message, Record};
use mamparo_context::Random;
use mamparo_ledger::{Error, Ledger, Result, Tx};

use super::LogOptions;
use crate::handler::{Handler, context};
use crate::limits::RECORDS_PER_TRANSACTION;
use crate::status::Counters;
use crate::trace::Trace;
use crate::verdict::judge;
use crate::{Options, Verdict};

/// What is read of one partition and not done yet.
#[derive(Default)]
pub(super) struct Partition {
    pub(super) records: VecDeque<Record>,
    /// The next offset, when it moved since it was stored in the log.
    moved: Option<u64>,
    /// How often the first record alone has failed.
    failures: u32,
    /// A batch failed: its records, this many, are applied one by one.
    alone: usize,
    pub(super) paused_until: Option<Instant>,
}

impl Partition {
    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// Takes a record, unless it is here already: a group that changed may be given records again.
    pub(super) fn push(&mut self, record: Record) {
        if self.records.back().is_none_or(|last| last.offset < record.offset) {
            self.records.push_back(record);
        }
    }

    pub(super) fn take_moved(&mut self) -> Option<u64> {
        self.moved.take()
    }

    fn done(&mut self, count: usize) {
        for record in self.records.drain(..count.min(self.records.len())) {
            self.moved = Some(record.offset + 1);
        }
        self.failures = 0;
        self.paused_until = None;
        self.alone = self.alone.saturating_sub(count);
    }
}

/// Applies records to the ledger.
pub(super) struct Applier {
    pub(super) ledger: Ledger,
    pub(super) handler: Arc<dyn Handler>,
    /// Name of the checkpoints, without the number of the partition.
    pub(super) checkpoint: Arc<str>,
    pub(super) options: LogOptions,
    pub(super) random: Random,
    pub(super) counters: Arc<Counters>,
}

impl Applier {
    /// Applies what was read of a partition, until it is done or has to wait; answers with how much is done.
    pub(super) async fn apply(&self, number: u32, partition: &mut Partition) -> usize {
        let mut done = 0;
        while !partition.records.is_empty() {
            let most = if partition.alone > 0 { 1 } else { RECORDS_PER_TRANSACTION };
            let batch: Vec<Record> = partition.records.iter().take(most).cloned().collect();
            let (count, attempt) = (batch.len(), partition.failures + 1);
            let error = match self.transact(number, batch, attempt).await {
                Ok(repeated) => {
                    for nth in 0..count {
                        self.counters.count(&Verdict::Done, nth < repeated);
                    }
                    partition.done(count);
                    done += count;
                    continue;
                }
                Err(error) => error,
            };
            let verdict = judge(&error, attempt, &self.options.common, self.random.unit());
            if count > 1 && !matches!(verdict, Verdict::Pause { .. }) {
                partition.alone = count;
                continue;
            }
            self.counters.count(&verdict, false);
            let now = self.ledger.clock().now();
            match verdict {
                Verdict::Done => {}
                Verdict::Pause { after } => {
                    partition.paused_until = now.checked_add(after);
                    return done;
                }
                Verdict::Again { after, .. } => {
                    partition.failures = attempt;
                    partition.paused_until = now.checked_add(after);
                    return done;
                }
                Verdict::Dead { error } if self.give_up(number, partition, &error).await => done += 1,
                Verdict::Dead { .. } => {
                    partition.failures = attempt.min(self.options.common.attempts_max);
                    partition.paused_until = now.checked_add(self.options.common.backoff_max);
                    return done;
                }
            }
        }
        done
    }

    /// One transaction: the checkpoint, and the handler for every record behind it. Answers with how many records
    /// had been applied before.
    async fn transact(&self, number: u32, batch: Vec<Record>, attempt: u32) -> Result<usize> {
        let Options { expired, .. } = self.options.common;
        let Some(first) = batch.first() else { return Ok(0) };
        let (clock, count) = (self.ledger.clock(), batch.len());
        let cx = context(&first.message, attempt, expired, clock);
        let (cx, trace) = Trace::begin(cx, &first.message, &self.random, clock);
        let (handler, checkpoint) = (Arc::clone(&self.handler), self.name(number));
        let work = async move |tx: &mut Tx<'_>| {
            let next = tx.checkpoint(&checkpoint).await?;
            let fresh = batch.iter().filter(|record| record.offset >= next);
            let mut applied = 0;
            for record in fresh {
                handler.handle(tx, &record.message).await?;
                applied += 1;
            }
            if let (true, Some(last)) = (applied > 0, batch.last()) {
                tx.set_checkpoint(&checkpoint, last.offset + 1).await?;
            }
            Ok(batch.len() - applied)
        };
        let result = self.ledger.transact(&cx, work).await;
        trace.end(&self.checkpoint, count, &result, clock);
        if let Err(error) = &result {
            let (checkpoint, trace) = (&self.checkpoint, cx.trace().trace_id());
            tracing::info!(%checkpoint, number, attempt, count, %trace, %error, "records not applied");
        }
        result
    }

    /// Publishes the first record as a dead letter and moves past it; answers whether that is done.
    async fn give_up(&self, number: u32, partition: &mut Partition, error: &str) -> bool {
        let (Some(topic), Some(record)) = (self.options.dead_letters.clone(), partition.records.front())
        else {
            tracing::error!(checkpoint = %self.checkpoint, number, error, "a record holds up its partition");
            return false;
        };
        let (offset, checkpoint) = (record.offset, self.name(number));
        let letter = dead_letter(&record.message, topic, error, &format!("{number}/{offset}"));
        let cx = context(&letter, 1, crate::Expired::Handle, self.ledger.clock());
        let work = async move |tx: &mut Tx<'_>| {
            if tx.checkpoint(&checkpoint).await? <= offset {
                tx.publish(letter.clone()).await?;
                tx.set_checkpoint(&checkpoint, offset + 1).await?;
            }
            Ok::<_, Error>(())
        };
        let done = self.ledger.transact(&cx, work).await;
        match done {
            Ok(()) => partition.done(1),
            Err(ref error) => tracing::warn!(%error, "dead letter not written"),
        }
        done.is_ok()
    }

    fn name(&self, partition: u32) -> String {
        format!("{}/{partition}", self.checkpoint)
    }
}

/// The message as a dead letter: under its own id, with the error and where it came from in its headers, which it
/// has alone if the message's own leave no room for them.
fn dead_letter(message: &Message, topic: Arc<str>, error: &str, place: &str) -> Message {
    let from = format!("{}/{place}", message.topic);
    let signed = |letter: Message| letter.header("mamparo-error", error).header("mamparo-dead-from", &from);
    let letter = signed(Message { topic, ..message.clone() });
    match letter.check() {
        Ok(()) => letter,
        Err(_) => signed(Message { headers: Headers::new(), ..letter }),
    }
}
