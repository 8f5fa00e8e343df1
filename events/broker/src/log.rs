//! The contract of a log: records stay, in partitions by key, and every consumer group keeps its own place.

use std::time::Duration;

use mamparo_context::Timestamp;
use serde::Serialize;

use crate::{BoxFuture, Capabilities, LogError, Message, PublishError};

/// A message at its place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its partition, counted from 0.
    pub partition: u32,
    /// Its place in the partition, counted from 0 without gaps.
    pub offset: u64,
    /// When the log accepted it.
    pub at: Timestamp,
    /// What was published; its id is always set.
    pub message: Message,
}

/// Where a group begins in a partition in which it has no stored offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    #[default]
    Earliest,
    /// After the newest record.
    Latest,
}

/// The partitions that one member of a group reads, until the group changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// Counts the changes of the group; commits of an older generation are refused.
    pub generation: u64,
    /// The partitions, each with the offset to read next.
    pub partitions: Vec<(u32, u64)>,
}

/// How a topic stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// The oldest and the next offset of every partition.
    pub partitions: Vec<(u64, u64)>,
    /// Every group with the offset it reads next in every partition.
    pub groups: Vec<(String, Vec<u64>)>,
}

/// One member of a consumer group. Dropping it leaves the group, and its partitions go to the others.
pub trait Group: Send + 'static {
    /// The next records of the partitions that this member was given, in order within each partition; an empty
    /// answer means that none came within `wait`. Reading moves no stored offset.
    ///
    /// Cancel safe: what a dropped call had read is read again by the next.
    fn next<'a>(&'a mut self, max: usize, wait: Duration) -> BoxFuture<'a, Result<Vec<Record>, LogError>>;

    /// The partitions it reads now.
    fn assignment(&self) -> Assignment;

    /// Stores that this member is done with everything before `offset` in `partition`. Refused with
    /// [`LogError::Revoked`] when the partition belongs to another member by now.
    fn commit<'a>(&'a mut self, offsets: &'a [(u32, u64)]) -> BoxFuture<'a, Result<(), LogError>>;
}

/// A log. Every answer comes after the change is as durable as [`Capabilities::durable`] says.
pub trait Log: Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Appends all messages or none, each to the topic it names, in the partition that its key belongs to (a
    /// message without a key goes to the partition that its id belongs to). Returns partition and offset of each.
    fn append(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<(u32, u64)>, PublishError>>;

    /// Records of one partition from `offset` on, without waiting.
    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        offset: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, LogError>>;

    /// Joins a consumer group.
    fn join<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
        start: Start,
    ) -> BoxFuture<'a, Result<Box<dyn Group>, LogError>>;

    /// Sets the stored offset of a group to replay or to skip; its members start there at once.
    fn seek<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
        partition: u32,
        offset: u64,
    ) -> BoxFuture<'a, Result<(), LogError>>;

    /// How every topic stands.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, LogError>>;
}
