//! What is dirty is written to the store, in batches, until everything is written and nobody can write any more.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use mamparo_context::{Context, Deadline, Moment};
use mamparo_policy::time::{sleep_until, timeout_at};

use tokio::sync::oneshot;

use super::Shared;
use crate::cache::{Key, Value};
use crate::core::dirty::Change;
use crate::error::BoxError;
use crate::store::Store;
use crate::sync::lock;

/// Ends when `shared` is held by nobody else who could write.
pub(super) async fn run<K: Key, V: Value, S: Store<K, V>>(
    shared: Arc<Shared<K, V, S>>,
    mut ended: oneshot::Receiver<()>,
) {
    loop {
        let (batch, next) = shared.due();
        if batch.is_empty() {
            if is_over(&shared, next, &mut ended).await {
                return;
            }
            continue;
        }
        let batch: Arc<[Change<K, V>]> = batch.into();
        let result = shared.write_batch(&batch).await;
        shared.settle(&batch, result).await;
    }
}

/// Waits until there may be something to write; says whether nobody can write any more.
async fn is_over<K: Key, V: Value, S>(
    shared: &Shared<K, V, S>,
    next: Option<Moment>,
    ended: &mut oneshot::Receiver<()>,
) -> bool {
    let mut work = pin!(shared.work.notified());
    let mut sleep = pin!(next.map(|at| sleep_until(&shared.clock, at)));
    std::future::poll_fn(|task| {
        if Pin::new(&mut *ended).poll(task).is_ready() {
            return Poll::Ready(true);
        }
        let has_work = work.as_mut().poll(task).is_ready();
        let is_due = sleep.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(task).is_ready());
        if has_work || is_due { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

impl<K: Key, V: Value, S: Store<K, V>> Shared<K, V, S> {
    fn due(&self) -> (Vec<Change<K, V>>, Option<Moment>) {
        let hurry = self.is_closing.load(Ordering::Acquire);
        let mut dirty = lock(&self.dirty);
        let batch = dirty.next(self.now(), hurry);
        let next = dirty.next_at(hurry);
        (batch, next)
    }

    /// In a task of its own, so that a panic of the store is a failure of the store.
    async fn write_batch(&self, batch: &Arc<[Change<K, V>]>) -> Result<(), BoxError> {
        let until = self.now() + self.options.write_timeout;
        let (store, own) = (Arc::clone(&self.store), Arc::clone(batch));
        let cx = Context::root().with_deadline(Deadline::at(until.instant()));
        let mut task = tokio::spawn(async move { store.write(&cx, &own).await.map_err(Into::into) });
        match timeout_at(&self.clock, until, &mut task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                task.abort();
                Err(format!("not written within {:?}", self.options.write_timeout).into())
            }
        }
    }

    async fn settle(&self, batch: &[Change<K, V>], result: Result<(), BoxError>) {
        let now = self.now();
        if let Err(error) = result {
            tracing::warn!(cache = self.cache.name(), error, keys = batch.len(), "store did not take writes");
            self.counts.store_failed(error.to_string());
            return lock(&self.dirty).failed(batch, now, self.random.unit());
        }
        self.counts.written(batch.len());
        let done = self.has_written(batch, now);
        self.forget(done).await;
        let dirty = lock(&self.dirty);
        self.left.send_replace(dirty.len());
    }

    /// Tells who waits for it. Returns what the journal need no longer hold.
    fn has_written(&self, batch: &[Change<K, V>], now: Moment) -> Vec<u64> {
        let mut dirty = lock(&self.dirty);
        let done = dirty.written(batch, now);
        let mut waiters = lock(&self.waiters);
        let mut reached = Vec::new();
        for change in batch {
            if let Some(mut own) = waiters.remove(&change.key) {
                reached.extend(own.extract_if(.., |(version, _)| *version <= change.version));
                if !own.is_empty() {
                    waiters.insert(change.key.clone(), own);
                }
            }
        }
        drop(waiters);
        drop(dirty);
        // Who no longer waits needs no answer.
        reached.into_iter().for_each(|(_, waiter)| _ = waiter.send(()));
        done
    }
}
