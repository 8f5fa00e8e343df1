//! A journal in a ledger: an append is one transaction, so it shares its sync with whoever else writes at the same
//! time, and is on disk when it is answered.

use std::sync::{Arc, OnceLock};

use mamparo_cache::journal::{BoxFuture, Journal, JournalError, Record};
use mamparo_context::Context;
use mamparo_ledger::{Error, Ledger, Result, Row, Tx, params};

use crate::error::{OpenError, Refusal, of_read, of_write, refused};
use crate::key::{from_column, to_column};
use crate::limits::{
    ACKNOWLEDGED_AT_ONCE, APPEND_BYTES_MAX, APPEND_RECORDS_MAX, NAME_MAX, RECORD_BYTES_MAX, RECORDS_MAX,
    REPLAY_BYTES, REPLAY_RECORDS_MAX,
};
use crate::schema::MIGRATIONS;

/// One of the journals of a ledger. Clones share it.
///
/// It belongs to who has opened it last: what was opened before is refused everything but reading, in this process
/// and in any other.
#[derive(Clone)]
pub struct LedgerJournal {
    ledger: Ledger,
    own: Own,
    records_max: u64,
    /// Why nobody knows whether a write of it took effect, if so.
    in_doubt: Arc<OnceLock<JournalError>>,
}

/// Which journal, and which opening of it.
#[derive(Clone, Copy, Debug)]
struct Own {
    number: i64,
    opened: i64,
}

impl std::fmt::Debug for LedgerJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerJournal").field("ledger", &self.ledger.describe()).finish_non_exhaustive()
    }
}

impl LedgerJournal {
    /// Opens the journal called `name` in `ledger`, or makes it, and the tables for all of them.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(ledger: Ledger, name: &str) -> Result<Self, OpenError> {
        if !(1..=NAME_MAX).contains(&name.len()) {
            return Err(OpenError::Name { name: name.to_owned() });
        }
        ledger.migrate(MIGRATIONS).await?;
        let name = name.to_owned();
        let own = ledger.transact(&Context::root(), async move |tx| Own::take(tx, &name).await).await?;
        Ok(Self { ledger, own, records_max: RECORDS_MAX, in_doubt: Arc::default() })
    }

    /// Records that it keeps at most; by default [`RECORDS_MAX`].
    #[must_use]
    pub fn records_max(mut self, records: u64) -> Self {
        self.records_max = records;
        self
    }

    async fn write<F>(&self, work: F) -> Result<(), JournalError>
    where
        F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>) -> Result<()> + Send + 'static,
    {
        if let Some(doubt) = self.in_doubt.get() {
            return Err(doubt.clone());
        }
        let written = self.ledger.transact(&Context::root(), work).await;
        written.map_err(|error| match of_write(&error) {
            doubt @ JournalError::Indeterminate { .. } => self.in_doubt.get_or_init(|| doubt).clone(),
            refused => refused,
        })
    }
}

impl Own {
    async fn take(tx: &mut Tx<'_>, name: &str) -> Result<Self> {
        let sql = "INSERT INTO cache_journal (name, opened, records) VALUES (?1, 1, 0)
                   ON CONFLICT (name) DO UPDATE SET opened = opened + 1";
        tx.sql(sql, params![name]).await?;
        let sql = "SELECT number, opened FROM cache_journal WHERE name = ?1";
        let row = tx.query_one(sql, params![name]).await?;
        let row = row.ok_or_else(|| Error::Unavailable("a journal that was made is not there".into()))?;
        Ok(Self { number: row.get(0)?, opened: row.get(1)? })
    }

    async fn append(self, tx: &mut Tx<'_>, records: &[Record], max: u64) -> Result<()> {
        let sql = "UPDATE cache_journal SET records = records + ?1
                   WHERE number = ?2 AND opened = ?3 AND records + ?1 <= ?4";
        let count = records.len() as u64;
        if tx.sql(sql, params![count, self.number, self.opened, max]).await? == 0 {
            return Err(Error::app(self.refusal(tx, max).await?));
        }
        for record in records {
            let sql = "INSERT INTO cache_journal_record (journal, id, payload) VALUES (?1, ?2, ?3)";
            tx.sql(sql, params![self.number, to_column(record.id), record.payload]).await?;
        }
        Ok(())
    }

    async fn acknowledge(self, tx: &mut Tx<'_>, ids: &[u64]) -> Result<()> {
        let mut removed = 0;
        for id in ids {
            let sql = "DELETE FROM cache_journal_record WHERE journal = ?1 AND id = ?2";
            removed += tx.sql(sql, params![self.number, to_column(*id)]).await?;
        }
        let sql = "UPDATE cache_journal SET records = records - ?1 WHERE number = ?2 AND opened = ?3";
        if tx.sql(sql, params![removed, self.number, self.opened]).await? == 0 {
            return Err(Error::app(Refusal::OpenedAgain));
        }
        Ok(())
    }

    /// Why an append found no place.
    async fn refusal(self, tx: &mut Tx<'_>, max: u64) -> Result<Refusal> {
        let sql = "SELECT records FROM cache_journal WHERE number = ?1 AND opened = ?2";
        let row = tx.query_one(sql, params![self.number, self.opened]).await?;
        Ok(match row {
            Some(row) => Refusal::Full { records: row.get(0)?, max },
            None => Refusal::OpenedAgain,
        })
    }
}

impl Journal for LedgerJournal {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            if records.is_empty() {
                return Ok(());
            }
            fits(&records)?;
            let (own, max) = (self.own, self.records_max);
            self.write(async move |tx| own.append(tx, &records, max).await).await
        })
    }

    fn acknowledge(&self, ids: Vec<u64>) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            for some in ids.chunks(ACKNOWLEDGED_AT_ONCE) {
                let (own, some) = (self.own, some.to_vec());
                self.write(async move |tx| own.acknowledge(tx, &some).await).await?;
            }
            Ok(())
        })
    }

    fn replay(&self, after: Option<u64>, max: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        Box::pin(self.page(after, max.min(REPLAY_RECORDS_MAX)))
    }
}

impl LedgerJournal {
    async fn page(&self, after: Option<u64>, max: usize) -> Result<Vec<Record>, JournalError> {
        let mut next = after.map_or(Some(0), |after| after.checked_add(1)).filter(|_| max > 0);
        while let Some(from) = next {
            let Some(last) = self.end_of_page(from, max).await? else { break };
            let records = self.records(from, last, max).await?;
            // What was there a moment ago may have been acknowledged since; what follows it has not been looked at.
            if !records.is_empty() {
                return Ok(records);
            }
            next = last.checked_add(1);
        }
        Ok(Vec::new())
    }

    /// The last id of the page that begins with `from`; how large records are is looked at before they are read, so
    /// that a page of large ones does not fill the memory.
    async fn end_of_page(&self, from: u64, max: usize) -> Result<Option<u64>, JournalError> {
        let sql = "SELECT id, length(payload) FROM cache_journal_record
                   WHERE journal = ?1 AND id >= ?2 ORDER BY id LIMIT ?3";
        let (number, from, max) = (self.own.number, to_column(from), max as u64);
        let sizes = self.ledger.query(sql, params![number, from, max]).await.map_err(of_read)?;
        last_of(&sizes).map_err(refused)
    }

    async fn records(&self, from: u64, last: u64, max: usize) -> Result<Vec<Record>, JournalError> {
        let sql = "SELECT id, payload FROM cache_journal_record
                   WHERE journal = ?1 AND id >= ?2 AND id <= ?3 ORDER BY id LIMIT ?4";
        let (number, from, last, max) = (self.own.number, to_column(from), to_column(last), max as u64);
        let rows = self.ledger.query(sql, params![number, from, last, max]).await.map_err(of_read)?;
        rows.iter().map(record).collect::<Result<_>>().map_err(refused)
    }
}

/// The id of the last row for which there is room in a page, the first in any case.
fn last_of(sizes: &[Row]) -> Result<Option<u64>> {
    let (mut last, mut bytes) = (None, 0);
    for row in sizes {
        bytes += row.get::<u64>(1)?;
        if last.is_some() && bytes > REPLAY_BYTES as u64 {
            break;
        }
        last = Some(from_column(row.get(0)?));
    }
    Ok(last)
}

fn record(row: &Row) -> Result<Record> {
    Ok(Record { id: from_column(row.get(0)?), payload: row.get::<Vec<u8>>(1)?.into() })
}

/// Whether one transaction may take them.
fn fits(records: &[Record]) -> Result<(), JournalError> {
    if let Some(large) = records.iter().find(|record| record.payload.len() > RECORD_BYTES_MAX) {
        let size = large.payload.len();
        return Err(refused(format!("a record of {size} bytes; at most {RECORD_BYTES_MAX} fit")));
    }
    let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
    if records.len() > APPEND_RECORDS_MAX || bytes > APPEND_BYTES_MAX {
        let count = records.len();
        let fit = format!("{APPEND_RECORDS_MAX} records and {APPEND_BYTES_MAX} bytes");
        return Err(refused(format!("{count} records of {bytes} bytes at once; at most {fit} fit")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
