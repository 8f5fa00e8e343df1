//! The contract of a queue, over the transactions beside this file.

use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::limits::{BATCH_MAX, PAYLOAD_BYTES_MAX};
use mamparo_broker::{
    BoxFuture, Capabilities, DeadLetter, Delivery, Lease, Message, MessageId, Order, PublishError, Queue,
    QueueError, QueueInfo, Receipt,
};
use mamparo_context::failpoint;
use mamparo_ledger::params;

use super::core::{Failure, Next};
use super::lease::{Asked, Handover, Leased};
use super::{QueueTopic, Settlement, dead, lease, settle};
use crate::error::{publish_error, queue_error, queue_read_error};
use crate::hub::{Hub, Inner, to_the_end};
use crate::limits::{BATCH_BYTES_MAX, DELAY_MAX, VISIBILITY_MAX, WAIT_MAX};
use crate::plan::Plan;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    queue: true,
    log: true,
    queue_order: Order::Key,
    log_order: Order::Partition,
    nack_delay: true,
    extend: true,
    release: true,
    atomic_dead_letter: true,
    delay_max: DELAY_MAX,
    groups: true,
    durable: true,
    payload_bytes_max: PAYLOAD_BYTES_MAX,
    batch_max: BATCH_MAX,
};

impl Queue for Hub {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    /// A topic may be a queue, a fan-out or a log here: the message goes to it and to all that subscribe to it,
    /// in one transaction.
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<MessageId>, PublishError>> {
        Box::pin(async move {
            let plan = Plan::new(&self.inner.topics, &self.inner.ids, messages, |_| true)?;
            let ids = plan.ids();
            self.inner.store(plan, ("hub.publish.before-commit", "hub.publish.after-commit")).await?;
            Ok(ids)
        })
    }

    fn receive<'a>(
        &'a self,
        queue: &'a str,
        lease: Lease,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, QueueError>> {
        Box::pin(self.inner.receive(queue, lease, BATCH_BYTES_MAX))
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>> {
        Box::pin(self.inner.settle(receipts, Settlement::Ack))
    }

    fn nack<'a>(
        &'a self,
        receipt: &'a Receipt,
        delay: Duration,
        error: &'a str,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        let settlement = Settlement::fail(Failure::Nacked(delay), error);
        Box::pin(self.inner.settle(std::slice::from_ref(receipt), settlement))
    }

    fn reject<'a>(
        &'a self,
        receipt: &'a Receipt,
        error: &'a str,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        let settlement = Settlement::fail(Failure::Rejected, error);
        Box::pin(self.inner.settle(std::slice::from_ref(receipt), settlement))
    }

    fn extend<'a>(
        &'a self,
        receipts: &'a [Receipt],
        visibility: Duration,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        Box::pin(self.inner.settle(receipts, Settlement::extend(visibility)))
    }

    fn release<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>> {
        Box::pin(self.inner.settle(receipts, Settlement::Release))
    }

    fn dead_letters<'a>(
        &'a self,
        queue: Option<&'a str>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>> {
        Box::pin(async move {
            let queue = queue.map(|name| self.inner.queue(name)).transpose()?.map(|queue| queue.id);
            let page = dead::page(&self.inner.ledger, &self.inner.topics, queue, after, limit).await;
            page.map_err(queue_read_error)
        })
    }

    fn redrive(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>> {
        let inner = Arc::clone(&self.inner);
        let work = async move {
            let (queue, next) = inner
                .ledger
                .transact(&inner.cx, async move |tx| {
                    let done = dead::redrive(tx, sequence).await?;
                    failpoint("hub.redrive.before-commit");
                    Ok(done)
                })
                .await?;
            let woken = inner.topics.queues.iter().find(|own| own.id == queue);
            if let (Some(queue), Some(Next::Ready)) = (woken, next) {
                queue.wake(1);
            }
            Ok(())
        };
        Box::pin(async move { to_the_end(work).await.map_err(queue_error) })
    }

    fn discard(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>> {
        Box::pin(async move {
            let (ledger, cx) = (&self.inner.ledger, &self.inner.cx);
            let done = ledger.transact(cx, async move |tx| dead::discard(tx, sequence).await).await;
            done.map_err(queue_error)
        })
    }

    /// Messages that wait behind another one of their key count as delayed.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueInfo>, QueueError>> {
        Box::pin(async move {
            let mut all = Vec::new();
            for queue in &self.inner.topics.queues {
                all.push(self.inner.queue_info(queue).await?);
            }
            Ok(all)
        })
    }
}

impl Inner {
    fn queue(&self, name: &str) -> Result<Arc<QueueTopic>, QueueError> {
        self.topics.queue(name).cloned().ok_or_else(|| QueueError::Unknown(name.to_owned()))
    }

    /// Commits a batch and tells those who wait.
    pub(crate) async fn store(
        self: &Arc<Self>,
        plan: Plan,
        (before, after): (&'static str, &'static str),
    ) -> Result<Vec<(u32, u64)>, PublishError> {
        let inner = Arc::clone(self);
        let work = async move {
            let plan = Arc::new(plan);
            let own = Arc::clone(&plan);
            let done = inner
                .ledger
                .transact(&inner.cx, async move |tx| {
                    let now = tx.clock().wall();
                    let done = own.store(tx, now).await?;
                    failpoint(before);
                    Ok(done)
                })
                .await?;
            failpoint(after);
            if plan.announce(&done) {
                inner.sooner.notify_one();
            }
            Ok(plan.places(&done))
        };
        to_the_end(work).await.map_err(publish_error)
    }

    /// Waits for messages, at most `bytes` of them (but one in any case).
    pub(crate) async fn receive(
        self: &Arc<Self>,
        queue: &str,
        lease: Lease,
        bytes: usize,
    ) -> Result<Vec<Delivery>, QueueError> {
        let queue = self.queue(queue)?;
        let mut end = std::pin::pin!(tokio::time::sleep(lease.wait.min(WAIT_MAX)));
        loop {
            // Before looking, so that what comes while it looks is not missed; dropped, it wakes another.
            let mut woken = std::pin::pin!(queue.waiting.notified());
            woken.as_mut().enable();
            // Who fails hands on what woke it.
            let found = self.lease(&queue, lease, bytes).await.inspect_err(|_| queue.wake(1))?;
            if !found.is_empty() || lease.wait.is_zero() || lease.max == 0 {
                return Ok(found);
            }
            tokio::select! {
                () = woken => {}
                () = &mut end => return Ok(Vec::new()),
            }
        }
    }

    /// Leases what is ready. A caller that goes away meanwhile gets nothing: the messages are given back.
    async fn lease(
        self: &Arc<Self>,
        queue: &Arc<QueueTopic>,
        lease: Lease,
        bytes: usize,
    ) -> Result<Vec<Delivery>, QueueError> {
        let visibility = if lease.visibility.is_zero() { queue.options.visibility } else { lease.visibility };
        let max = u32::try_from(lease.max.min(BATCH_MAX)).unwrap_or(u32::MAX);
        let asked = Asked { max, bytes, visibility: visibility.min(VISIBILITY_MAX) };
        let (inner, queue) = (Arc::clone(self), Arc::clone(queue));
        let found = to_the_end(async move { inner.lease_now(&queue, asked).await }).await;
        found.map(Handover::take).map_err(queue_error)
    }

    async fn lease_now(
        self: &Arc<Self>,
        queue: &Arc<QueueTopic>,
        asked: Asked,
    ) -> mamparo_ledger::Result<Handover> {
        let (inner, own) = (Arc::clone(self), Arc::clone(queue));
        let leased = self
            .ledger
            .transact(&self.cx, async move |tx| {
                let now = tx.clock().wall();
                let is_due = own.takes_due(now);
                let leased = lease::lease(tx, &inner.topics, &own, asked, is_due, now).await?;
                failpoint("hub.lease.before-commit");
                Ok(leased)
            })
            .await;
        let Leased { deliveries, swept, more } = leased.inspect_err(|_| {
            // It may have taken what was due.
            queue.due(Some(self.now()));
        })?;
        failpoint("hub.lease.after-commit");
        let mut sooner = queue.due(swept.and_then(|swept| swept.due));
        sooner |= queue.due(deliveries.first().map(|delivery| delivery.leased_until));
        if sooner {
            self.sooner.notify_one();
        }
        if more {
            queue.wake(1);
        }
        Ok(Handover { inner: Arc::clone(self), deliveries })
    }

    /// Settles receipts, of one queue or of several, in one transaction for each queue.
    pub(crate) async fn settle(
        self: &Arc<Self>,
        receipts: &[Receipt],
        settlement: Settlement,
    ) -> Result<usize, QueueError> {
        if receipts.len() > BATCH_MAX {
            return Err(QueueError::BatchTooLarge { count: receipts.len(), max: BATCH_MAX });
        }
        let mut queues: Vec<Arc<QueueTopic>> = Vec::new();
        for receipt in receipts {
            if !queues.iter().any(|queue| *queue.name == *receipt.queue) {
                queues.push(self.queue(&receipt.queue)?);
            }
        }
        let (inner, receipts) = (Arc::clone(self), receipts.to_vec());
        let work = async move {
            let queues = Arc::new(queues);
            let own = Arc::clone(&queues);
            let settled = inner
                .ledger
                .transact(&inner.cx, async move |tx| {
                    let now = tx.clock().wall();
                    let mut settled = Vec::with_capacity(own.len());
                    for queue in own.iter() {
                        settled.push(settle::settle(tx, queue, &receipts, &settlement, now).await?);
                    }
                    failpoint("hub.settle.before-commit");
                    Ok(settled)
                })
                .await?;
            failpoint("hub.settle.after-commit");
            let mut live = 0;
            for (queue, settled) in queues.iter().zip(settled) {
                live += settled.live;
                if queue.due(settled.due) {
                    inner.sooner.notify_one();
                }
                queue.wake(settled.ready);
            }
            Ok(live)
        };
        to_the_end(work).await.map_err(queue_error)
    }

    async fn queue_info(&self, queue: &QueueTopic) -> Result<QueueInfo, QueueError> {
        let select = "SELECT (SELECT count(*) FROM hub_ready WHERE queue = ?1), \
                      (SELECT count(*) FROM hub_away WHERE queue = ?1 AND lease > 0 AND due > ?2), \
                      (SELECT count(*) FROM hub_dead WHERE queue = ?1), \
                      (SELECT messages FROM hub_queue WHERE id = ?1)";
        let rows =
            self.ledger.query(select, params![queue.id, self.now()]).await.map_err(queue_read_error)?;
        let count = |column: usize| rows.first().and_then(|row| row.get::<u64>(column).ok()).unwrap_or(0);
        let (ready, leased, dead, messages) = (count(0), count(1), count(2), count(3));
        let delayed = messages.saturating_sub(ready + leased + dead);
        Ok(QueueInfo { name: queue.name.to_string(), ready, delayed, leased, dead })
    }
}
