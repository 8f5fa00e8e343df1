//! Messages, deliveries and records, from the contracts to the wire and back.

use std::sync::Arc;

use mamparo_broker::{
    Assignment, DeadLetter, Delivery, Message, MessageId, QueueInfo, Receipt, Record, TopicInfo,
};
use mamparo_context::Timestamp;
use uuid::Uuid;

use super::proto;
use crate::limits::HEADERS_MAX;

/// The other side sent something that is no message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

pub(crate) fn to_message(message: Message) -> proto::Message {
    let headers = message.headers.into_iter().map(|(name, value)| proto::Header { name, value });
    proto::Message {
        id: message.id.map(|id| id.0.as_bytes().to_vec()).unwrap_or_default(),
        topic: message.topic.to_string(),
        key: message.key.map(|key| key.to_string()),
        headers: headers.collect(),
        payload: message.payload,
        not_before: message.not_before.map(Timestamp::as_micros),
    }
}

/// Reads messages; those of one topic after each other share its name.
#[derive(Default)]
pub(crate) struct MessageReader {
    topic: Option<Arc<str>>,
}

impl MessageReader {
    pub(crate) fn read(&mut self, message: proto::Message) -> Result<Message, Malformed> {
        let topic = match &self.topic {
            Some(topic) if **topic == *message.topic => Arc::clone(topic),
            _ => Arc::from(message.topic),
        };
        self.topic = Some(Arc::clone(&topic));
        if message.headers.len() > HEADERS_MAX {
            return Err(Malformed("a message has too many headers"));
        }
        let headers = message.headers.into_iter().map(|mut header| {
            header.name.make_ascii_lowercase();
            (header.name, header.value)
        });
        Ok(Message {
            id: if message.id.is_empty() { None } else { Some(from_id(&message.id)?) },
            topic,
            key: message.key.map(Arc::from),
            headers: headers.collect(),
            payload: message.payload,
            not_before: message.not_before.map(Timestamp::from_micros),
        })
    }

    fn read_optional(&mut self, message: Option<proto::Message>) -> Result<Message, Malformed> {
        self.read(message.ok_or(Malformed("a message is missing"))?)
    }
}

pub(crate) fn from_id(bytes: &[u8]) -> Result<MessageId, Malformed> {
    Uuid::from_slice(bytes).map(MessageId).map_err(|_| Malformed("an id has 16 bytes"))
}

pub(crate) fn to_delivery(delivery: Delivery) -> proto::Delivery {
    proto::Delivery {
        receipt: Some(to_receipt(&delivery.receipt)),
        message: Some(to_message(delivery.message)),
        attempt: delivery.attempt,
        leased_until: delivery.leased_until.as_micros(),
        last_error: delivery.last_error,
    }
}

pub(crate) fn from_deliveries(
    queue: &str,
    deliveries: proto::Deliveries,
) -> Result<Vec<Delivery>, Malformed> {
    let mut reader = MessageReader::default();
    let read = |delivery: proto::Delivery| {
        let receipt = delivery.receipt.ok_or(Malformed("a receipt is missing"))?;
        Ok(Delivery {
            receipt: from_receipt(queue, &receipt),
            message: reader.read_optional(delivery.message)?,
            attempt: delivery.attempt,
            leased_until: Timestamp::from_micros(delivery.leased_until),
            last_error: delivery.last_error,
        })
    };
    deliveries.deliveries.into_iter().map(read).collect()
}

pub(crate) fn to_receipt(receipt: &Receipt) -> proto::Receipt {
    proto::Receipt { sequence: receipt.sequence, lease: receipt.lease }
}

pub(crate) fn from_receipt(queue: &str, receipt: &proto::Receipt) -> Receipt {
    Receipt { queue: queue.to_owned(), sequence: receipt.sequence, lease: receipt.lease }
}

pub(crate) fn to_record(record: Record) -> proto::Record {
    proto::Record {
        partition: record.partition,
        offset: record.offset,
        at: record.at.as_micros(),
        message: Some(to_message(record.message)),
    }
}

pub(crate) fn from_records(records: Vec<proto::Record>) -> Result<Vec<Record>, Malformed> {
    let mut reader = MessageReader::default();
    let read = |record: proto::Record| {
        Ok(Record {
            partition: record.partition,
            offset: record.offset,
            at: Timestamp::from_micros(record.at),
            message: reader.read_optional(record.message)?,
        })
    };
    records.into_iter().map(read).collect()
}

pub(crate) fn to_places(places: impl IntoIterator<Item = (u32, u64)>) -> Vec<proto::Place> {
    places.into_iter().map(|(partition, offset)| proto::Place { partition, offset }).collect()
}

pub(crate) fn from_places(places: &[proto::Place]) -> Vec<(u32, u64)> {
    places.iter().map(|place| (place.partition, place.offset)).collect()
}

pub(crate) fn to_records(records: Vec<Record>, assignment: Assignment) -> proto::Records {
    proto::Records {
        records: records.into_iter().map(to_record).collect(),
        generation: assignment.generation,
        partitions: to_places(assignment.partitions),
    }
}

pub(crate) fn from_assignment(records: &proto::Records) -> Assignment {
    Assignment { generation: records.generation, partitions: from_places(&records.partitions) }
}

pub(crate) fn to_dead_letter(letter: DeadLetter) -> proto::DeadLetter {
    proto::DeadLetter {
        sequence: letter.sequence,
        queue: letter.queue,
        id: letter.id.0.as_bytes().to_vec(),
        key: letter.key,
        headers: letter.headers.into_iter().map(|(name, value)| proto::Header { name, value }).collect(),
        payload: letter.payload,
        attempts: letter.attempts,
        error: letter.error,
        dead_since: letter.dead_since.as_micros(),
    }
}

pub(crate) fn from_dead_letter(letter: proto::DeadLetter) -> Result<DeadLetter, Malformed> {
    Ok(DeadLetter {
        sequence: letter.sequence,
        queue: letter.queue,
        id: from_id(&letter.id)?,
        key: letter.key,
        headers: letter.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        payload: letter.payload,
        attempts: letter.attempts,
        error: letter.error,
        dead_since: Timestamp::from_micros(letter.dead_since),
    })
}

pub(crate) fn to_queue(info: QueueInfo) -> proto::Queue {
    let QueueInfo { name, ready, delayed, leased, dead } = info;
    proto::Queue { name, ready, delayed, leased, dead }
}

pub(crate) fn from_queue(info: proto::Queue) -> QueueInfo {
    let proto::Queue { name, ready, delayed, leased, dead } = info;
    QueueInfo { name, ready, delayed, leased, dead }
}

pub(crate) fn to_log(info: TopicInfo) -> proto::Log {
    let range = |(first, next)| proto::Range { first, next };
    let group = |(name, offsets)| proto::GroupOffsets { name, offsets };
    proto::Log {
        name: info.name,
        partitions: info.partitions.into_iter().map(range).collect(),
        groups: info.groups.into_iter().map(group).collect(),
    }
}

pub(crate) fn from_log(info: proto::Log) -> TopicInfo {
    TopicInfo {
        name: info.name,
        partitions: info.partitions.iter().map(|range| (range.first, range.next)).collect(),
        groups: info.groups.into_iter().map(|group| (group.name, group.offsets)).collect(),
    }
}
