//! What was taken is put into the journal, all that is there at the same time with one append, and may be written then.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Acknowledge, Shared, Taken};
use crate::cache::{Key, Value};
use crate::journal::Record;
use crate::limits::WRITES_WAITING;
use crate::sync::lock;

/// Ends when nobody can write any more.
pub(super) async fn run<K: Key, V: Value, S>(
    shared: Arc<Shared<K, V, S>>,
    mut taken: mpsc::Receiver<Taken<K, V>>,
) {
    let mut batch = Vec::new();
    while taken.recv_many(&mut batch, WRITES_WAITING).await > 0 {
        let is_on_disk = append(&shared, &batch).await;
        let superseded = answer(&shared, &mut batch, is_on_disk);
        shared.forget(superseded).await;
    }
}

/// What was taken may be written now. Tells who waits for it; returns what the journal need no longer hold.
fn answer<K: Key, V: Value, S>(
    shared: &Shared<K, V, S>,
    batch: &mut Vec<Taken<K, V>>,
    is_on_disk: bool,
) -> Vec<u64> {
    let (mut superseded, mut reached) = (Vec::new(), Vec::new());
    let mut dirty = lock(&shared.dirty);
    let mut waiters = lock(&shared.waiters);
    for Taken { key, value, record, answer } in batch.drain(..) {
        superseded.extend(dirty.answered(&key, value, record.id, is_on_disk));
        match answer {
            Some((Acknowledge::Journal, answer)) if is_on_disk => reached.push(answer),
            // Where the journal has failed, the store is waited for, which is more.
            Some((_, answer)) => waiters.entry(key).or_default().push((record.id, answer)),
            None => {}
        }
    }
    drop(waiters);
    drop(dirty);
    shared.work.notify_one();
    // Who no longer waits needs no answer.
    reached.into_iter().for_each(|answer| _ = answer.send(()));
    superseded
}

async fn append<K: Key, V: Value, S>(shared: &Shared<K, V, S>, batch: &[Taken<K, V>]) -> bool {
    let Some(journal) = &shared.journal else { return false };
    let records: Vec<Record> = batch.iter().map(|own| own.record.clone()).collect();
    match journal.append(records).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(cache = shared.cache.name(), %error, records = batch.len(), "journal did not take writes");
            shared.counts.journal_failed(error.to_string());
            false
        }
    }
}

impl<K: Key, V: Value, S> Shared<K, V, S> {
    /// The journal need no longer hold `versions`.
    pub(super) async fn forget(&self, versions: Vec<u64>) {
        let Some(journal) = &self.journal else { return };
        if versions.is_empty() {
            return;
        }
        if let Err(error) = journal.acknowledge(versions).await {
            // They will be replayed once more, which does no harm.
            self.counts.journal_failed(error.to_string());
        }
    }
}
