//! A member of a consumer group in another process. When its stream breaks off it has lost its partitions; it joins
//! anew and reads again what was not committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Assignment, BoxFuture, Group, LogError, Record, Start};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::exchange::{Exchange, Kind, Lost, Pending, wait};
use crate::limits::WAIT_MAX;
use crate::wire::error::log_error;
use crate::wire::message::{Malformed, from_assignment, from_records, to_places};
use crate::wire::proto::consume_reply::Outcome;
use crate::wire::proto::consume_request::Request;
use crate::wire::proto::hub_client::HubClient;
use crate::wire::proto::{self, ConsumeReply, ConsumeRequest};
use crate::wire::{to_millis, to_u32};

/// The stream of one member.
struct Consuming(HubClient<Channel>);

impl Kind for Consuming {
    type Request = ConsumeRequest;
    type Reply = ConsumeReply;

    fn open(
        &self,
        requests: ReceiverStream<ConsumeRequest>,
    ) -> BoxFuture<'_, Result<Streaming<ConsumeReply>, Status>> {
        let mut calls = self.0.clone();
        Box::pin(async move { Ok(calls.consume(requests).await?.into_inner()) })
    }

    fn sequence(reply: &ConsumeReply) -> (u64, bool) {
        (reply.sequence, matches!(reply.outcome, Some(Outcome::Draining(_))))
    }

    fn unclaimed(_: ConsumeReply, _: u64) -> Option<ConsumeRequest> {
        None
    }
}

pub(super) struct Member {
    calls: HubClient<Channel>,
    join: proto::Join,
    /// None after it broke off.
    stream: Option<Arc<Exchange<Consuming>>>,
    assignment: Assignment,
    /// Read, and not handed out yet.
    read: VecDeque<Record>,
    /// Asked for, by calls of which some may have been dropped.
    asked: VecDeque<Pending<Consuming>>,
}

fn malformed(error: Malformed) -> LogError {
    LogError::Unavailable(error.to_string())
}

impl Member {
    pub(super) async fn join(
        calls: HubClient<Channel>,
        topic: &str,
        group: &str,
        start: Start,
    ) -> Result<Self, LogError> {
        let latest = start == Start::Latest;
        let join = proto::Join { topic: topic.to_owned(), group: group.to_owned(), latest };
        let assignment = Assignment { generation: 0, partitions: Vec::new() };
        let (read, asked) = (VecDeque::new(), VecDeque::new());
        let mut member = Self { calls, join, stream: None, assignment, read, asked };
        member.stream().await?;
        Ok(member)
    }

    /// The stream; joins anew if it broke off.
    async fn stream(&mut self) -> Result<Arc<Exchange<Consuming>>, LogError> {
        if let Some(stream) = &self.stream {
            return Ok(Arc::clone(stream));
        }
        self.read.clear();
        self.asked.clear();
        let stream = Arc::new(Exchange::once(Consuming(self.calls.clone())));
        let join = self.join.clone();
        let request = |sequence| ConsumeRequest { sequence, request: Some(Request::Join(join)) };
        let reply = stream.call(request).await;
        let reply = reply.map_err(|lost| self.lost(lost))?;
        self.take_in(reply)?;
        self.stream = Some(Arc::clone(&stream));
        Ok(stream)
    }

    fn lost(&mut self, lost: Lost) -> LogError {
        self.stream = None;
        match lost {
            Lost::NotSent(why) | Lost::Unanswered(why) => LogError::Unavailable(why),
        }
    }

    fn take_in(&mut self, reply: ConsumeReply) -> Result<(), LogError> {
        match reply.outcome {
            Some(Outcome::Records(records)) => {
                let assignment = from_assignment(&records);
                if assignment.generation != self.assignment.generation {
                    // Of an older generation: what is still its own comes again.
                    self.read.clear();
                }
                self.assignment = assignment;
                self.read.extend(from_records(records.records).map_err(malformed)?);
                Ok(())
            }
            Some(Outcome::Error(error)) => Err(log_error(error)),
            _ => Err(malformed(Malformed("an answer to a member"))),
        }
    }
}

impl Group for Member {
    fn next<'a>(&'a mut self, max: usize, wait: Duration) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            if self.read.is_empty() {
                let stream = self.stream().await?;
                let next = proto::Next {
                    records: to_u32(max.min(BATCH_MAX)),
                    wait_ms: to_millis(wait.min(WAIT_MAX)),
                };
                let request = |sequence| ConsumeRequest { sequence, request: Some(Request::Next(next)) };
                let sent = stream.send(request).await;
                let (_, pending) = sent.map_err(|lost| self.lost(lost))?;
                self.asked.push_back(pending);
            }
            // Answers to calls that were dropped come first; the server ended those when this one came.
            while self.read.is_empty() {
                let Some(pending) = self.asked.front_mut() else { break };
                let reply = super::exchange::wait(pending).await;
                self.asked.pop_front();
                let reply = reply.map_err(|lost| self.lost(lost))?;
                self.take_in(reply)?;
            }
            let count = max.min(self.read.len());
            Ok(self.read.drain(..count).collect())
        })
    }

    fn assignment(&self) -> Assignment {
        let mut assignment = self.assignment.clone();
        for (partition, next) in &mut assignment.partitions {
            // What was not handed out yet is still to be read.
            let waiting = self.read.iter().find(|record| record.partition == *partition);
            *next = waiting.map_or(*next, |record| record.offset.min(*next));
        }
        assignment
    }

    fn commit<'a>(&'a mut self, offsets: &'a [(u32, u64)]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let Some(stream) = self.stream.clone() else {
                return Err(LogError::Unavailable(
                    "connection lost; what was not committed is read again".into(),
                ));
            };
            let commit = proto::Commit { offsets: to_places(offsets.iter().copied()) };
            let request = |sequence| ConsumeRequest { sequence, request: Some(Request::Commit(commit)) };
            let sent = stream.send(request).await;
            let (_, mut pending) = sent.map_err(|lost| self.lost(lost))?;
            let reply = wait(&mut pending).await.map_err(|lost| self.lost(lost))?;
            match reply.outcome {
                Some(Outcome::Committed(_)) => Ok(()),
                Some(Outcome::Error(error)) => Err(log_error(error)),
                _ => Err(malformed(Malformed("an answer to a commit"))),
            }
        })
    }
}
