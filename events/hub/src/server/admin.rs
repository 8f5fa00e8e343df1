//! Calls without a stream.

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Log, Queue};
use tonic::{Response, Status};

use crate::hub::Hub;
use crate::wire::error::to_status;
use crate::wire::message::{to_dead_letter, to_log, to_queue, to_record};
use crate::wire::proto;

type Answer<T> = Result<Response<T>, Status>;

fn status(error: impl Into<proto::Error>) -> Status {
    to_status(&error.into())
}

fn count(count: u32) -> usize {
    (count as usize).min(BATCH_MAX)
}

pub(super) async fn read(hub: &Hub, request: proto::ReadRequest) -> Answer<proto::ReadReply> {
    let proto::ReadRequest { topic, partition, offset, records } = request;
    let found = Log::read(hub, &topic, partition, offset, count(records)).await.map_err(status)?;
    Ok(Response::new(proto::ReadReply { records: found.into_iter().map(to_record).collect() }))
}

pub(super) async fn seek(hub: &Hub, request: proto::SeekRequest) -> Answer<proto::SeekReply> {
    let proto::SeekRequest { topic, group, partition, offset } = request;
    Log::seek(hub, &topic, &group, partition, offset).await.map_err(status)?;
    Ok(Response::new(proto::SeekReply {}))
}

pub(super) async fn list_logs(hub: &Hub) -> Answer<proto::ListLogsReply> {
    let logs = hub.topics().await.map_err(status)?;
    Ok(Response::new(proto::ListLogsReply { logs: logs.into_iter().map(to_log).collect() }))
}

pub(super) async fn list_queues(hub: &Hub) -> Answer<proto::ListQueuesReply> {
    let queues = hub.queues().await.map_err(status)?;
    Ok(Response::new(proto::ListQueuesReply { queues: queues.into_iter().map(to_queue).collect() }))
}

pub(super) async fn list_dead_letters(
    hub: &Hub,
    request: proto::ListDeadLettersRequest,
) -> Answer<proto::ListDeadLettersReply> {
    let proto::ListDeadLettersRequest { queue, after, limit } = request;
    let queue = if queue.is_empty() { None } else { Some(queue.as_str()) };
    let found = hub.dead_letters(queue, after, count(limit)).await.map_err(status)?;
    let dead_letters = found.into_iter().map(to_dead_letter).collect();
    Ok(Response::new(proto::ListDeadLettersReply { dead_letters }))
}

pub(super) async fn redrive(hub: &Hub, request: proto::RedriveRequest) -> Answer<proto::RedriveReply> {
    hub.redrive(request.sequence).await.map_err(status)?;
    Ok(Response::new(proto::RedriveReply {}))
}

pub(super) async fn discard(hub: &Hub, request: proto::DiscardRequest) -> Answer<proto::DiscardReply> {
    hub.discard(request.sequence).await.map_err(status)?;
    Ok(Response::new(proto::DiscardReply {}))
}
