//! The contract of a log, over the transactions beside this file.

use std::sync::Arc;

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{
    BoxFuture, Capabilities, Group, Log, LogError, Message, PublishError, Record, Start, TopicInfo,
};

use super::{LogTopic, Member, info, read, seek};
use crate::error::log_read_error;
use crate::hub::{Hub, Inner};
use crate::plan::Plan;
use crate::queue::CAPABILITIES;

impl Log for Hub {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    /// Queues that subscribe to the log get the messages too, in the same transaction.
    fn append(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<(u32, u64)>, PublishError>> {
        Box::pin(async move {
            let is_log = |topic: &crate::topics::Topic| topic.log.is_some();
            let plan = Plan::new(&self.inner.topics, &self.inner.ids, messages, is_log)?;
            self.inner.store(plan, ("hub.append.before-commit", "hub.append.after-commit")).await
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
            let log = self.inner.partition(topic, partition)?;
            let max = max.min(BATCH_MAX);
            read(&self.inner.ledger, &log, partition, offset, max).await.map_err(log_read_error)
        })
    }

    fn join<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
        start: Start,
    ) -> BoxFuture<'a, Result<Box<dyn Group>, LogError>> {
        Box::pin(async move {
            let log = self.inner.log(topic)?;
            let member = Member::join(Arc::clone(&self.inner), log, group, start).await?;
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
            let log = self.inner.partition(topic, partition)?;
            seek(&self.inner, &log, group, partition, offset).await
        })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, LogError>> {
        Box::pin(async move { info(&self.inner.ledger, &self.inner.topics).await.map_err(log_read_error) })
    }
}

impl Inner {
    fn log(&self, name: &str) -> Result<Arc<LogTopic>, LogError> {
        self.topics.log(name).cloned().ok_or_else(|| LogError::Unknown(name.to_owned()))
    }

    fn partition(&self, name: &str, partition: u32) -> Result<Arc<LogTopic>, LogError> {
        let log = self.log(name)?;
        let partitions = log.partition_count();
        if partition < partitions {
            return Ok(log);
        }
        Err(LogError::UnknownPartition { topic: name.to_owned(), partition, partitions })
    }
}
