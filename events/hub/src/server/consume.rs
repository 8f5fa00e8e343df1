//! A stream as one member of a consumer group. Requests are taken up one after the other; one that comes while the
//! member waits for records ends the wait.

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Group, Log, Start};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::stopped;
use crate::hub::Hub;
use crate::wire::from_millis;
use crate::wire::message::{Malformed, from_places, to_records};
use crate::wire::proto::consume_reply::Outcome;
use crate::wire::proto::consume_request::Request;
use crate::wire::proto::{self, ConsumeReply, ConsumeRequest};

pub(super) async fn stream(
    hub: Hub,
    mut frames: Streaming<ConsumeRequest>,
    replies: mpsc::Sender<Result<ConsumeReply, Status>>,
    mut draining: watch::Receiver<bool>,
) {
    let mut member: Option<Box<dyn Group>> = None;
    let (mut last, mut next) = (0, None);
    loop {
        let frame = match next.take() {
            Some(frame) => frame,
            None => tokio::select! {
                () = stopped(&mut draining) => break,
                () = replies.closed() => return,
                frame = frames.message() => match frame {
                    Ok(Some(frame)) => frame,
                    Ok(None) | Err(_) => return,
                },
            },
        };
        last = frame.sequence;
        let outcome = match (frame.request, &mut member) {
            (Some(Request::Join(join)), None) => enter(&hub, &mut member, join).await,
            (Some(Request::Commit(commit)), Some(member)) => {
                let done = member.commit(&from_places(&commit.offsets)).await;
                done.map(|()| Outcome::Committed(proto::Committed {})).map_err(Into::into)
            }
            (Some(Request::Next(asked)), Some(member)) => {
                let max = (asked.records as usize).min(BATCH_MAX);
                let found = tokio::select! {
                    biased;
                    found = member.next(max, from_millis(asked.wait_ms)) => found,
                    () = stopped(&mut draining) => Ok(Vec::new()),
                    frame = frames.message() => match frame {
                        Ok(Some(frame)) => {
                            next = Some(frame);
                            Ok(Vec::new())
                        }
                        Ok(None) | Err(_) => return,
                    },
                };
                let assignment = member.assignment();
                found.map(|found| Outcome::Records(to_records(found, assignment))).map_err(Into::into)
            }
            (Some(Request::Join(_)), Some(_)) => Err(Malformed("a member joins once").into()),
            (Some(_), None) => Err(Malformed("the first request of a member joins").into()),
            (None, _) => Err(Malformed("a frame asks for something").into()),
        };
        let outcome = Some(outcome.unwrap_or_else(Outcome::Error));
        if replies.send(Ok(ConsumeReply { sequence: last, outcome })).await.is_err() {
            return;
        }
    }
    // Its partitions go to others before the client knows, so that it does not come back to an older generation.
    drop(member);
    let outcome = Some(Outcome::Draining(proto::Draining {}));
    // The client may be gone, too.
    let _ = replies.send(Ok(ConsumeReply { sequence: last, outcome })).await;
}

async fn enter(
    hub: &Hub,
    member: &mut Option<Box<dyn Group>>,
    join: proto::Join,
) -> Result<Outcome, proto::Error> {
    let start = if join.latest { Start::Latest } else { Start::Earliest };
    let joined = hub.join(&join.topic, &join.group, start).await?;
    let assignment = joined.assignment();
    *member = Some(joined);
    Ok(Outcome::Records(to_records(Vec::new(), assignment)))
}
