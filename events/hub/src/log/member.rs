//! One member of a consumer group: reads its partitions, and commits while they are its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_broker::{Assignment, BoxFuture, Group, LogError, Record, Start};
use mamparo_context::Context;
use mamparo_ledger::{Error, Ledger, Result, Tx, params};
use tokio::sync::watch;

use super::group::Members;
use super::{LogTopic, lock, read};
use crate::error::{log_error, log_read_error};
use crate::hub::Inner;
use crate::limits::WAIT_MAX;

/// A member of a group. Dropping it leaves.
pub(crate) struct Member {
    inner: Arc<Inner>,
    log: Arc<LogTopic>,
    group: Arc<Mutex<Members>>,
    name: Arc<str>,
    number: u64,
    changed: watch::Receiver<u64>,
    assignment: Assignment,
    /// The partition to begin the next read with, so that a busy one does not starve the others.
    turn: usize,
}

impl Member {
    pub(crate) async fn join(
        inner: Arc<Inner>,
        log: Arc<LogTopic>,
        name: &str,
        start: Start,
    ) -> Result<Self, LogError> {
        let busy = || LogError::Busy { retry_after: crate::limits::FULL_RETRY_AFTER };
        let group = log.group(name).ok_or_else(busy)?;
        let number = lock(&group).join().ok_or_else(busy)?;
        let (name, changed): (Arc<str>, _) = (name.into(), log.changed.subscribe());
        let assignment = Assignment { generation: 0, partitions: Vec::new() };
        // From here on, dropping it leaves the group.
        let mut member = Self { inner, log, group, name, number, changed, assignment, turn: 0 };
        member.log.announce();
        let (topic, name) = (member.log.id, Arc::clone(&member.name));
        let starts: Vec<u64> = member
            .log
            .partitions
            .iter()
            .map(|partition| match start {
                Start::Earliest => partition.first(),
                Start::Latest => partition.next(),
            })
            .collect();
        let (ledger, cx) = member.ledger();
        let stored = ledger.transact(&cx, async move |tx| begin(tx, topic, &name, &starts).await).await;
        stored.map_err(log_error)?;
        member.reload().await?;
        Ok(member)
    }

    fn ledger(&self) -> (Ledger, Context) {
        (self.inner.ledger.clone(), self.inner.cx.clone())
    }

    /// Takes what the group gives it now, each partition from its stored offset on.
    async fn reload(&mut self) -> Result<(), LogError> {
        let (generation, share) = {
            let group = lock(&self.group);
            (group.generation, group.share(self.number, self.log.partition_count()))
        };
        let (topic, name) = (self.log.id, Arc::clone(&self.name));
        let (ledger, cx) = self.ledger();
        // Behind every commit of an older generation, because both are transactions of one writer.
        let stored = ledger.transact(&cx, async move |tx| offsets(tx, topic, &name).await).await;
        let stored = stored.map_err(log_error)?;
        let from = |number: u32| stored.get(&number).copied().unwrap_or(0);
        let partitions = share.into_iter().map(|number| (number, from(number))).collect();
        self.assignment = Assignment { generation, partitions };
        Ok(())
    }

    async fn read(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        let count = self.assignment.partitions.len();
        for step in 0..count {
            let place = (self.turn + step) % count;
            let Some(&(number, offset)) = self.assignment.partitions.get(place) else { continue };
            let partition = self.log.partitions.get(number as usize);
            if partition.is_none_or(|partition| offset >= partition.next()) {
                continue;
            }
            let found = read(&self.inner.ledger, &self.log, number, offset, max).await;
            let found = found.map_err(log_read_error)?;
            if let (Some(last), Some(own)) = (found.last(), self.assignment.partitions.get_mut(place)) {
                own.1 = last.offset + 1;
                self.turn = place + 1;
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

impl Group for Member {
    fn next<'a>(&'a mut self, max: usize, wait: Duration) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            let mut end = std::pin::pin!(tokio::time::sleep(wait.min(WAIT_MAX)));
            loop {
                // Before looking, so that what comes while it looks is not missed.
                self.changed.mark_unchanged();
                if lock(&self.group).generation != self.assignment.generation {
                    self.reload().await?;
                }
                let found = self.read(max).await?;
                if !found.is_empty() || wait.is_zero() {
                    return Ok(found);
                }
                tokio::select! {
                    changed = self.changed.changed() => {
                        changed.map_err(|_| LogError::Unavailable("the hub was closed".into()))?;
                    }
                    () = &mut end => return Ok(Vec::new()),
                }
            }
        })
    }

    fn assignment(&self) -> Assignment {
        self.assignment.clone()
    }

    fn commit<'a>(&'a mut self, committed: &'a [(u32, u64)]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let generation = self.assignment.generation;
            let owns = |number: &u32| self.assignment.partitions.iter().any(|(own, _)| own == number);
            let (group, name) = (Arc::clone(&self.group), Arc::clone(&self.name));
            if !committed.iter().all(|(number, _)| owns(number)) {
                let current = lock(&group).generation;
                return Err(LogError::Revoked { group: name.to_string(), generation, current });
            }
            let (topic, committed) = (self.log.id, committed.to_vec());
            let (ledger, cx) = self.ledger();
            let done = ledger
                .transact(&cx, async move |tx| {
                    let current = lock(&group).generation;
                    if current != generation {
                        let group = name.to_string();
                        return Err(Error::app(LogError::Revoked { group, generation, current }));
                    }
                    for (number, next) in &committed {
                        store(tx, topic, &name, *number, *next).await?;
                    }
                    mamparo_context::failpoint("hub.offset.before-commit");
                    Ok(())
                })
                .await;
            done.map_err(log_error)
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        lock(&self.group).leave(self.number);
        self.log.announce();
    }
}

/// Moves the stored offset of a group; its members begin anew.
pub(crate) async fn seek(
    inner: &Inner,
    log: &Arc<LogTopic>,
    name: &str,
    number: u32,
    offset: u64,
) -> Result<(), LogError> {
    let busy = || LogError::Busy { retry_after: crate::limits::FULL_RETRY_AFTER };
    let group = log.group(name).ok_or_else(busy)?;
    let (topic, name): (_, Arc<str>) = (log.id, name.into());
    let starts: Vec<u64> = log.partitions.iter().map(super::Partition::first).collect();
    let done = inner
        .ledger
        .transact(&inner.cx, async move |tx| {
            // First, so that every commit of an older generation is refused from here on.
            lock(&group).restart();
            begin(tx, topic, &name, &starts).await?;
            store(tx, topic, &name, number, offset).await
        })
        .await;
    log.announce();
    done.map_err(log_error)
}

/// Gives the group its first offsets where it has none.
async fn begin(tx: &mut Tx<'_>, topic: i64, name: &str, starts: &[u64]) -> Result<()> {
    for (number, start) in (0_u32..).zip(starts) {
        let insert = "INSERT INTO hub_offset (topic, name, partition, next) VALUES (?1, ?2, ?3, ?4) \
                      ON CONFLICT DO NOTHING";
        tx.sql(insert, params![topic, name, number, *start]).await?;
    }
    Ok(())
}

async fn offsets(tx: &mut Tx<'_>, topic: i64, name: &str) -> Result<HashMap<u32, u64>> {
    let select = "SELECT partition, next FROM hub_offset WHERE topic = ?1 AND name = ?2";
    let rows = tx.query(select, params![topic, name]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

async fn store(tx: &mut Tx<'_>, topic: i64, name: &str, partition: u32, next: u64) -> Result<()> {
    let update = "UPDATE hub_offset SET next = ?4 WHERE topic = ?1 AND name = ?2 AND partition = ?3";
    tx.sql(update, params![topic, name, partition, next]).await?;
    Ok(())
}
