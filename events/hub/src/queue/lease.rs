//! Messages are handed out: the first of those that are ready, in order, under one lease number.

use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::{Delivery, Receipt};
use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Tx, params};

use super::core::batch;
use super::sweep::{Swept, sweep};
use super::{Counter, QueueTopic, Settlement, take};
use crate::hub::Inner;
use crate::message;
use crate::topics::Topics;

/// What a receiver gets.
#[derive(Debug, Default)]
pub(crate) struct Leased {
    pub(crate) deliveries: Vec<Delivery>,
    /// What was found due and looked after on the way.
    pub(crate) swept: Option<Swept>,
    /// Whether messages were left that are ready.
    pub(crate) more: bool,
}

/// What a receiver asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) max: u32,
    pub(crate) bytes: usize,
    pub(crate) visibility: Duration,
}

/// Messages on their way to a receiver. They are given back if it went away.
pub(crate) struct Handover {
    pub(crate) inner: Arc<Inner>,
    pub(crate) deliveries: Vec<Delivery>,
}

impl Handover {
    /// The receiver is there and has them.
    pub(crate) fn take(mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if self.deliveries.is_empty() {
            return;
        }
        let receipts: Vec<_> = self.deliveries.drain(..).map(|delivery| delivery.receipt).collect();
        let inner = Arc::clone(&self.inner);
        // Without a runtime the process is ending, and the leases run out.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = inner.settle(&receipts, Settlement::Release).await {
                tracing::warn!(%error, "messages of a receiver that went away wait for their lease to run out");
            }
        });
    }
}

/// Leases messages of `queue`, after looking after what is due if `sweep_first`.
pub(crate) async fn lease(
    tx: &mut Tx<'_>,
    topics: &Topics,
    queue: &QueueTopic,
    asked: Asked,
    sweep_first: bool,
    now: Timestamp,
) -> Result<Leased> {
    let swept = if sweep_first { Some(sweep(tx, queue, now).await?) } else { None };
    let select = "SELECT size, id FROM hub_ready WHERE queue = ?1 ORDER BY id LIMIT ?2";
    let ready = tx.query(select, params![queue.id, asked.max.saturating_add(1)]).await?;
    let sizes = ready.iter().take(asked.max as usize).map(|row| row.get(0).unwrap_or(u64::MAX));
    let count = batch(sizes, asked.bytes);
    let more = ready.len() > count;
    let Some(last) = count.checked_sub(1).and_then(|index| ready.get(index)) else {
        return Ok(Leased { swept, more, ..Leased::default() });
    };
    let last: i64 = last.get(1)?;
    let number = take(tx, Counter::Lease, 1).await?;
    let leased_until = now + asked.visibility;
    let deliveries = read(tx, topics, queue, last, (number, leased_until)).await?;
    let insert = "INSERT INTO hub_away (id, queue, due, lease, size, keyed, attempts, error) \
                  SELECT id, queue, ?3, ?4, size, keyed, attempts + 1, error FROM hub_ready \
                  WHERE queue = ?1 AND id <= ?2";
    tx.sql(insert, params![queue.id, last, leased_until, number]).await?;
    tx.sql("DELETE FROM hub_ready WHERE queue = ?1 AND id <= ?2", params![queue.id, last]).await?;
    Ok(Leased { deliveries, swept, more })
}

async fn read(
    tx: &mut Tx<'_>,
    topics: &Topics,
    queue: &QueueTopic,
    last: i64,
    (lease, leased_until): (u64, Timestamp),
) -> Result<Vec<Delivery>> {
    let select = "SELECT r.id, r.attempts, r.error, m.topic, m.uuid, m.key, m.headers, m.payload \
                  FROM hub_ready r JOIN hub_message m ON m.id = r.id \
                  WHERE r.queue = ?1 AND r.id <= ?2 ORDER BY r.id";
    let rows = tx.query(select, params![queue.id, last]).await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        let topic = topics.name(row.get(3)?, &queue.name);
        deliveries.push(Delivery {
            receipt: Receipt { queue: queue.name.to_string(), sequence: row.get(0)?, lease },
            message: message::read(&row, 4, topic)?,
            attempt: row.get::<u32>(1)?.saturating_add(1),
            leased_until,
            last_error: row.get(2)?,
        });
    }
    Ok(deliveries)
}
