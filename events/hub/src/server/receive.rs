//! A stream on which messages are leased and settled. What it holds when it ends is given back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Lease, QueueError, Receipt};
use mamparo_context::{Timestamp, failpoint};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::{Status, Streaming};

use super::stopped;
use crate::hub::Hub;
use crate::limits::{
    BATCH_BYTES_MAX, CREDITS_PER_STREAM_MAX, FRAMES_UNDER_WAY_MAX, FULL_RETRY_AFTER, LEASES_PER_STREAM_MAX,
};
use crate::log::lock;
use crate::queue::{Failure, Settlement};
use crate::wire::message::{Malformed, from_receipt, to_delivery};
use crate::wire::proto::receive_reply::Outcome;
use crate::wire::proto::receive_request::Request;
use crate::wire::proto::{self, ReceiveReply, ReceiveRequest, settle::How};
use crate::wire::{from_millis, to_u32};

/// Leases that were given out on a stream, each with when it runs out.
type Held = Arc<Mutex<HashMap<Receipt, Timestamp>>>;

pub(super) async fn stream(
    hub: Hub,
    mut frames: Streaming<ReceiveRequest>,
    replies: mpsc::Sender<Result<ReceiveReply, Status>>,
    mut draining: watch::Receiver<bool>,
) {
    let held = Held::default();
    let mut under_way = FuturesUnordered::new();
    let mut cancels: HashMap<u64, oneshot::Sender<()>> = HashMap::new();
    let (mut last, mut open, mut gone, mut stopping) = (0, true, false, false);
    while open || (!gone && !under_way.is_empty()) {
        // Credits may wait for long, and must not keep out what is said about messages.
        let room = under_way.len() - cancels.len() < FRAMES_UNDER_WAY_MAX;
        tokio::select! {
            // First, so that a frame begins before the next one is read.
            biased;
            Some(reply) = under_way.next() => {
                let reply: ReceiveReply = reply;
                cancels.remove(&reply.sequence);
                failpoint("hub.receive.before-answer");
                if replies.send(Ok(reply)).await.is_err() {
                    break;
                }
            }
            () = stopped(&mut draining), if open => {
                (open, stopping) = (false, true);
                // Those who wait are answered with nothing.
                cancels.clear();
            }
            () = replies.closed(), if open => break,
            frame = frames.message(), if open && room => match frame {
                Ok(Some(ReceiveRequest { request: Some(Request::Cancel(sequence)), .. })) => {
                    cancels.remove(&sequence);
                }
                Ok(Some(frame)) => {
                    last = frame.sequence;
                    let mut cancelled = None;
                    if let Some(Request::Credit(_)) = frame.request
                        && cancels.len() < CREDITS_PER_STREAM_MAX
                    {
                        let (cancel, receiver) = oneshot::channel();
                        cancels.insert(frame.sequence, cancel);
                        cancelled = Some(receiver);
                    }
                    under_way.push(answer(&hub, Arc::clone(&held), frame, cancelled));
                }
                // The client asks for nothing more, but may wait for answers.
                Ok(None) => {
                    open = false;
                    cancels.clear();
                }
                Err(_) => (open, gone) = (false, true),
            },
        }
    }
    drop(under_way);
    let left: Vec<_> = lock(&held).drain().map(|(receipt, _)| receipt).collect();
    for some in left.chunks(BATCH_MAX) {
        if let Err(error) = hub.inner.settle(some, Settlement::Release).await {
            tracing::warn!(%error, "messages of a client that went away wait for their lease to run out");
        }
    }
    if stopping {
        let outcome = Some(Outcome::Draining(proto::Draining {}));
        // The client may be gone, too.
        let _ = replies.send(Ok(ReceiveReply { sequence: last, outcome })).await;
    }
}

async fn answer(
    hub: &Hub,
    held: Held,
    frame: ReceiveRequest,
    cancelled: Option<oneshot::Receiver<()>>,
) -> ReceiveReply {
    let outcome = match frame.request {
        Some(Request::Credit(credit)) => match cancelled {
            Some(cancelled) => lease(hub, &held, credit, cancelled).await,
            None => Err(QueueError::Busy { retry_after: FULL_RETRY_AFTER }.into()),
        },
        Some(Request::Settle(settle)) => self::settle(hub, &held, settle).await,
        Some(Request::Cancel(_)) | None => Err(Malformed("a frame asks for something").into()),
    };
    ReceiveReply { sequence: frame.sequence, outcome: Some(outcome.unwrap_or_else(Outcome::Error)) }
}

async fn lease(
    hub: &Hub,
    held: &Held,
    credit: proto::Credit,
    cancelled: oneshot::Receiver<()>,
) -> Result<Outcome, proto::Error> {
    let now = hub.clock().wall();
    let room = {
        let mut held = lock(held);
        if held.len() + BATCH_MAX > LEASES_PER_STREAM_MAX {
            held.retain(|_, until| *until > now);
        }
        LEASES_PER_STREAM_MAX.saturating_sub(held.len())
    };
    let asked = credit.messages as usize;
    if room == 0 && asked > 0 {
        return Err(QueueError::Busy { retry_after: FULL_RETRY_AFTER }.into());
    }
    let (visibility, wait) = (from_millis(credit.visibility_ms), from_millis(credit.wait_ms));
    let lease = Lease { max: asked.min(room), visibility, wait };
    let bytes = match usize::try_from(credit.bytes) {
        Ok(0) | Err(_) => BATCH_BYTES_MAX,
        Ok(bytes) => bytes.min(BATCH_BYTES_MAX),
    };
    let found = tokio::select! {
        found = hub.inner.receive(&credit.queue, lease, bytes) => found?,
        // Taken back, or the server stops.
        _ = cancelled => Vec::new(),
    };
    lock(held).extend(found.iter().map(|found| (found.receipt.clone(), found.leased_until)));
    let deliveries = found.into_iter().map(to_delivery).collect();
    Ok(Outcome::Deliveries(proto::Deliveries { deliveries, queue: credit.queue }))
}

async fn settle(hub: &Hub, held: &Held, settle: proto::Settle) -> Result<Outcome, proto::Error> {
    let receipts: Vec<_> =
        settle.receipts.iter().map(|receipt| from_receipt(&settle.queue, receipt)).collect();
    let settlement = match settle.how.ok_or(Malformed("a settlement says how"))? {
        How::Ack(_) => Settlement::Ack,
        How::Nack(nack) => Settlement::fail(Failure::Nacked(from_millis(nack.delay_ms)), &nack.error),
        How::Reject(reject) => Settlement::fail(Failure::Rejected, &reject.error),
        How::Extend(extend) => Settlement::extend(from_millis(extend.visibility_ms)),
        How::Release(_) => Settlement::Release,
    };
    let extended = match settlement {
        Settlement::Extend(visibility) => Some(hub.clock().wall() + visibility),
        _ => None,
    };
    let live = hub.inner.settle(&receipts, settlement).await?;
    let mut held = lock(held);
    for receipt in receipts {
        match (extended, held.get_mut(&receipt)) {
            (Some(until), Some(held)) => *held = until,
            (Some(_), None) => {}
            (None, _) => drop(held.remove(&receipt)),
        }
    }
    Ok(Outcome::Settled(proto::Settled { live: to_u32(live) }))
}
