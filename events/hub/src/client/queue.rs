//! The contract of a queue, over the wire.

use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{
    BoxFuture, Capabilities, DeadLetter, Delivery, Lease, Message, MessageId, PublishError, Queue,
    QueueError, QueueInfo, Receipt,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::Client;
use super::exchange::{Exchange, Kind, Lost, wait};
use crate::limits::WAIT_MAX;
use crate::queue::CAPABILITIES;
use crate::wire::error::{from_status, queue_error};
use crate::wire::message::{Malformed, from_dead_letter, from_deliveries, from_queue, to_receipt};
use crate::wire::proto::hub_client::HubClient;
use crate::wire::proto::receive_reply::Outcome;
use crate::wire::proto::receive_request::Request;
use crate::wire::proto::{self, ReceiveReply, ReceiveRequest, settle::How};
use crate::wire::{to_millis, to_u32};

/// The stream on which messages are leased and settled.
pub(super) struct Receiving(pub(super) HubClient<Channel>);

impl Kind for Receiving {
    type Request = ReceiveRequest;
    type Reply = ReceiveReply;

    fn open(
        &self,
        requests: ReceiverStream<ReceiveRequest>,
    ) -> BoxFuture<'_, Result<Streaming<ReceiveReply>, Status>> {
        let mut calls = self.0.clone();
        Box::pin(async move { Ok(calls.receive(requests).await?.into_inner()) })
    }

    fn sequence(reply: &ReceiveReply) -> (u64, bool) {
        (reply.sequence, matches!(reply.outcome, Some(Outcome::Draining(_))))
    }

    /// Gives back the messages of a receiver that went away.
    fn unclaimed(reply: ReceiveReply, sequence: u64) -> Option<ReceiveRequest> {
        let Some(Outcome::Deliveries(found)) = reply.outcome else { return None };
        let queue = found.queue;
        let receipts: Vec<_> = found.deliveries.into_iter().filter_map(|found| found.receipt).collect();
        if receipts.is_empty() {
            return None;
        }
        let how = Some(How::Release(proto::Release {}));
        let settle = proto::Settle { queue, receipts, how };
        Some(ReceiveRequest { sequence, request: Some(Request::Settle(settle)) })
    }
}

/// Takes back a credit when its receiver goes away before it is answered.
struct Credit<'a> {
    exchange: &'a Exchange<Receiving>,
    open: Option<u64>,
}

impl Drop for Credit<'_> {
    fn drop(&mut self) {
        if let Some(credit) = self.open {
            let request = Some(Request::Cancel(credit));
            self.exchange.tell(|sequence| ReceiveRequest { sequence, request });
        }
    }
}

fn lost(lost: Lost) -> QueueError {
    match lost {
        Lost::NotSent(why) | Lost::Unanswered(why) => QueueError::Unavailable(why),
    }
}

fn malformed(error: Malformed) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

fn refused(status: Status) -> QueueError {
    queue_error(from_status(&status))
}

impl Queue for Client {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<MessageId>, PublishError>> {
        Box::pin(async move {
            let mut ids = Vec::with_capacity(messages.len());
            let mut sent = Vec::with_capacity(messages.len());
            for mut message in messages {
                let id = *message.id.get_or_insert_with(|| MessageId(self.ids.next()));
                ids.push(id);
                sent.push(message);
            }
            self.store(sent, false).await?;
            Ok(ids)
        })
    }

    fn receive<'a>(
        &'a self,
        queue: &'a str,
        lease: Lease,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, QueueError>> {
        Box::pin(async move {
            let credit = proto::Credit {
                queue: queue.to_owned(),
                messages: to_u32(lease.max.min(BATCH_MAX)),
                bytes: 0,
                visibility_ms: to_millis(lease.visibility),
                wait_ms: to_millis(lease.wait.min(WAIT_MAX)),
            };
            let request = |sequence| ReceiveRequest { sequence, request: Some(Request::Credit(credit)) };
            let (sequence, mut answered) = self.receiving.send(request).await.map_err(lost)?;
            let mut credit = Credit { exchange: &self.receiving, open: Some(sequence) };
            let reply = wait(&mut answered).await;
            credit.open = None;
            match reply.map_err(lost)?.outcome {
                Some(Outcome::Deliveries(found)) => from_deliveries(queue, found).map_err(malformed),
                Some(Outcome::Error(error)) => Err(queue_error(error)),
                _ => Err(malformed(Malformed("an answer to a credit"))),
            }
        })
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>> {
        Box::pin(self.settle(receipts, How::Ack(proto::Ack {})))
    }

    fn nack<'a>(
        &'a self,
        receipt: &'a Receipt,
        delay: Duration,
        error: &'a str,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        let nack = proto::Nack { delay_ms: to_millis(delay), error: stored(error) };
        Box::pin(self.settle(std::slice::from_ref(receipt), How::Nack(nack)))
    }

    fn reject<'a>(
        &'a self,
        receipt: &'a Receipt,
        error: &'a str,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        let reject = proto::Reject { error: stored(error) };
        Box::pin(self.settle(std::slice::from_ref(receipt), How::Reject(reject)))
    }

    fn extend<'a>(
        &'a self,
        receipts: &'a [Receipt],
        visibility: Duration,
    ) -> BoxFuture<'a, Result<usize, QueueError>> {
        let extend = proto::Extend { visibility_ms: to_millis(visibility) };
        Box::pin(self.settle(receipts, How::Extend(extend)))
    }

    fn release<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<usize, QueueError>> {
        Box::pin(self.settle(receipts, How::Release(proto::Release {})))
    }

    fn dead_letters<'a>(
        &'a self,
        queue: Option<&'a str>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>> {
        Box::pin(async move {
            let queue = queue.unwrap_or_default().to_owned();
            let request = proto::ListDeadLettersRequest { queue, after, limit: to_u32(limit) };
            let found = self.calls.clone().list_dead_letters(request).await.map_err(refused)?.into_inner();
            found.dead_letters.into_iter().map(|letter| from_dead_letter(letter).map_err(malformed)).collect()
        })
    }

    fn redrive(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>> {
        Box::pin(async move {
            let request = proto::RedriveRequest { sequence };
            self.calls.clone().redrive(request).await.map(drop).map_err(refused)
        })
    }

    fn discard(&self, sequence: u64) -> BoxFuture<'_, Result<(), QueueError>> {
        Box::pin(async move {
            let request = proto::DiscardRequest { sequence };
            self.calls.clone().discard(request).await.map(drop).map_err(refused)
        })
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueInfo>, QueueError>> {
        Box::pin(async move {
            let request = proto::ListQueuesRequest {};
            let found = self.calls.clone().list_queues(request).await.map_err(refused)?.into_inner();
            Ok(found.queues.into_iter().map(from_queue).collect())
        })
    }
}

/// An error as much of it as is kept.
fn stored(error: &str) -> String {
    crate::queue::core::stored_error(error).to_owned()
}

impl Client {
    /// Settles receipts of one queue or of several, with one frame for each queue.
    async fn settle(&self, receipts: &[Receipt], how: How) -> Result<usize, QueueError> {
        if receipts.len() > BATCH_MAX {
            return Err(QueueError::BatchTooLarge { count: receipts.len(), max: BATCH_MAX });
        }
        let mut by_queue: Vec<(&str, Vec<proto::Receipt>)> = Vec::new();
        for receipt in receipts {
            match by_queue.iter_mut().find(|(queue, _)| *queue == receipt.queue) {
                Some((_, own)) => own.push(to_receipt(receipt)),
                None => by_queue.push((&receipt.queue, vec![to_receipt(receipt)])),
            }
        }
        let mut live = 0;
        for (queue, receipts) in by_queue {
            let settle = proto::Settle { queue: queue.to_owned(), receipts, how: Some(how.clone()) };
            let request = |sequence| ReceiveRequest { sequence, request: Some(Request::Settle(settle)) };
            let reply = Arc::clone(&self.receiving).call(request).await.map_err(lost)?;
            match reply.outcome {
                Some(Outcome::Settled(settled)) => live += settled.live as usize,
                Some(Outcome::Error(error)) => return Err(queue_error(error)),
                _ => return Err(malformed(Malformed("an answer to a settlement"))),
            }
        }
        Ok(live)
    }
}
