//! The records of a log: appended, and read by offset.

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{LogError, Message, PublishError, Record};
use uuid::Uuid;

use super::LogSubject;
pub use super::log_groups::*;

impl LogSubject {
    pub(super) fn message(&self, key: &str, payload: &str) -> Message {
        Message::new(&self.topic, payload.to_owned()).key(key)
    }

    /// Appends `key:payload` records.
    pub(super) async fn append(&self, records: &[&str]) -> Vec<(u32, u64)> {
        let key = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
        let messages = records.iter().map(|text| self.message(&key(text), text)).collect();
        self.log.append(messages).await.expect("append")
    }

    /// Everything in the log, partition by partition.
    pub(super) async fn everything(&self) -> Vec<Record> {
        let mut all = Vec::new();
        for partition in 0..Self::PARTITIONS {
            all.extend(self.log.read(&self.topic, partition, 0, BATCH_MAX).await.expect("read"));
        }
        all
    }
}

pub(super) fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.message.payload).into_owned()).collect()
}

/// Offsets count from 0 without gaps in every partition; a key always has the same partition.
pub async fn offsets_are_dense_and_a_key_keeps_its_partition(subject: &LogSubject) {
    let sent: Vec<String> = (0..90).map(|number| format!("key-{}:{number}", number % 30)).collect();
    let mut places = Vec::new();
    for some in sent.chunks(11) {
        places.extend(subject.append(&some.iter().map(String::as_str).collect::<Vec<_>>()).await);
    }
    for (number, (partition, _)) in places.iter().enumerate() {
        assert!(*partition < LogSubject::PARTITIONS);
        assert_eq!(*partition, places[number % 30].0, "the partition of a key");
    }
    for partition in 0..LogSubject::PARTITIONS {
        let offsets: Vec<_> = places.iter().filter(|place| place.0 == partition).map(|p| p.1).collect();
        assert_eq!(offsets, (0..offsets.len() as u64).collect::<Vec<_>>(), "offsets of {partition}");
        let read = subject.log.read(&subject.topic, partition, 0, BATCH_MAX).await.expect("read");
        assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), offsets);
    }
    let all = subject.everything().await;
    for (place, text) in places.iter().zip(&sent) {
        let found =
            all.iter().find(|record| (record.partition, record.offset) == *place).expect("the record");
        assert_eq!(found.message.payload, text.as_bytes());
    }
}

/// Everything that was appended is read as it was, and a record without an id is given one.
pub async fn a_record_arrives_whole(subject: &LogSubject) {
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let sent = Message::new(&subject.topic, bytes)
        .id(Uuid::from_u128(1))
        .key("llave ✓")
        .header("Content-Type", "application/octet-stream")
        .header("x", "ñ \"quoted\"\n");
    let (partition, offset) = subject.log.append(vec![sent.clone()]).await.expect("append")[0];
    let read = subject.log.read(&subject.topic, partition, offset, 1).await.expect("read");
    assert_eq!(read[0].message, sent);
    let plain = Message::new(&subject.topic, "plain");
    let (partition, offset) = subject.log.append(vec![plain]).await.expect("append")[0];
    let read = subject.log.read(&subject.topic, partition, offset, 1).await.expect("read");
    assert!(read[0].message.id.is_some());
    assert_eq!((read[0].message.key.as_deref(), read[0].message.headers.len()), (None, 0));
}

/// One record of a batch that cannot be accepted keeps out the whole batch.
pub async fn an_append_is_whole_or_not_at_all(subject: &LogSubject) {
    let unknown = vec![subject.message("a", "1"), Message::new("there is no such topic", "2")];
    let refused = subject.log.append(unknown).await;
    assert!(matches!(refused, Err(PublishError::Unknown(_))), "{refused:?}");
    let large = vec![subject.message("a", "1"), subject.message(&"k".repeat(10_000), "2")];
    let refused = subject.log.append(large).await;
    assert!(matches!(refused, Err(PublishError::TooLarge { part: "key", .. })), "{refused:?}");
    assert!(subject.everything().await.is_empty());
}

/// Reading begins at any offset, ends after `max` records, and answers with nothing past the end.
pub async fn records_are_read_from_any_offset(subject: &LogSubject) {
    let places = subject.append(&["a:0", "a:1", "a:2", "a:3", "a:4"]).await;
    let partition = places[0].0;
    let read = |offset, max| subject.log.read(&subject.topic, partition, offset, max);
    assert_eq!(texts(&read(1, 2).await.expect("read")), ["a:1", "a:2"]);
    assert_eq!(texts(&read(3, 100).await.expect("read")), ["a:3", "a:4"]);
    assert_eq!(texts(&read(5, 100).await.expect("read")), [""; 0]);
    assert_eq!(texts(&read(u64::MAX, 100).await.expect("read")), [""; 0]);
    assert_eq!(texts(&read(0, 0).await.expect("read")), [""; 0]);
}

/// What does not exist is named in the error.
pub async fn unknown_topics_and_partitions_are_typed_errors(subject: &LogSubject) {
    let nowhere = "there is no such topic";
    let unknown = LogError::Unknown(nowhere.to_owned());
    assert_eq!(subject.log.read(nowhere, 0, 0, 1).await, Err(unknown.clone()));
    assert_eq!(subject.log.seek(nowhere, "g", 0, 0).await, Err(unknown.clone()));
    let joined = subject.log.join(nowhere, "g", mamparo_broker::Start::Earliest).await;
    assert_eq!(joined.err(), Some(unknown));
    let (topic, partitions) = (subject.topic.clone(), LogSubject::PARTITIONS);
    let unknown = LogError::UnknownPartition { topic, partition: partitions, partitions };
    assert_eq!(subject.log.read(&subject.topic, partitions, 0, 1).await, Err(unknown.clone()));
    assert_eq!(subject.log.seek(&subject.topic, "g", partitions, 0).await, Err(unknown));
}
