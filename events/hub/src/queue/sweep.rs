//! Leases that ran out and delays that have passed.

use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Tx, params};

use super::core::{Failure, Next, after};
use super::{Entry, QueueTopic, dead};
use crate::limits::SWEEP_MAX;
use crate::message::earlier;

/// What a sweep left behind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Swept {
    /// Messages that can be leased again.
    pub(crate) ready: usize,
    /// What is due next.
    pub(crate) due: Option<Timestamp>,
}

const EXPIRED: &str = "the lease ran out before the message was acknowledged";

/// Looks after what is due in `queue`, a bounded number of messages.
pub(crate) async fn sweep(tx: &mut Tx<'_>, queue: &QueueTopic, now: Timestamp) -> Result<Swept> {
    let select = "SELECT id, size, keyed, attempts, error, lease FROM hub_away \
                  WHERE queue = ?1 AND due <= ?2 ORDER BY due LIMIT ?3";
    let mut swept = Swept::default();
    for row in tx.query(select, params![queue.id, now, SWEEP_MAX]).await? {
        let mut entry = Entry::read(&row)?;
        tx.sql("DELETE FROM hub_away WHERE id = ?1", params![entry.id]).await?;
        let next = if row.get::<i64>(5)? == 0 {
            Next::Ready
        } else {
            entry.error = Some(EXPIRED.to_owned());
            after(Failure::Expired, entry.attempts, &queue.options, now)
        };
        match next {
            Next::Ready => {
                entry.make_ready(tx, queue.id).await?;
                swept.ready += 1;
            }
            Next::Rest(until) => entry.rest(tx, queue.id, until).await?,
            Next::Dead => match dead::bury(tx, queue.id, &entry, EXPIRED, now).await? {
                Some(Next::Rest(due)) => swept.due = earlier(swept.due, Some(due)),
                Some(Next::Ready | Next::Dead) => swept.ready += 1,
                None => {}
            },
        }
    }
    let next = "SELECT min(due) FROM hub_away WHERE queue = ?1";
    if let Some(row) = tx.query_one(next, params![queue.id]).await? {
        swept.due = earlier(swept.due, row.get(0)?);
    }
    Ok(swept)
}
