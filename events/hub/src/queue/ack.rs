//! Messages are done. What was leased together is mostly acknowledged together: such receipts are settled with a
//! handful of statements for all of them, others one by one.

use std::collections::BTreeMap;

use mamparo_broker::Receipt;
use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Tx, params};

use super::settle::{Settled, take_live};
use super::{Entry, QueueTopic, dead, forget, promote};

/// Receipts of one lease from which on they are settled together.
const TOGETHER_MIN: usize = 4;

/// Acknowledges messages of one queue. Receipts of other queues are void.
pub(super) async fn ack(
    tx: &mut Tx<'_>,
    queue: &QueueTopic,
    receipts: &[Receipt],
    now: Timestamp,
) -> Result<Settled> {
    let mut by_lease: BTreeMap<u64, Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts.iter().filter(|receipt| *receipt.queue == *queue.name) {
        by_lease.entry(receipt.lease).or_default().push(receipt);
    }
    let mut done = Done::default();
    for (lease, mut receipts) in by_lease {
        receipts.sort_unstable_by_key(|receipt| receipt.sequence);
        receipts.dedup_by_key(|receipt| receipt.sequence);
        if !together(tx, queue, lease, &receipts, now, &mut done).await? {
            for receipt in receipts {
                one(tx, queue, receipt, now, &mut done).await?;
            }
        }
    }
    forget(tx, queue.id, done.messages, done.bytes).await?;
    Ok(done.settled)
}

#[derive(Default)]
struct Done {
    messages: u64,
    bytes: u64,
    settled: Settled,
}

async fn one(
    tx: &mut Tx<'_>,
    queue: &QueueTopic,
    receipt: &Receipt,
    now: Timestamp,
    done: &mut Done,
) -> Result<()> {
    let Some(entry) = take_live(tx, queue.id, receipt, now).await? else { return Ok(()) };
    done.messages += 1;
    done.bytes += u64::try_from(entry.size).unwrap_or(0);
    done.settled.live += 1;
    let key = remove(tx, &entry).await?;
    if let Some(key) = key {
        done.settled.add(promote(tx, queue.id, &key, now).await?);
    }
    Ok(())
}

/// Forgets a message; its key, if it has one.
async fn remove(tx: &mut Tx<'_>, entry: &Entry) -> Result<Option<String>> {
    let key = if entry.keyed { dead::key_of(tx, entry.id).await? } else { None };
    tx.sql("DELETE FROM hub_message WHERE id = ?1", params![entry.id]).await?;
    Ok(key)
}

/// Acknowledges receipts of one lease, in order of their numbers, if they are all that is live of it between the
/// first and the last; whether they are.
async fn together(
    tx: &mut Tx<'_>,
    queue: &QueueTopic,
    lease: u64,
    receipts: &[&Receipt],
    now: Timestamp,
    done: &mut Done,
) -> Result<bool> {
    let (Some(first), Some(last)) = (receipts.first(), receipts.last()) else { return Ok(true) };
    let (first, last) = (first.sequence, last.sequence);
    if receipts.len() < TOGETHER_MIN || last - first > 4 * receipts.len() as u64 {
        return Ok(false);
    }
    let live = "SELECT count(*), sum(size), sum(keyed) FROM hub_away \
                WHERE id BETWEEN ?1 AND ?2 AND queue = ?3 AND lease = ?4 AND due > ?5";
    let range = params![first, last, queue.id, lease, now];
    let Some(row) = tx.query_one(live, range).await? else { return Ok(false) };
    if row.get::<u64>(0)? != receipts.len() as u64 || !all_there(tx, queue, lease, receipts).await? {
        return Ok(false);
    }
    let keys = if row.get::<u64>(2)? > 0 {
        let keys = "SELECT m.key FROM hub_away a JOIN hub_message m ON m.id = a.id \
                    WHERE a.id BETWEEN ?1 AND ?2 AND a.queue = ?3 AND a.lease = ?4 AND a.due > ?5 AND a.keyed = 1";
        tx.query(keys, range).await?
    } else {
        Vec::new()
    };
    let delete = "DELETE FROM hub_message WHERE id IN (SELECT id FROM hub_away \
                  WHERE id BETWEEN ?1 AND ?2 AND queue = ?3 AND lease = ?4 AND due > ?5)";
    tx.sql(delete, range).await?;
    let delete = "DELETE FROM hub_away \
                  WHERE id BETWEEN ?1 AND ?2 AND queue = ?3 AND lease = ?4 AND due > ?5";
    tx.sql(delete, range).await?;
    done.messages += receipts.len() as u64;
    done.bytes += row.get::<u64>(1)?;
    done.settled.live += receipts.len();
    for row in keys {
        let key: String = row.get(0)?;
        done.settled.add(promote(tx, queue.id, &key, now).await?);
    }
    Ok(true)
}

/// Whether the live leases between the first and the last receipt, as many as there are receipts, are theirs.
async fn all_there(tx: &mut Tx<'_>, queue: &QueueTopic, lease: u64, receipts: &[&Receipt]) -> Result<bool> {
    let (Some(first), Some(last)) = (receipts.first(), receipts.last()) else { return Ok(true) };
    if last.sequence - first.sequence + 1 == receipts.len() as u64 {
        // Without a gap there is no other number that could be meant.
        return Ok(true);
    }
    let ids = "SELECT id FROM hub_away WHERE id BETWEEN ?1 AND ?2 AND queue = ?3 AND lease = ?4 ORDER BY id";
    let rows = tx.query(ids, params![first.sequence, last.sequence, queue.id, lease]).await?;
    let same = rows.iter().map(|row| row.get::<u64>(0)).zip(receipts.iter().map(|receipt| receipt.sequence));
    let mut all = rows.len() == receipts.len();
    for (found, asked) in same {
        all &= found? == asked;
    }
    Ok(all)
}
