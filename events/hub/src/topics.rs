//! The topics of an open hub: by name, and by the number under which they are stored.

use std::collections::HashMap;
use std::sync::Arc;

use mamparo_context::Context;
use mamparo_ledger::{Error, Ledger, Result, Tx, params};

use crate::log::LogTopic;
use crate::options::{TopicError, TopicKind, TopicOptions};
use crate::queue::QueueTopic;

/// A topic that can be published to.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: i64,
    pub(crate) log: Option<Arc<LogTopic>>,
    pub(crate) queue: Option<Arc<QueueTopic>>,
    /// The queues that get what is published to it: itself, if it is one, and its subscribers.
    pub(crate) queues: Vec<Arc<QueueTopic>>,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    topics: HashMap<Arc<str>, Topic>,
    pub(crate) queues: Vec<Arc<QueueTopic>>,
    pub(crate) logs: Vec<Arc<LogTopic>>,
    /// Names by number, those included that are no longer declared.
    names: HashMap<i64, Arc<str>>,
}

impl Topics {
    /// Gives every declared topic its number, in the ledger too, and reads what the ledger knows of them.
    pub(crate) async fn open(ledger: &Ledger, cx: &Context, options: Vec<TopicOptions>) -> Result<Self> {
        let options = Arc::new(options);
        let declared = Arc::clone(&options);
        let stored = ledger.transact(cx, async move |tx| enroll(tx, &declared).await).await?;
        let names: HashMap<i64, Arc<str>> =
            stored.iter().map(|topic| (topic.id, Arc::from(topic.name.as_str()))).collect();
        let ids: HashMap<&str, i64> = stored.iter().map(|topic| (topic.name.as_str(), topic.id)).collect();
        let mut opened = Self { topics: HashMap::new(), queues: Vec::new(), logs: Vec::new(), names };
        for topic in options.iter() {
            let Some(&id) = ids.get(topic.name.as_str()) else { continue };
            let name: Arc<str> = topic.name.as_str().into();
            let log = match &topic.kind {
                TopicKind::Log(log) => {
                    let log = Arc::new(LogTopic::open(ledger, id, Arc::clone(&name), log.clone()).await?);
                    opened.logs.push(Arc::clone(&log));
                    Some(log)
                }
                TopicKind::Queue(_) | TopicKind::Fanout => None,
            };
            let queue = match &topic.kind {
                TopicKind::Queue(queue) => {
                    let queue = QueueTopic::open(ledger, id, Arc::clone(&name), queue.clone()).await?;
                    let queue = Arc::new(queue);
                    opened.queues.push(Arc::clone(&queue));
                    Some(queue)
                }
                TopicKind::Log(_) | TopicKind::Fanout => None,
            };
            let topic = Topic { id, log, queue, queues: Vec::new() };
            opened.topics.insert(name, topic);
        }
        for queue in &opened.queues {
            for name in std::iter::once(&*queue.name).chain(queue.subscriptions()) {
                if let Some(topic) = opened.topics.get_mut(name) {
                    topic.queues.push(Arc::clone(queue));
                }
            }
        }
        Ok(opened)
    }

    /// The topic of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// The queue of this name.
    pub(crate) fn queue(&self, name: &str) -> Option<&Arc<QueueTopic>> {
        self.topics.get(name).and_then(|topic| topic.queue.as_ref())
    }

    /// The log of this name.
    pub(crate) fn log(&self, name: &str) -> Option<&Arc<LogTopic>> {
        self.topics.get(name).and_then(|topic| topic.log.as_ref())
    }

    /// The name of topic number `id`; `otherwise` if nobody knows it.
    pub(crate) fn name(&self, id: i64, otherwise: &Arc<str>) -> Arc<str> {
        Arc::clone(self.names.get(&id).unwrap_or(otherwise))
    }
}

struct StoredTopic {
    id: i64,
    name: String,
    kind: String,
    partitions: u32,
}

async fn enroll(tx: &mut Tx<'_>, declared: &[TopicOptions]) -> Result<Vec<StoredTopic>> {
    let mut stored = read(tx).await?;
    for topic in declared {
        let (kind, partitions) = (topic.kind.word(), topic.kind.partitions());
        match stored.iter().find(|stored| stored.name == topic.name) {
            Some(found) => same(topic, found).map_err(Error::app)?,
            None => {
                let insert = "INSERT INTO hub_topic (name, kind, partitions) VALUES (?1, ?2, ?3)";
                tx.sql(insert, params![topic.name, kind, partitions]).await?;
                for number in 0..partitions {
                    let insert = "INSERT INTO hub_partition (topic, number, first, next, bytes) \
                                  SELECT id, ?2, 0, 0, 0 FROM hub_topic WHERE name = ?1";
                    tx.sql(insert, params![topic.name, number]).await?;
                }
                if matches!(topic.kind, TopicKind::Queue(_)) {
                    let insert = "INSERT INTO hub_queue (id, messages, bytes) \
                                  SELECT id, 0, 0 FROM hub_topic WHERE name = ?1";
                    tx.sql(insert, params![topic.name]).await?;
                }
            }
        }
    }
    if stored.len() < declared.len()
        || declared.iter().any(|topic| !stored.iter().any(|s| s.name == topic.name))
    {
        stored = read(tx).await?;
    }
    Ok(stored)
}

async fn read(tx: &mut Tx<'_>) -> Result<Vec<StoredTopic>> {
    let rows = tx.query("SELECT id, name, kind, partitions FROM hub_topic", params![]).await?;
    rows.iter()
        .map(|row| {
            let (id, name) = (row.get(0)?, row.get(1)?);
            Ok(StoredTopic { id, name, kind: row.get(2)?, partitions: row.get(3)? })
        })
        .collect()
}

fn same(declared: &TopicOptions, found: &StoredTopic) -> Result<(), TopicError> {
    let topic = declared.name.clone();
    if declared.kind.word() != found.kind {
        let (found, declared) = (found.kind.clone(), declared.kind.word());
        return Err(TopicError::KindChanged { topic, found, declared });
    }
    if declared.kind.partitions() != found.partitions {
        let (found, declared) = (found.partitions, declared.kind.partitions());
        return Err(TopicError::PartitionsChanged { topic, found, declared });
    }
    Ok(())
}
