//! Errors of the contracts as the protocol's `Error` and back, and as the status of a call without a stream.

use mamparo_broker::{LogError, PublishError, QueueError};
use prost::Message as _;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::message::Malformed;
use super::proto::{Code, Error};
use super::{from_millis, to_millis};
use crate::limits::FULL_RETRY_AFTER;

/// The status that google.rpc has for everybody: a code, a text, and details of any type.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

const TYPE_URL: &str = "type.googleapis.com/mamparo.hub.v1.Error";

fn error(code: Code, message: impl ToString) -> Error {
    Error { code: code.into(), message: message.to_string(), ..Error::default() }
}

fn about(code: Code, message: impl ToString, subject: impl ToString, found: u64, expected: u64) -> Error {
    Error { subject: subject.to_string(), found, expected, ..error(code, message) }
}

fn later(retry_after: std::time::Duration, error: Error) -> Error {
    Error { retry_after_ms: to_millis(retry_after), ..error }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        error(Code::Malformed, malformed)
    }
}

impl From<PublishError> for Error {
    fn from(from: PublishError) -> Self {
        let text = from.to_string();
        match from {
            PublishError::NoTopic => error(Code::NoTopic, text),
            PublishError::TooLarge { part, bytes, max } => {
                about(Code::TooLarge, text, part, bytes as u64, max as u64)
            }
            PublishError::BatchTooLarge { count, max } => {
                about(Code::BatchTooLarge, text, "batch", count as u64, max as u64)
            }
            PublishError::Unknown(topic) => about(Code::Unknown, text, topic, 0, 0),
            PublishError::Full { topic, retry_after } => {
                later(retry_after, about(Code::Full, text, topic, 0, 0))
            }
            PublishError::OffsetConflict { topic, expected, actual } => {
                about(Code::OffsetConflict, text, topic, actual, expected)
            }
            PublishError::Busy { retry_after } => later(retry_after, error(Code::Busy, text)),
            PublishError::Unavailable(why) => error(Code::Unavailable, why),
            PublishError::Indeterminate(why) => error(Code::Indeterminate, why),
            _ => error(Code::Unavailable, text),
        }
    }
}

impl From<QueueError> for Error {
    fn from(from: QueueError) -> Self {
        let text = from.to_string();
        match from {
            QueueError::Unknown(queue) => about(Code::Unknown, text, queue, 0, 0),
            QueueError::UnknownDeadLetter(number) => about(Code::UnknownDeadLetter, text, number, 0, 0),
            QueueError::BatchTooLarge { count, max } => {
                about(Code::BatchTooLarge, text, "batch", count as u64, max as u64)
            }
            QueueError::Unsupported(what) => about(Code::Unsupported, text, what, 0, 0),
            QueueError::Busy { retry_after } => later(retry_after, error(Code::Busy, text)),
            QueueError::Unavailable(why) => error(Code::Unavailable, why),
            _ => error(Code::Unavailable, text),
        }
    }
}

impl From<LogError> for Error {
    fn from(from: LogError) -> Self {
        let text = from.to_string();
        match from {
            LogError::Unknown(topic) => about(Code::Unknown, text, topic, 0, 0),
            LogError::UnknownPartition { topic, partition, partitions } => {
                about(Code::UnknownPartition, text, topic, partition.into(), partitions.into())
            }
            LogError::Revoked { group, generation, current } => {
                about(Code::Revoked, text, group, current, generation)
            }
            LogError::Unsupported(what) => about(Code::Unsupported, text, what, 0, 0),
            LogError::Busy { retry_after } => later(retry_after, error(Code::Busy, text)),
            LogError::Unavailable(why) => error(Code::Unavailable, why),
            _ => error(Code::Unavailable, text),
        }
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// When it is worth trying again, where the error says that it is.
fn retry_after(error: &Error) -> std::time::Duration {
    if error.retry_after_ms == 0 { FULL_RETRY_AFTER } else { from_millis(error.retry_after_ms) }
}

pub(crate) fn publish_error(error: Error) -> PublishError {
    match error.code() {
        Code::NoTopic => PublishError::NoTopic,
        Code::TooLarge => {
            const PARTS: [&str; 5] = ["topic", "key", "headers", "payload", "batch"];
            let part = PARTS.into_iter().find(|part| *part == error.subject).unwrap_or("message");
            PublishError::TooLarge { part, bytes: size(error.found), max: size(error.expected) }
        }
        Code::BatchTooLarge => {
            PublishError::BatchTooLarge { count: size(error.found), max: size(error.expected) }
        }
        Code::Unknown => PublishError::Unknown(error.subject),
        Code::Full => PublishError::Full { retry_after: retry_after(&error), topic: error.subject },
        Code::OffsetConflict => {
            let (actual, expected) = (error.found, error.expected);
            PublishError::OffsetConflict { topic: error.subject, expected, actual }
        }
        Code::Busy => PublishError::Busy { retry_after: retry_after(&error) },
        Code::Indeterminate => PublishError::Indeterminate(error.message),
        _ => PublishError::Unavailable(error.message),
    }
}

pub(crate) fn queue_error(error: Error) -> QueueError {
    match error.code() {
        Code::Unknown => QueueError::Unknown(error.subject),
        Code::UnknownDeadLetter => QueueError::UnknownDeadLetter(error.subject),
        Code::BatchTooLarge => {
            QueueError::BatchTooLarge { count: size(error.found), max: size(error.expected) }
        }
        Code::Unsupported => QueueError::Unsupported("do this"),
        Code::Busy => QueueError::Busy { retry_after: retry_after(&error) },
        _ => QueueError::Unavailable(error.message),
    }
}

pub(crate) fn log_error(error: Error) -> LogError {
    match error.code() {
        Code::Unknown => LogError::Unknown(error.subject),
        Code::UnknownPartition => {
            let (partition, partitions) = (number(error.found), number(error.expected));
            LogError::UnknownPartition { topic: error.subject, partition, partitions }
        }
        Code::Revoked => {
            let (current, generation) = (error.found, error.expected);
            LogError::Revoked { group: error.subject, generation, current }
        }
        Code::Unsupported => LogError::Unsupported("do this"),
        Code::Busy => LogError::Busy { retry_after: retry_after(&error) },
        _ => LogError::Unavailable(error.message),
    }
}

/// The error as the status of a call.
pub(crate) fn to_status(error: &Error) -> Status {
    let code = match error.code() {
        Code::NoTopic | Code::TooLarge | Code::BatchTooLarge | Code::Malformed => {
            tonic::Code::InvalidArgument
        }
        Code::Unknown | Code::UnknownDeadLetter | Code::UnknownPartition => tonic::Code::NotFound,
        Code::Full | Code::Busy => tonic::Code::ResourceExhausted,
        Code::OffsetConflict | Code::Revoked => tonic::Code::FailedPrecondition,
        Code::Unsupported => tonic::Code::Unimplemented,
        Code::Indeterminate => tonic::Code::Unknown,
        Code::Unavailable | Code::Unspecified => tonic::Code::Unavailable,
    };
    let detail = Any { type_url: TYPE_URL.to_owned(), value: error.encode_to_vec() };
    let details = RpcStatus { code: code.into(), message: error.message.clone(), details: vec![detail] };
    let mut metadata = MetadataMap::new();
    let name = error.code().as_str_name().trim_start_matches("CODE_");
    if let Ok(name) = name.parse() {
        metadata.insert("mamparo-code", name);
    }
    if error.retry_after_ms > 0 {
        metadata.insert("retry-after-ms", error.retry_after_ms.into());
    }
    Status::with_details_and_metadata(code, &error.message, details.encode_to_vec().into(), metadata)
}

/// The error that a status brings; one about the connection when it brings none.
pub(crate) fn from_status(status: &Status) -> Error {
    let details = RpcStatus::decode(status.details()).unwrap_or_default().details;
    let own = details.into_iter().find(|detail| detail.type_url == TYPE_URL);
    match own.and_then(|detail| Error::decode(&*detail.value).ok()) {
        Some(error) => error,
        None => error(Code::Unavailable, format!("{}: {}", status.code(), status.message())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn typed_errors_survive_the_wire() {
        let (second, text) = (Duration::from_secs(1), || "orders".to_owned());
        for error in [
            PublishError::NoTopic,
            PublishError::TooLarge { part: "key", bytes: 600, max: 512 },
            PublishError::BatchTooLarge { count: 1_001, max: 1_000 },
            PublishError::Unknown(text()),
            PublishError::Full { topic: text(), retry_after: second },
            PublishError::OffsetConflict { topic: text(), expected: 7, actual: 9 },
            PublishError::Busy { retry_after: second },
            PublishError::Unavailable(text()),
            PublishError::Indeterminate(text()),
        ] {
            assert_eq!(publish_error(from_status(&to_status(&error.clone().into()))), error);
        }
        for error in [
            QueueError::Unknown(text()),
            QueueError::UnknownDeadLetter("7".into()),
            QueueError::BatchTooLarge { count: 1_001, max: 1_000 },
            QueueError::Busy { retry_after: second },
            QueueError::Unavailable(text()),
        ] {
            assert_eq!(queue_error(from_status(&to_status(&error.clone().into()))), error);
        }
        for error in [
            LogError::Unknown(text()),
            LogError::UnknownPartition { topic: text(), partition: 9, partitions: 4 },
            LogError::Revoked { group: text(), generation: 3, current: 4 },
            LogError::Busy { retry_after: second },
            LogError::Unavailable(text()),
        ] {
            assert_eq!(log_error(from_status(&to_status(&error.clone().into()))), error);
        }
    }

    #[test]
    fn a_status_of_somebody_else_is_about_the_connection() {
        let error = from_status(&Status::internal("h2 protocol error"));
        assert_eq!(queue_error(error), QueueError::Unavailable("Internal error: h2 protocol error".into()));
    }

    #[test]
    fn a_status_says_its_code_and_when_to_come_back() {
        let full = PublishError::Full { topic: "orders".into(), retry_after: Duration::from_millis(250) };
        let status = to_status(&full.into());
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let value = |name| status.metadata().get(name).and_then(|value| value.to_str().ok());
        assert_eq!((value("mamparo-code"), value("retry-after-ms")), (Some("FULL"), Some("250")));
    }
}
