//! The queues of the hub: the state that one keeps in memory (who waits, and what is due next), and the contract
//! over the transactions in the files beside this one. What is true stands in the ledger alone.

mod ack;
mod contract;
pub(crate) mod core;
mod dead;
mod lease;
mod publish;
mod settle;
mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mamparo_context::Timestamp;
use mamparo_ledger::{Ledger, Result, Row, Tx, params};
use tokio::sync::Notify;

#[cfg(feature = "server")]
pub(crate) use self::core::Failure;
pub(crate) use contract::CAPABILITIES;
pub(crate) use publish::{Entered, enter_all};
pub(crate) use settle::Settlement;
pub(crate) use sweep::sweep;

use crate::options::QueueOptions;

/// A queue, as the hub holds it.
#[derive(Debug)]
pub(crate) struct QueueTopic {
    pub(crate) id: i64,
    pub(crate) name: Arc<str>,
    pub(crate) options: QueueOptions,
    /// Receivers that wait for a message.
    pub(crate) waiting: Notify,
    /// The earliest moment, in microseconds, at which a lease or a delay may end: never later than the truth.
    next_due: AtomicI64,
}

const NEVER: i64 = i64::MAX;

impl QueueTopic {
    pub(crate) async fn open(
        ledger: &Ledger,
        id: i64,
        name: Arc<str>,
        options: QueueOptions,
    ) -> Result<Self> {
        let rows = ledger.query("SELECT min(due) FROM hub_away WHERE queue = ?1", params![id]).await?;
        let due = rows.first().and_then(|row| row.get::<Option<i64>>(0).ok().flatten());
        let (waiting, next_due) = (Notify::new(), AtomicI64::new(due.unwrap_or(NEVER)));
        Ok(Self { id, name, options, waiting, next_due })
    }

    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.options.subscriptions.iter().map(String::as_str)
    }

    /// The earliest moment at which a lease or a delay may end.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let due = self.next_due.load(Ordering::SeqCst);
        (due != NEVER).then_some(Timestamp::from_micros(due))
    }

    /// Something ends at `due`, as a committed transaction has it; whether that is earlier than all known.
    pub(crate) fn due(&self, due: Option<Timestamp>) -> bool {
        let due = due.map_or(NEVER, Timestamp::as_micros);
        self.next_due.fetch_min(due, Ordering::SeqCst) > due
    }

    /// Takes what is due at `now`, if anything is, for a transaction that looks after it and says afterwards what it left:
    /// what another transaction adds meanwhile is not lost. Called within the transaction: whoever finds nothing due
    /// any more stands behind it and sees what it has done.
    pub(crate) fn takes_due(&self, now: Timestamp) -> bool {
        let is_due = self.next_due().is_some_and(|due| due <= now);
        is_due && self.next_due.swap(NEVER, Ordering::SeqCst) != NEVER
    }

    /// Wakes receivers, as many as `messages` may occupy.
    pub(crate) fn wake(&self, messages: usize) {
        for _ in 0..messages.min(crate::limits::WAKE_MAX) {
            self.waiting.notify_one();
        }
    }
}

/// The next number after all that counter `which` gave out, `count` of them being taken.
async fn take(tx: &mut Tx<'_>, which: Counter, count: u64) -> Result<u64> {
    let which = which as u8;
    let row = tx.query_one("SELECT value FROM hub_counter WHERE id = ?1", params![which]).await?;
    let last: u64 = row.map_or(Ok(0), |row| row.get(0))?;
    tx.sql("UPDATE hub_counter SET value = ?2 WHERE id = ?1", params![which, last + count]).await?;
    Ok(last + 1)
}

#[derive(Clone, Copy)]
enum Counter {
    Sequence = 1,
    Lease = 2,
}

/// What changes in what queue number `queue` holds.
async fn forget(tx: &mut Tx<'_>, queue: i64, messages: u64, bytes: u64) -> Result<()> {
    if messages > 0 {
        let update = "UPDATE hub_queue SET messages = messages - ?2, bytes = bytes - ?3 WHERE id = ?1";
        tx.sql(update, params![queue, messages, bytes]).await?;
    }
    Ok(())
}

/// A message that is neither ready nor away, as it is about to become one of them.
struct Entry {
    id: i64,
    size: i64,
    keyed: bool,
    attempts: u32,
    error: Option<String>,
}

impl Entry {
    /// From the columns id, size, keyed, attempts, error.
    fn read(row: &Row) -> Result<Self> {
        let (id, size, keyed) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { id, size, keyed, attempts: row.get(3)?, error: row.get(4)? })
    }

    async fn make_ready(&self, tx: &mut Tx<'_>, queue: i64) -> Result<()> {
        let insert = "INSERT INTO hub_ready (queue, id, size, keyed, attempts, error) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![queue, self.id, self.size, self.keyed, self.attempts, self.error];
        tx.sql(insert, values).await?;
        Ok(())
    }

    async fn rest(&self, tx: &mut Tx<'_>, queue: i64, until: Timestamp) -> Result<()> {
        let insert = "INSERT INTO hub_away (id, queue, due, lease, size, keyed, attempts, error) \
                      VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7)";
        let values = params![self.id, queue, until, self.size, self.keyed, self.attempts, self.error];
        tx.sql(insert, values).await?;
        Ok(())
    }
}

/// Lets the first message of `key`, if there is one, take its turn; when it may be leased.
async fn promote(tx: &mut Tx<'_>, queue: i64, key: &str, now: Timestamp) -> Result<Option<core::Next>> {
    let head = "SELECT id, size, not_before FROM hub_message \
                WHERE queue = ?1 AND key = ?2 ORDER BY id LIMIT 1";
    let Some(row) = tx.query_one(head, params![queue, key]).await? else { return Ok(None) };
    let entry = Entry { id: row.get(0)?, size: row.get(1)?, keyed: true, attempts: 0, error: None };
    let next = core::first_due(row.get(2)?, now);
    match next {
        core::Next::Rest(until) => entry.rest(tx, queue, until).await?,
        core::Next::Ready | core::Next::Dead => entry.make_ready(tx, queue).await?,
    }
    Ok(Some(next))
}
