//! Dead letters: how a message becomes one, is shown, put back and forgotten.

use std::sync::Arc;

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{DeadLetter, MessageId, QueueError};
use mamparo_context::Timestamp;
use mamparo_ledger::{Error, Ledger, ReadError, Result, Row, Tx, params};

use super::core::{Next, batch, stored_error};
use super::{Counter, Entry, forget, promote, take};
use crate::limits::BATCH_BYTES_MAX;
use crate::message::decode_headers;
use crate::topics::Topics;

/// Makes the message of `entry` a dead letter. The next message of its key takes its turn; when that one may be
/// leased. What the queue holds stays the same: a dead letter counts.
pub(super) async fn bury(
    tx: &mut Tx<'_>,
    queue: i64,
    entry: &Entry,
    error: &str,
    now: Timestamp,
) -> Result<Option<Next>> {
    let copy = "INSERT INTO hub_dead \
                (id, queue, topic, size, attempts, error, dead_since, uuid, key, headers, payload) \
                SELECT id, queue, topic, size, ?2, ?3, ?4, uuid, key, headers, payload \
                FROM hub_message WHERE id = ?1";
    tx.sql(copy, params![entry.id, entry.attempts, stored_error(error), now]).await?;
    let key = if entry.keyed { key_of(tx, entry.id).await? } else { None };
    tx.sql("DELETE FROM hub_message WHERE id = ?1", params![entry.id]).await?;
    match key {
        Some(key) => promote(tx, queue, &key, now).await,
        None => Ok(None),
    }
}

/// The key of a message.
pub(super) async fn key_of(tx: &mut Tx<'_>, id: i64) -> Result<Option<String>> {
    let row = tx.query_one("SELECT key FROM hub_message WHERE id = ?1", params![id]).await?;
    row.map_or(Ok(None), |row| row.get(0))
}

/// Puts a dead letter back as a fresh message; the queue it went to and when it may be leased there (`None`: when
/// the messages of its key that came before it are done).
pub(crate) async fn redrive(tx: &mut Tx<'_>, sequence: u64) -> Result<(i64, Option<Next>)> {
    let Some(row) =
        tx.query_one("SELECT queue, size, key FROM hub_dead WHERE id = ?1", params![sequence]).await?
    else {
        return Err(Error::app(QueueError::UnknownDeadLetter(sequence.to_string())));
    };
    let (queue, size, key): (i64, i64, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let fresh = take(tx, Counter::Sequence, 1).await?;
    let copy = "INSERT INTO hub_message (id, queue, topic, size, not_before, uuid, key, headers, payload) \
                SELECT ?2, queue, topic, size, NULL, uuid, key, headers, payload FROM hub_dead WHERE id = ?1";
    tx.sql(copy, params![sequence, fresh]).await?;
    tx.sql("DELETE FROM hub_dead WHERE id = ?1", params![sequence]).await?;
    let fresh = i64::try_from(fresh).unwrap_or(i64::MAX);
    if let Some(key) = &key {
        let earlier = "SELECT 1 FROM hub_message WHERE queue = ?1 AND key = ?2 AND id < ?3 LIMIT 1";
        if tx.query_one(earlier, params![queue, key, fresh]).await?.is_some() {
            return Ok((queue, None));
        }
    }
    let entry = Entry { id: fresh, size, keyed: key.is_some(), attempts: 0, error: None };
    entry.make_ready(tx, queue).await?;
    Ok((queue, Some(Next::Ready)))
}

/// Forgets a dead letter.
pub(crate) async fn discard(tx: &mut Tx<'_>, sequence: u64) -> Result<()> {
    let row = tx.query_one("SELECT queue, size FROM hub_dead WHERE id = ?1", params![sequence]).await?;
    let Some(row) = row else {
        return Err(Error::app(QueueError::UnknownDeadLetter(sequence.to_string())));
    };
    tx.sql("DELETE FROM hub_dead WHERE id = ?1", params![sequence]).await?;
    forget(tx, row.get(0)?, 1, row.get(1)?).await
}

/// Dead letters of one queue, or of all, after number `after`; a page ends early when it is large.
pub(crate) async fn page(
    ledger: &Ledger,
    topics: &Topics,
    queue: Option<i64>,
    after: u64,
    limit: usize,
) -> Result<Vec<DeadLetter>, ReadError> {
    let limit = u32::try_from(limit.min(BATCH_MAX)).unwrap_or(u32::MAX);
    let of_queue = "SELECT size, id FROM hub_dead WHERE queue = ?3 AND id > ?1 ORDER BY id LIMIT ?2";
    let of_all = "SELECT size, id FROM hub_dead WHERE id > ?1 ORDER BY id LIMIT ?2";
    let sizes = match queue {
        Some(queue) => ledger.query(of_queue, params![after, limit, queue]).await?,
        None => ledger.query(of_all, params![after, limit]).await?,
    };
    let count = batch(sizes.iter().map(|row| row.get(0).unwrap_or(0)), BATCH_BYTES_MAX);
    let Some(last) = count.checked_sub(1).and_then(|index| sizes.get(index)) else { return Ok(Vec::new()) };
    let last: u64 = last.get(1).map_err(unreadable)?;
    let select = "SELECT id, queue, uuid, key, headers, payload, attempts, error, dead_since FROM hub_dead \
                  WHERE id > ?1 AND id <= ?2 AND (?3 IS NULL OR queue = ?3) ORDER BY id";
    let rows = ledger.query(select, params![after, last, queue]).await?;
    rows.iter().map(|row| letter(topics, row).map_err(unreadable)).collect()
}

fn unreadable(error: Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

fn letter(topics: &Topics, row: &Row) -> Result<DeadLetter> {
    let headers: Option<String> = row.get(4)?;
    let payload: Vec<u8> = row.get(5)?;
    Ok(DeadLetter {
        sequence: row.get(0)?,
        queue: topics.name(row.get(1)?, &Arc::from("?")).to_string(),
        id: MessageId(row.get(2)?),
        key: row.get(3)?,
        headers: decode_headers(headers.as_deref()),
        payload: String::from_utf8_lossy(&payload).into_owned(),
        attempts: row.get(6)?,
        error: row.get(7)?,
        dead_since: row.get(8)?,
    })
}
