//! Why an admin request was not done.

use std::time::Duration;

use http::StatusCode;
use mamparo_broker::{LogError, QueueError};
use mamparo_ledger::{Error, ReadError};

/// Why an admin request was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// What was asked for is not there.
    #[error("there is no {0}")]
    NotFound(String),
    /// This process does not have such a thing at all.
    #[error("{service} has no {what}")]
    NotHere {
        /// The process.
        service: String,
        /// What it does not have.
        what: &'static str,
    },
    /// The request cannot be understood.
    #[error("{0}")]
    Invalid(String),
    /// It is not possible in the state that things are in.
    #[error("{0}")]
    Refused(String),
    /// Too much waits already.
    #[error("busy, try again in {0:?}")]
    Busy(Duration),
    /// What is needed cannot be reached.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It may or may not have been done.
    #[error("it may have been done: {0}")]
    Indeterminate(String),
}

impl AdminError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) | Self::NotHere { .. } => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Busy(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Indeterminate(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl From<ReadError> for AdminError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Busy { retry_after } => Self::Busy(retry_after),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy { retry_after } => Self::Busy(retry_after),
            Error::Indeterminate(why) => Self::Indeterminate(why),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<QueueError> for AdminError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unknown(queue) => Self::NotFound(format!("queue {queue}")),
            QueueError::UnknownDeadLetter(letter) => Self::NotFound(format!("dead letter {letter}")),
            QueueError::Busy { retry_after } => Self::Busy(retry_after),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<LogError> for AdminError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unknown(topic) => Self::NotFound(format!("topic {topic}")),
            LogError::Busy { retry_after } => Self::Busy(retry_after),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
