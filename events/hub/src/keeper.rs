//! Looks after what happens without a call: leases that run out, delays that pass, records that get too old.
//! Sleeps until the next of these moments; nothing is polled.

use std::sync::Arc;
use std::time::Duration;

use mamparo_context::Timestamp;

use crate::hub::Inner;
use crate::limits::{KEEPER_REST, PRUNE_MIN};
use crate::log::{LogTopic, drop_old};
use crate::queue::{QueueTopic, sweep};

/// Runs for ever.
pub(crate) async fn keep(inner: Arc<Inner>) {
    let mut logs_next = inner.now();
    loop {
        let now = inner.now();
        for queue in inner.topics.queues.iter().filter(|queue| queue.next_due().is_some_and(|at| at <= now)) {
            sweep_now(&inner, queue).await;
        }
        if logs_next <= now {
            logs_next = prune(&inner, now).await;
        }
        let mut due = logs_next;
        for queue in &inner.topics.queues {
            due = queue.next_due().map_or(due, |next| due.min(next));
        }
        let rest = due.since(inner.now());
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = inner.sooner.notified() => {}
        }
    }
}

/// Looks after what is due in one queue, and wakes its receivers.
async fn sweep_now(inner: &Arc<Inner>, queue: &Arc<QueueTopic>) {
    let own = Arc::clone(queue);
    let swept = inner
        .ledger
        .transact(&inner.cx, async move |tx| {
            let now = tx.clock().wall();
            own.takes_due(now);
            let swept = sweep(tx, &own, now).await?;
            mamparo_context::failpoint("hub.sweep.before-commit");
            Ok(swept)
        })
        .await;
    match swept {
        Ok(swept) => {
            queue.due(swept.due);
            queue.wake(swept.ready);
        }
        Err(error) => {
            tracing::warn!(queue = %queue.name, %error, "leases that ran out could not be looked after");
            // It may have taken what was due.
            queue.due(Some(inner.now()));
            tokio::time::sleep(KEEPER_REST).await;
        }
    }
}

/// Drops records that got too old without an append; when to look again.
async fn prune(inner: &Arc<Inner>, now: Timestamp) -> Timestamp {
    let aging = |log: &&Arc<LogTopic>| log.options.retention_age.is_some();
    let mut rest = Duration::from_secs(3600);
    for log in inner.topics.logs.iter().filter(aging) {
        let age = log.options.retention_age.unwrap_or(rest);
        rest = rest.min((age / 10).max(Duration::from_millis(100)));
        for partition in log.partitions.iter().filter(|partition| partition.first() < partition.next()) {
            let (own, id, most) = (Arc::clone(log), partition.id, 16 * PRUNE_MIN);
            let dropped = inner
                .ledger
                .transact(&inner.cx, async move |tx| {
                    let now = tx.clock().wall();
                    drop_old(tx, id, &own.options, most, now).await
                })
                .await;
            match dropped {
                Ok((held, more)) => {
                    partition.became(held);
                    if more {
                        rest = Duration::ZERO;
                    }
                }
                Err(error) => tracing::warn!(log = %log.name, %error, "old records could not be dropped"),
            }
        }
    }
    now + rest
}
