//! What a consumer says about messages it was handed. A receipt counts only while its lease is live.

use std::time::Duration;

use mamparo_broker::Receipt;
use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Tx, params};

use super::ack::ack;
use super::core::{Failure, Next, after};
use super::dead::bury;
use super::{Entry, QueueTopic, core};
use crate::limits::VISIBILITY_MAX;
use crate::message::earlier;

/// What the consumer says.
#[derive(Clone, Debug)]
pub(crate) enum Settlement {
    /// It is done.
    Ack,
    /// It failed.
    Fail(Failure, String),
    /// It is given back, without counting as an attempt.
    Release,
    /// It takes longer.
    Extend(Duration),
}

impl Settlement {
    pub(crate) fn fail(failure: Failure, error: &str) -> Self {
        Self::Fail(failure, core::stored_error(error).to_owned())
    }

    pub(crate) fn extend(visibility: Duration) -> Self {
        Self::Extend(visibility.min(VISIBILITY_MAX))
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settled {
    /// Receipts that were live.
    pub(crate) live: usize,
    /// Messages that can be leased now.
    pub(crate) ready: usize,
    /// When the first of the others may be.
    pub(crate) due: Option<Timestamp>,
}

impl Settled {
    pub(super) fn add(&mut self, next: Option<Next>) {
        match next {
            Some(Next::Ready) => self.ready += 1,
            Some(Next::Rest(due)) => self.due = earlier(self.due, Some(due)),
            Some(Next::Dead) | None => {}
        }
    }
}

/// Settles messages of one queue. Receipts of other queues are void.
pub(crate) async fn settle(
    tx: &mut Tx<'_>,
    queue: &QueueTopic,
    receipts: &[Receipt],
    settlement: &Settlement,
    now: Timestamp,
) -> Result<Settled> {
    let mut settled = Settled::default();
    if matches!(settlement, Settlement::Ack) {
        return ack(tx, queue, receipts, now).await;
    }
    for receipt in receipts.iter().filter(|receipt| *receipt.queue == *queue.name) {
        if let Settlement::Extend(visibility) = settlement {
            let due = now + *visibility;
            let update =
                "UPDATE hub_away SET due = ?4 WHERE id = ?1 AND lease = ?2 AND due > ?3 AND lease > 0";
            let live = tx.sql(update, params![receipt.sequence, receipt.lease, now, due]).await? > 0;
            if live {
                settled.live += 1;
                settled.due = earlier(settled.due, Some(due));
            }
            continue;
        }
        let Some(mut entry) = take_live(tx, queue.id, receipt, now).await? else { continue };
        settled.live += 1;
        match settlement {
            Settlement::Release => {
                entry.attempts = entry.attempts.saturating_sub(1);
                entry.make_ready(tx, queue.id).await?;
                settled.ready += 1;
            }
            Settlement::Fail(failure, error) => {
                entry.error = Some(error.clone());
                let next = after(*failure, entry.attempts, &queue.options, now);
                match next {
                    Next::Ready => entry.make_ready(tx, queue.id).await?,
                    Next::Rest(until) => entry.rest(tx, queue.id, until).await?,
                    Next::Dead => settled.add(bury(tx, queue.id, &entry, error, now).await?),
                }
                settled.add(Some(next));
            }
            Settlement::Ack | Settlement::Extend(_) => {}
        }
    }
    Ok(settled)
}

/// Ends a lease, if it is live.
pub(super) async fn take_live(
    tx: &mut Tx<'_>,
    queue: i64,
    receipt: &Receipt,
    now: Timestamp,
) -> Result<Option<Entry>> {
    let delete = "DELETE FROM hub_away WHERE id = ?1 AND lease = ?2 AND due > ?3 AND queue = ?4 AND lease > 0 \
                  RETURNING id, size, keyed, attempts, error";
    let row = tx.query_one(delete, params![receipt.sequence, receipt.lease, now, queue]).await?;
    row.as_ref().map(Entry::read).transpose()
}
