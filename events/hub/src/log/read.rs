//! Records are read, on connections of their own, in batches bounded by number and bytes.

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Record, TopicInfo};
use mamparo_ledger::{Error, Ledger, ReadError, Result, Row, params};

use super::LogTopic;
use super::partition::{OFFSET_MAX, offset_of, pack};
use crate::limits::BATCH_BYTES_MAX;
use crate::message;
use crate::queue::core::batch;
use crate::topics::Topics;

/// Records of partition `number` from `offset` on; nothing if there is no such partition.
pub(crate) async fn read(
    ledger: &Ledger,
    log: &LogTopic,
    number: u32,
    offset: u64,
    max: usize,
) -> Result<Vec<Record>, ReadError> {
    let Some(partition) = log.partitions.get(number as usize) else { return Ok(Vec::new()) };
    let end = pack(partition.id, partition.next());
    let from = pack(partition.id, offset.max(partition.first()).min(OFFSET_MAX));
    if from >= end || max == 0 {
        return Ok(Vec::new());
    }
    let most = u32::try_from(max.min(BATCH_MAX)).unwrap_or(u32::MAX);
    let select = "SELECT size, id FROM hub_record WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
    let sizes = ledger.query(select, params![from, end, most]).await?;
    let count = batch(sizes.iter().map(|row| row.get(0).unwrap_or(u64::MAX)), BATCH_BYTES_MAX);
    let Some(last) = count.checked_sub(1).and_then(|index| sizes.get(index)) else { return Ok(Vec::new()) };
    let last: i64 = last.get(1).map_err(unreadable)?;
    let select = "SELECT id, at, uuid, key, headers, payload FROM hub_record \
                  WHERE id >= ?1 AND id <= ?2 ORDER BY id";
    let rows = ledger.query(select, params![from, last]).await?;
    rows.iter().map(|row| record(log, number, row).map_err(unreadable)).collect()
}

fn record(log: &LogTopic, partition: u32, row: &Row) -> Result<Record> {
    let message = message::read(row, 2, log.name.clone())?;
    Ok(Record { partition, offset: offset_of(row.get(0)?), at: row.get(1)?, message })
}

fn unreadable(error: Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

/// How every log stands.
pub(crate) async fn info(ledger: &Ledger, topics: &Topics) -> Result<Vec<TopicInfo>, ReadError> {
    let mut all = Vec::new();
    for log in &topics.logs {
        let partitions: Vec<_> =
            log.partitions.iter().map(|partition| (partition.first(), partition.next())).collect();
        let select = "SELECT name, partition, next FROM hub_offset WHERE topic = ?1 ORDER BY name, partition";
        let mut groups: Vec<(String, Vec<u64>)> = Vec::new();
        for row in ledger.query(select, params![log.id]).await? {
            let name: String = row.get(0).map_err(unreadable)?;
            let next: u64 = row.get(2).map_err(unreadable)?;
            match groups.last_mut() {
                Some((last, offsets)) if *last == name => offsets.push(next),
                _ => groups.push((name, vec![next])),
            }
        }
        all.push(TopicInfo { name: log.name.to_string(), partitions, groups });
    }
    Ok(all)
}
