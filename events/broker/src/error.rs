//! What can go wrong with a broker, one enum for each kind of operation.

use std::time::Duration;

use mamparo_context::Fault;

/// Why a message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The message names no topic or queue.
    #[error("a message needs a topic")]
    NoTopic,
    /// A part of the message is over its limit.
    #[error("{part} has {bytes} bytes, at most {max} are accepted")]
    TooLarge {
        /// Which part.
        part: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// More messages at once than a broker accepts.
    #[error("{count} messages in one batch, at most {max} are accepted")]
    BatchTooLarge {
        /// How many there were.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The topic or queue does not exist and is not made on the fly.
    #[error("there is no topic or queue {0}; name it in the configuration")]
    Unknown(String),
    /// The topic or queue holds as much as it may. Nothing was accepted.
    #[error("{topic} is full, try again in {retry_after:?}")]
    Full {
        /// Which one.
        topic: String,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The log already went past the offset that the publisher expected.
    #[error("{topic} is at offset {actual} for this key, expected {expected}")]
    OffsetConflict {
        /// Which topic.
        topic: String,
        /// What the publisher expected.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The broker is overloaded. Nothing was accepted.
    #[error("broker is busy, try again in {retry_after:?}")]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The broker cannot be reached or cannot store. Nothing was accepted.
    #[error("broker unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost after the messages were sent: they may have been accepted. Sending them again
    /// under the same ids is safe wherever consumers keep an inbox.
    #[error("broker did not answer, the messages may have been accepted: {0}")]
    Indeterminate(String),
}

impl PublishError {
    /// What the failure means to a relay or a retry.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoTopic
            | Self::TooLarge { .. }
            | Self::BatchTooLarge { .. }
            | Self::Unknown(_)
            | Self::OffsetConflict { .. } => Fault::caller(),
            Self::Full { retry_after, .. } | Self::Busy { retry_after } => {
                Fault::upstream().retry_after(*retry_after)
            }
            Self::Unavailable(_) => Fault::upstream(),
            Self::Indeterminate(_) => Fault::upstream().indeterminate(),
        }
    }
}

/// Why an operation on a queue failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// There is no such queue.
    #[error("there is no queue {0}; name it in the configuration")]
    Unknown(String),
    /// There is no such dead letter.
    #[error("there is no dead letter {0}")]
    UnknownDeadLetter(String),
    /// More than a broker takes at once.
    #[error("{count} in one batch, at most {max} are accepted")]
    BatchTooLarge {
        /// How many there were.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The broker cannot do this.
    #[error("this broker cannot {0}")]
    Unsupported(&'static str),
    /// The broker is overloaded. Nothing was done.
    #[error("broker is busy, try again in {retry_after:?}")]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The broker cannot be reached or cannot store.
    #[error("broker unavailable: {0}")]
    Unavailable(String),
}

/// Why an operation on a log failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// There is no such topic.
    #[error("there is no topic {0}; name it in the configuration")]
    Unknown(String),
    /// The topic has no such partition.
    #[error("topic {topic} has {partitions} partitions, there is no number {partition}")]
    UnknownPartition {
        /// Which topic.
        topic: String,
        /// The number asked for, counted from 0.
        partition: u32,
        /// How many it has.
        partitions: u32,
    },
    /// The member lost its partitions to another one; what it read since its last commit is read again there.
    #[error("this member of group {group} lost its partitions (generation {generation}, now {current})")]
    Revoked {
        /// The group.
        group: String,
        /// The generation in which the member was given its partitions.
        generation: u64,
        /// The generation that is in force.
        current: u64,
    },
    /// The broker cannot do this.
    #[error("this broker cannot {0}")]
    Unsupported(&'static str),
    /// The broker is overloaded. Nothing was done.
    #[error("broker is busy, try again in {retry_after:?}")]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The broker cannot be reached or cannot store.
    #[error("broker unavailable: {0}")]
    Unavailable(String),
}
