//! What topics a hub has, as its owner declares them; checked as a whole before anything is opened.

use std::collections::HashSet;
use std::time::Duration;

use mamparo_broker::limits::NAME_BYTES_MAX;

use crate::limits::{PARTITIONS_MAX, TOPICS_MAX, VISIBILITY_MAX};

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicOptions {
    /// Its name, unique in the hub.
    pub name: String,
    /// What it is.
    pub kind: TopicKind,
}

/// What a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicKind {
    /// A work queue: every message is leased to one consumer.
    Queue(QueueOptions),
    /// A log: records stay and are read by offset.
    Log(LogOptions),
    /// A name that keeps nothing: what is published to it reaches the queues that subscribe to it.
    Fanout,
}

/// How a queue behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// After this many deliveries that failed a message becomes a dead letter; at least 1.
    pub max_attempts: u32,
    /// The lease of a consumer that asks for none (`Duration::ZERO`).
    pub visibility: Duration,
    /// How long a message rests whose lease ran out. A `nack` names its own delay.
    pub backoff: Backoff,
    /// Most messages it holds, dead letters included.
    pub capacity_messages: u64,
    /// Most bytes it holds, dead letters included.
    pub capacity_bytes: u64,
    /// How long the id of a message is remembered, also after it was acknowledged: a second one under the same
    /// id is accepted and dropped.
    pub dedup: Option<Duration>,
    /// Topics (fan-outs, logs or other queues) whose messages this queue gets too, in the transaction in which
    /// they are published.
    pub subscriptions: Vec<String>,
}

/// A delay that doubles with every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first attempt.
    pub initial: Duration,
    /// The longest.
    pub max: Duration,
}

/// How a log behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Number of partitions; it cannot change afterwards, because keys would move between them.
    pub partitions: u32,
    /// Records older than this are dropped.
    pub retention_age: Option<Duration>,
    /// Oldest records are dropped while a partition holds more bytes.
    pub retention_bytes: Option<u64>,
    /// Oldest records are dropped while a partition holds more of them.
    pub retention_records: Option<u64>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            visibility: Duration::from_secs(30),
            backoff: Backoff { initial: Duration::ZERO, max: Duration::from_secs(60) },
            capacity_messages: 1_000_000,
            capacity_bytes: 4 * 1024 * 1024 * 1024,
            dedup: None,
            subscriptions: Vec::new(),
        }
    }
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { partitions: 4, retention_age: None, retention_bytes: None, retention_records: None }
    }
}

impl TopicOptions {
    /// A queue.
    pub fn queue(name: &str, options: QueueOptions) -> Self {
        Self { name: name.to_owned(), kind: TopicKind::Queue(options) }
    }

    /// A log.
    pub fn log(name: &str, options: LogOptions) -> Self {
        Self { name: name.to_owned(), kind: TopicKind::Log(options) }
    }

    /// A topic that only hands on.
    pub fn fanout(name: &str) -> Self {
        Self { name: name.to_owned(), kind: TopicKind::Fanout }
    }
}

/// Why topics cannot be had as they were declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Two topics have one name.
    #[error("topic {0} is declared twice")]
    Twice(String),
    /// A name is empty or too long.
    #[error("the name of a topic has 1 to {NAME_BYTES_MAX} bytes, `{0}` has not")]
    Name(String),
    /// More topics than a hub has.
    #[error("{0} topics, a hub has at most {TOPICS_MAX}")]
    TooMany(usize),
    /// A value out of its range.
    #[error("topic {topic}: {what} must be {range}")]
    OutOfRange {
        /// Which topic.
        topic: String,
        /// Which option.
        what: &'static str,
        /// What it may be.
        range: String,
    },
    /// A queue subscribes to something that is not there.
    #[error("queue {queue} subscribes to {topic}, which is not declared")]
    UnknownSubscription {
        /// The queue.
        queue: String,
        /// What it subscribes to.
        topic: String,
    },
    /// The file holds a topic of this name that is something else.
    #[error(
        "topic {topic} is a {found} in this data folder, it cannot become a {declared}; give it another name"
    )]
    KindChanged {
        /// Which topic.
        topic: String,
        /// What it is.
        found: String,
        /// What it was declared as.
        declared: &'static str,
    },
    /// The file holds a log of this name with another number of partitions.
    #[error(
        "log {topic} has {found} partitions in this data folder, not {declared}; keys would change their \
         partition, so give it another name"
    )]
    PartitionsChanged {
        /// Which log.
        topic: String,
        /// How many it has.
        found: u32,
        /// How many were declared.
        declared: u32,
    },
}

impl TopicKind {
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Log(_) => "log",
            Self::Fanout => "fanout",
        }
    }

    pub(crate) const fn partitions(&self) -> u32 {
        match self {
            Self::Log(log) => log.partitions,
            Self::Queue(_) | Self::Fanout => 0,
        }
    }
}

/// Whether `topics` make sense together.
pub(crate) fn check(topics: &[TopicOptions]) -> Result<(), TopicError> {
    if topics.len() > TOPICS_MAX {
        return Err(TopicError::TooMany(topics.len()));
    }
    let mut names = HashSet::new();
    for topic in topics {
        if topic.name.is_empty() || topic.name.len() > NAME_BYTES_MAX {
            return Err(TopicError::Name(topic.name.clone()));
        }
        if !names.insert(topic.name.as_str()) {
            return Err(TopicError::Twice(topic.name.clone()));
        }
        check_range(topic)?;
    }
    for topic in topics {
        let TopicKind::Queue(queue) = &topic.kind else { continue };
        let mut distinct = HashSet::from([topic.name.as_str()]);
        for subscription in &queue.subscriptions {
            if !names.contains(subscription.as_str()) {
                let (queue, topic) = (topic.name.clone(), subscription.clone());
                return Err(TopicError::UnknownSubscription { queue, topic });
            }
            if !distinct.insert(subscription) {
                return Err(TopicError::Twice(subscription.clone()));
            }
        }
    }
    Ok(())
}

fn check_range(topic: &TopicOptions) -> Result<(), TopicError> {
    let wrong = |what, range: String| Err(TopicError::OutOfRange { topic: topic.name.clone(), what, range });
    match &topic.kind {
        TopicKind::Queue(queue) if queue.max_attempts == 0 => wrong("max_attempts", "at least 1".into()),
        TopicKind::Queue(queue) if queue.visibility.is_zero() || queue.visibility > VISIBILITY_MAX => {
            wrong("visibility", format!("more than zero and at most {VISIBILITY_MAX:?}"))
        }
        TopicKind::Log(log) if log.partitions == 0 || log.partitions > PARTITIONS_MAX => {
            wrong("partitions", format!("from 1 to {PARTITIONS_MAX}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_make_no_sense_are_refused_by_name() {
        let queue = |subscriptions: &[&str]| QueueOptions {
            subscriptions: subscriptions.iter().map(|&name| name.to_owned()).collect(),
            ..QueueOptions::default()
        };
        let (plain, none) = (QueueOptions::default(), LogOptions { partitions: 0, ..LogOptions::default() });
        assert_eq!(check(&[TopicOptions::fanout("t"), TopicOptions::queue("q", queue(&["t"]))]), Ok(()));
        for (topics, text) in [
            (vec![TopicOptions::fanout("t"), TopicOptions::queue("t", plain)], "topic t is declared twice"),
            (vec![TopicOptions::queue("q", queue(&["u"]))], "queue q subscribes to u, which is not declared"),
            (vec![TopicOptions::log("l", none)], "topic l: partitions must be from 1 to 1024"),
        ] {
            assert_eq!(check(&topics).unwrap_err().to_string(), text);
        }
    }
}
