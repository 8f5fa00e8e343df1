//! What a failure of the ledger means to those who use the hub.

use mamparo_broker::{LogError, PublishError, QueueError};
use mamparo_ledger::{Error, ReadError};

use crate::options::TopicError;

/// Why a hub could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The topics cannot be had as they were declared.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The tables cannot be made or brought up to date.
    #[error(transparent)]
    Ledger(#[from] mamparo_ledger::OpenError),
    /// The tables cannot be read.
    #[error("the hub's tables cannot be read: {0}")]
    Tables(#[source] Error),
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        match error.app_as::<TopicError>() {
            Some(topic) => Self::Topic(topic.clone()),
            None => Self::Tables(error),
        }
    }
}

pub(crate) fn publish_error(error: Error) -> PublishError {
    match error {
        Error::Publish(error) => error,
        Error::Busy { retry_after } => PublishError::Busy { retry_after },
        Error::Indeterminate(why) => PublishError::Indeterminate(why),
        error => PublishError::Unavailable(error.to_string()),
    }
}

pub(crate) fn queue_error(error: Error) -> QueueError {
    match error.app_as::<QueueError>() {
        Some(own) => own.clone(),
        None => match error {
            Error::Busy { retry_after } => QueueError::Busy { retry_after },
            error => QueueError::Unavailable(error.to_string()),
        },
    }
}

pub(crate) fn queue_read_error(error: ReadError) -> QueueError {
    match error {
        ReadError::Busy { retry_after } => QueueError::Busy { retry_after },
        error => QueueError::Unavailable(error.to_string()),
    }
}

pub(crate) fn log_error(error: Error) -> LogError {
    match error.app_as::<LogError>() {
        Some(own) => own.clone(),
        None => match error {
            Error::Busy { retry_after } => LogError::Busy { retry_after },
            error => LogError::Unavailable(error.to_string()),
        },
    }
}

pub(crate) fn log_read_error(error: ReadError) -> LogError {
    match error {
        ReadError::Busy { retry_after } => LogError::Busy { retry_after },
        error => LogError::Unavailable(error.to_string()),
    }
}
