//! Messages enter a queue: all of a batch, or none.

use mamparo_broker::PublishError;
use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Tx, params};

use super::core::{Next, Usage, first_due};
use super::{Counter, QueueTopic, take};
use crate::limits::{DELAY_MAX, FORGET_MIN, FULL_RETRY_AFTER};
use crate::message::Item;

/// What receivers are told once the messages are committed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entered {
    /// Messages that can be leased now.
    pub(crate) ready: usize,
    /// When the first of the others may be.
    pub(crate) due: Option<Timestamp>,
}

/// Puts those of `items` whose numbers stand in `which` into `queue`.
pub(crate) async fn enter_all(
    tx: &mut Tx<'_>,
    queue: &QueueTopic,
    items: &[Item],
    which: &[usize],
    now: Timestamp,
) -> Result<Entered> {
    let coming = || which.iter().filter_map(|&index| items.get(index));
    let held = usage(tx, queue.id).await?;
    let more = Usage { messages: which.len() as u64, bytes: coming().map(|item| item.size).sum() };
    if !held.admits(more, &queue.options) {
        let topic = queue.name.to_string();
        return Err(PublishError::Full { topic, retry_after: FULL_RETRY_AFTER }.into());
    }
    let first = take(tx, Counter::Sequence, more.messages).await?;
    let mut added = Usage::default();
    for (item, id) in coming().zip(first..) {
        if is_repeated(tx, queue, item, now).await? {
            continue;
        }
        insert(tx, queue.id, item, id).await?;
        added.messages += 1;
        added.bytes += item.size;
    }
    let range = (first, first + more.messages);
    let ready = make_ready(tx, queue.id, range, now).await?;
    // Earlier than the truth for what waits behind its key, which does no harm.
    let due = coming().filter_map(|item| match first_due(item.message.not_before, now) {
        Next::Rest(until) => Some(until),
        Next::Ready | Next::Dead => None,
    });
    let due = due.min();
    if due.is_some() {
        rest(tx, queue.id, range, now).await?;
    }
    forget_seen(tx, queue, which.len(), now).await?;
    let update = "UPDATE hub_queue SET messages = messages + ?2, bytes = bytes + ?3 WHERE id = ?1";
    tx.sql(update, params![queue.id, added.messages, added.bytes]).await?;
    Ok(Entered { ready: usize::try_from(ready).unwrap_or(usize::MAX), due })
}

pub(super) async fn usage(tx: &mut Tx<'_>, queue: i64) -> Result<Usage> {
    let row = tx.query_one("SELECT messages, bytes FROM hub_queue WHERE id = ?1", params![queue]).await?;
    row.map_or(Ok(Usage::default()), |row| Ok(Usage { messages: row.get(0)?, bytes: row.get(1)? }))
}

async fn insert(tx: &mut Tx<'_>, queue: i64, item: &Item, id: u64) -> Result<()> {
    let insert = "INSERT INTO hub_message (id, queue, topic, size, not_before, uuid, key, headers, payload) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let (message, headers) = (&item.message, &item.headers);
    let (not_before, key, payload) = (message.not_before, &message.key, &message.payload);
    let values = params![id, queue, item.topic, item.size, not_before, item.id, key, headers, payload];
    tx.sql(insert, values).await?;
    Ok(())
}

/// Of the new messages in `range`, lets those be leased that may be now; how many.
async fn make_ready(tx: &mut Tx<'_>, queue: i64, range: (u64, u64), now: Timestamp) -> Result<u64> {
    let insert = "INSERT INTO hub_ready (queue, id, size, keyed, attempts, error) \
                  SELECT queue, id, size, key IS NOT NULL, 0, NULL FROM hub_message AS own \
                  WHERE id >= ?1 AND id < ?2 AND queue = ?3 AND (not_before IS NULL OR not_before <= ?4) \
                  AND (key IS NULL OR NOT EXISTS (SELECT 1 FROM hub_message AS before \
                  WHERE before.queue = own.queue AND before.key = own.key AND before.id < own.id))";
    tx.sql(insert, params![range.0, range.1, queue, now]).await
}

/// Of the new messages in `range`, lets those rest whose moment has not come.
async fn rest(tx: &mut Tx<'_>, queue: i64, range: (u64, u64), now: Timestamp) -> Result<()> {
    let insert = "INSERT INTO hub_away (queue, id, size, keyed, attempts, error, lease, due) \
                  SELECT queue, id, size, key IS NOT NULL, 0, NULL, 0, min(not_before, ?5) \
                  FROM hub_message AS own \
                  WHERE id >= ?1 AND id < ?2 AND queue = ?3 AND not_before > ?4 \
                  AND (key IS NULL OR NOT EXISTS (SELECT 1 FROM hub_message AS before \
                  WHERE before.queue = own.queue AND before.key = own.key AND before.id < own.id))";
    tx.sql(insert, params![range.0, range.1, queue, now, now + DELAY_MAX]).await?;
    Ok(())
}

/// Whether the queue saw this id within its window.
async fn is_repeated(tx: &mut Tx<'_>, queue: &QueueTopic, item: &Item, now: Timestamp) -> Result<bool> {
    let Some(window) = queue.options.dedup else { return Ok(false) };
    let insert = "INSERT INTO hub_seen (queue, uuid, at) VALUES (?1, ?2, ?3) \
                  ON CONFLICT (queue, uuid) DO UPDATE SET at = excluded.at WHERE at <= ?4";
    Ok(tx.sql(insert, params![queue.id, item.id, now, now - window]).await? == 0)
}

async fn forget_seen(tx: &mut Tx<'_>, queue: &QueueTopic, added: usize, now: Timestamp) -> Result<()> {
    let Some(window) = queue.options.dedup else { return Ok(()) };
    let most = u32::try_from(2 * added + FORGET_MIN).unwrap_or(u32::MAX);
    let delete = "DELETE FROM hub_seen WHERE (queue, uuid) IN (SELECT queue, uuid FROM hub_seen \
                  WHERE queue = ?1 AND at <= ?2 ORDER BY at LIMIT ?3)";
    tx.sql(delete, params![queue.id, now - window, most]).await?;
    Ok(())
}
