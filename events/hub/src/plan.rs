//! Where the messages of one batch go: worked out on the caller's thread, so that the ledger's thread only writes.

use std::collections::HashMap;
use std::sync::Arc;

use mamparo_broker::{Message, MessageId, PublishError};
use mamparo_context::{Ids, Timestamp};
use mamparo_ledger::{Result, Tx};

use crate::log::{Held, LogTopic, append, partition_of};
use crate::message::{Item, check_batch};
use crate::queue::{Entered, QueueTopic, enter_all};
use crate::topics::{Topic, Topics};

/// A batch of messages on its way into queues and logs, in one transaction.
#[derive(Debug)]
pub(crate) struct Plan {
    items: Vec<Item>,
    queues: Vec<(Arc<QueueTopic>, Vec<usize>)>,
    logs: Vec<(Arc<LogTopic>, u32, Vec<usize>)>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Done {
    entered: Vec<Entered>,
    appended: Vec<(Held, Held)>,
}

impl Plan {
    /// Checks the messages, gives them ids, and finds out where each goes.
    pub(crate) fn new(
        topics: &Topics,
        ids: &Ids,
        messages: Vec<Message>,
        admit: fn(&Topic) -> bool,
    ) -> Result<Self, PublishError> {
        check_batch(&messages)?;
        let mut plan =
            Self { items: Vec::with_capacity(messages.len()), queues: Vec::new(), logs: Vec::new() };
        let mut places = Places::default();
        for message in messages {
            let Some(topic) = topics.get(&message.topic).filter(|topic| admit(topic)) else {
                return Err(PublishError::Unknown(message.topic.to_string()));
            };
            let id = message.id.map_or_else(|| ids.next(), |id| id.0);
            let index = plan.items.len();
            if let Some(log) = &topic.log {
                let number = partition_of(&message, id, log.partition_count());
                let place = *places.logs.entry((log.id, number)).or_insert_with(|| {
                    plan.logs.push((Arc::clone(log), number, Vec::new()));
                    plan.logs.len() - 1
                });
                if let Some((_, _, which)) = plan.logs.get_mut(place) {
                    which.push(index);
                }
            }
            for queue in &topic.queues {
                let place = *places.queues.entry(queue.id).or_insert_with(|| {
                    plan.queues.push((Arc::clone(queue), Vec::new()));
                    plan.queues.len() - 1
                });
                if let Some((_, which)) = plan.queues.get_mut(place) {
                    which.push(index);
                }
            }
            plan.items.push(Item::new(message, id, topic.id));
        }
        Ok(plan)
    }

    /// The ids of the messages, in order.
    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.items.iter().map(|item| MessageId(item.id)).collect()
    }

    /// Writes the batch, all of it or nothing.
    pub(crate) async fn store(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<Done> {
        let mut done = Done::default();
        for (log, number, which) in &self.logs {
            let Some(partition) = log.partitions.get(*number as usize) else { continue };
            done.appended.push(append(tx, partition.id, &log.options, &self.items, which, now).await?);
        }
        for (queue, which) in &self.queues {
            done.entered.push(enter_all(tx, queue, &self.items, which, now).await?);
        }
        Ok(done)
    }

    /// Tells those who wait, once it is committed; whether something is due earlier than all that was.
    pub(crate) fn announce(&self, done: &Done) -> bool {
        let mut earlier = false;
        for ((log, number, _), (_, after)) in self.logs.iter().zip(&done.appended) {
            if let Some(partition) = log.partitions.get(*number as usize) {
                partition.became(*after);
            }
            log.announce();
        }
        for ((queue, _), entered) in self.queues.iter().zip(&done.entered) {
            earlier |= queue.due(entered.due);
            queue.wake(entered.ready);
        }
        earlier
    }

    /// Partition and offset of every message.
    pub(crate) fn places(&self, done: &Done) -> Vec<(u32, u64)> {
        let mut places = vec![(0, 0); self.items.len()];
        for ((_, number, which), (before, _)) in self.logs.iter().zip(&done.appended) {
            for (&index, offset) in which.iter().zip(before.next..) {
                if let Some(place) = places.get_mut(index) {
                    *place = (*number, offset);
                }
            }
        }
        places
    }
}

#[derive(Default)]
struct Places {
    queues: HashMap<i64, usize>,
    logs: HashMap<(i64, u32), usize>,
}
