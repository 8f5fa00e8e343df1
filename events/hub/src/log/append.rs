//! Records are appended: dense offsets in every partition, and what retention no longer wants goes in the same
//! transaction, a bounded number for each append.

use mamparo_broker::PublishError;
use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Tx, params};

use super::partition::{OFFSET_MAX, pack};
use super::retention::{Held, Oldest, may_exceed, prune};
use crate::limits::PRUNE_MIN;
use crate::message::Item;
use crate::options::LogOptions;

/// Appends those of `items` whose numbers stand in `which` to partition row `partition`; what it held before,
/// and what it holds now.
pub(crate) async fn append(
    tx: &mut Tx<'_>,
    partition: i64,
    log: &LogOptions,
    items: &[Item],
    which: &[usize],
    now: Timestamp,
) -> Result<(Held, Held)> {
    let before = held(tx, partition).await?;
    let mut after = before;
    if before.next.saturating_add(which.len() as u64) > OFFSET_MAX {
        return Err(PublishError::Unavailable("the partition has no offset left".into()).into());
    }
    for item in which.iter().filter_map(|&index| items.get(index)) {
        let insert = "INSERT INTO hub_record (id, size, at, uuid, key, headers, payload) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (id, message) = (pack(partition, after.next), &item.message);
        let values = params![id, item.size, now, item.id, message.key, item.headers, message.payload];
        tx.sql(insert, values).await?;
        after.next += 1;
        after.bytes = after.bytes.saturating_add(item.size);
    }
    let after = drop_oldest(tx, partition, log, after, 2 * which.len() + PRUNE_MIN, now).await?;
    store(tx, partition, after).await?;
    Ok((before, after))
}

/// Drops what retention no longer wants, without an append; what is left, and whether there is more to drop.
pub(crate) async fn drop_old(
    tx: &mut Tx<'_>,
    partition: i64,
    log: &LogOptions,
    most: usize,
    now: Timestamp,
) -> Result<(Held, bool)> {
    let before = held(tx, partition).await?;
    let after = drop_oldest(tx, partition, log, before, most, now).await?;
    if after != before {
        store(tx, partition, after).await?;
    }
    Ok((after, after.first - before.first == most as u64))
}

async fn held(tx: &mut Tx<'_>, partition: i64) -> Result<Held> {
    let select = "SELECT first, next, bytes FROM hub_partition WHERE id = ?1";
    let row = tx.query_one(select, params![partition]).await?;
    row.map_or(Ok(Held { first: 0, next: 0, bytes: 0 }), |row| {
        Ok(Held { first: row.get(0)?, next: row.get(1)?, bytes: row.get(2)? })
    })
}

async fn store(tx: &mut Tx<'_>, partition: i64, held: Held) -> Result<()> {
    let update = "UPDATE hub_partition SET first = ?2, next = ?3, bytes = ?4 WHERE id = ?1";
    tx.sql(update, params![partition, held.first, held.next, held.bytes]).await?;
    Ok(())
}

async fn drop_oldest(
    tx: &mut Tx<'_>,
    partition: i64,
    log: &LogOptions,
    held: Held,
    most: usize,
    now: Timestamp,
) -> Result<Held> {
    if !may_exceed(held, log) {
        return Ok(held);
    }
    let select = "SELECT size, at FROM hub_record WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
    let range = (pack(partition, held.first), pack(partition, held.next));
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let rows = tx.query(select, params![range.0, range.1, most]).await?;
    let oldest: Result<Vec<_>> =
        rows.iter().map(|row| Ok(Oldest { size: row.get(0)?, at: row.get(1)? })).collect();
    let left = prune(held, &oldest?, log, now);
    if left.first > held.first {
        let delete = "DELETE FROM hub_record WHERE id >= ?1 AND id < ?2";
        tx.sql(delete, params![range.0, pack(partition, left.first)]).await?;
    }
    Ok(left)
}
