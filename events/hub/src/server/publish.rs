//! A stream of messages into the hub. Frames are committed in the order in which they came; several may share the
//! fsync of one group.

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use mamparo_broker::{Log, Queue};
use mamparo_context::failpoint;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::stopped;
use crate::hub::Hub;
use crate::limits::{BYTES_UNDER_WAY_MAX, FRAMES_UNDER_WAY_MAX};
use crate::wire::message::{MessageReader, to_places};
use crate::wire::proto::publish_reply::Outcome;
use crate::wire::proto::{self, PublishReply, PublishRequest};

pub(super) async fn stream(
    hub: Hub,
    mut frames: Streaming<PublishRequest>,
    replies: mpsc::Sender<Result<PublishReply, Status>>,
    mut draining: watch::Receiver<bool>,
) {
    let mut under_way = FuturesOrdered::new();
    let (mut bytes, mut last, mut open, mut stopping) = (0, 0, true, false);
    while open || !under_way.is_empty() {
        let room = under_way.len() < FRAMES_UNDER_WAY_MAX && bytes < BYTES_UNDER_WAY_MAX;
        tokio::select! {
            // First, so that a frame begins before the next one is read.
            biased;
            Some((reply, size)) = under_way.next() => {
                bytes -= size;
                failpoint("hub.publish.before-answer");
                if replies.send(Ok(reply)).await.is_err() {
                    return;
                }
            }
            () = stopped(&mut draining), if open => (open, stopping) = (false, true),
            frame = frames.message(), if open && room => match frame {
                Ok(Some(frame)) => {
                    let size = frame.encoded_len();
                    (bytes, last) = (bytes + size, frame.sequence);
                    let hub = &hub;
                    under_way.push_back(async move { (answer(hub, frame).await, size) });
                }
                // The client is done, or gone; what it sent is finished either way.
                Ok(None) | Err(_) => open = false,
            },
        }
    }
    if stopping {
        let outcome = Some(Outcome::Draining(proto::Draining {}));
        // The client may be gone, too.
        let _ = replies.send(Ok(PublishReply { sequence: last, outcome })).await;
    }
}

async fn answer(hub: &Hub, frame: PublishRequest) -> PublishReply {
    let sequence = frame.sequence;
    let outcome = match accept(hub, frame).await {
        Ok(accepted) => Outcome::Accepted(accepted),
        Err(error) => Outcome::Error(error),
    };
    PublishReply { sequence, outcome: Some(outcome) }
}

async fn accept(hub: &Hub, frame: PublishRequest) -> Result<proto::Accepted, proto::Error> {
    let mut reader = MessageReader::default();
    let mut messages = Vec::with_capacity(frame.messages.len());
    let mut anonymous = false;
    for message in frame.messages {
        anonymous |= message.id.is_empty();
        messages.push(reader.read(message)?);
    }
    if frame.append {
        let places = to_places(hub.append(messages).await?);
        return Ok(proto::Accepted { ids: Vec::new(), places });
    }
    let ids = hub.publish(messages).await?;
    let ids = if anonymous { ids.iter().map(|id| id.0.as_bytes().to_vec()).collect() } else { Vec::new() };
    Ok(proto::Accepted { ids, places: Vec::new() })
}
