//! The contract of a log, over the wire, and the stream into queues and logs alike.

use mamparo_broker::{
    BoxFuture, Capabilities, Group, Log, LogError, Message, PublishError, Record, Start, TopicInfo,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::Client;
use super::exchange::{Kind, Lost};
use super::member::Member;
use crate::message::check_batch;
use crate::queue::CAPABILITIES;
use crate::wire::error::{from_status, log_error, publish_error};
use crate::wire::message::{Malformed, from_log, from_places, from_records, to_message};
use crate::wire::proto::hub_client::HubClient;
use crate::wire::proto::publish_reply::Outcome;
use crate::wire::proto::{self, PublishReply, PublishRequest};
use crate::wire::to_u32;

/// The stream into queues and logs.
pub(super) struct Publishing(pub(super) HubClient<Channel>);

impl Kind for Publishing {
    type Request = PublishRequest;
    type Reply = PublishReply;

    fn open(
        &self,
        requests: ReceiverStream<PublishRequest>,
    ) -> BoxFuture<'_, Result<Streaming<PublishReply>, Status>> {
        let mut calls = self.0.clone();
        Box::pin(async move { Ok(calls.publish(requests).await?.into_inner()) })
    }

    fn sequence(reply: &PublishReply) -> (u64, bool) {
        (reply.sequence, matches!(reply.outcome, Some(Outcome::Draining(_))))
    }

    fn unclaimed(_: PublishReply, _: u64) -> Option<PublishRequest> {
        None
    }
}

fn refused(status: Status) -> LogError {
    log_error(from_status(&status))
}

impl Log for Client {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn append(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<(u32, u64)>, PublishError>> {
        Box::pin(async move {
            let count = messages.len();
            let accepted = self.store(messages, true).await?;
            let places = from_places(&accepted.places);
            if places.len() == count {
                return Ok(places);
            }
            Err(PublishError::Indeterminate("the hub did not say where the records went".into()))
        })
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        offset: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            let topic = topic.to_owned();
            let request = proto::ReadRequest { topic, partition, offset, records: to_u32(max) };
            let found = self.calls.clone().read(request).await.map_err(refused)?.into_inner();
            from_records(found.records).map_err(|error| LogError::Unavailable(error.to_string()))
        })
    }

    fn join<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
        start: Start,
    ) -> BoxFuture<'a, Result<Box<dyn Group>, LogError>> {
        Box::pin(async move {
            let member = Member::join(self.calls.clone(), topic, group, start).await?;
            Ok(Box::new(member) as Box<dyn Group>)
        })
    }

    fn seek<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
        partition: u32,
        offset: u64,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let (topic, group) = (topic.to_owned(), group.to_owned());
            let request = proto::SeekRequest { topic, group, partition, offset };
            self.calls.clone().seek(request).await.map(drop).map_err(refused)
        })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, LogError>> {
        Box::pin(async move {
            let request = proto::ListLogsRequest {};
            let found = self.calls.clone().list_logs(request).await.map_err(refused)?.into_inner();
            Ok(found.logs.into_iter().map(from_log).collect())
        })
    }
}

impl Client {
    /// Sends one frame of messages and waits until it is committed.
    pub(super) async fn store(
        &self,
        messages: Vec<Message>,
        append: bool,
    ) -> Result<proto::Accepted, PublishError> {
        check_batch(&messages)?;
        let messages = messages.into_iter().map(to_message).collect();
        let request = |sequence| PublishRequest { sequence, messages, append };
        let reply = self.publishing.call(request).await.map_err(|lost| match lost {
            Lost::NotSent(why) => PublishError::Unavailable(why),
            Lost::Unanswered(why) => PublishError::Indeterminate(why),
        })?;
        match reply.outcome {
            Some(Outcome::Accepted(accepted)) => Ok(accepted),
            Some(Outcome::Error(error)) => Err(publish_error(error)),
            _ => Err(PublishError::Indeterminate(Malformed("an answer to a publish").to_string())),
        }
    }
}
