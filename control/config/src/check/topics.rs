//! Queues and logs: each with the options of its kind only, subscribed to what is there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Checker;
use crate::config::{LogTopic, QueueTopic, Topic};
use crate::file::{self, TopicKind};
use crate::tree::Step;

/// Longest lease, as the hub has it.
const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 3600);

impl Checker<'_> {
    pub(super) fn topics(&mut self, raw: BTreeMap<String, file::Topic>) -> BTreeMap<String, Topic> {
        for (name, topic) in &raw {
            self.topic_name(name);
            self.options_of_kind(name, topic);
            for (index, other) in topic.subscribe.iter().enumerate() {
                let steps =
                    [Step::Key("topics"), Step::Key(name), Step::Key("subscribe"), Step::Index(index)];
                self.refers(&steps, "topic", other, &raw);
                if other == name {
                    self.at(&steps, "a queue cannot subscribe to itself".into(), None);
                }
            }
        }
        raw.into_iter().map(|(name, topic)| (name, checked(topic))).collect()
    }

    fn options_of_kind(&mut self, name: &str, topic: &file::Topic) {
        let keys = [
            ("max_attempts", topic.max_attempts.is_some(), TopicKind::Queue),
            ("visibility", topic.visibility.is_some(), TopicKind::Queue),
            ("capacity", topic.capacity.is_some(), TopicKind::Queue),
            ("capacity_bytes", topic.capacity_bytes.is_some(), TopicKind::Queue),
            ("dedup", topic.dedup.is_some(), TopicKind::Queue),
            ("subscribe", !topic.subscribe.is_empty(), TopicKind::Queue),
            ("partitions", topic.partitions.is_some(), TopicKind::Log),
            ("retention", topic.retention.is_some(), TopicKind::Log),
            ("retention_bytes", topic.retention_bytes.is_some(), TopicKind::Log),
            ("retention_records", topic.retention_records.is_some(), TopicKind::Log),
        ];
        for (key, _, kind) in keys.into_iter().filter(|(_, set, kind)| *set && *kind != topic.kind) {
            let message = format!("a {} has no `{key}`", word(topic.kind));
            let help = format!("leave it out, or make it a {}", word(kind));
            self.at_key(&[Step::Key("topics"), Step::Key(name)], key, message, Some(help));
        }
        let wrong = |span: Duration| span.is_zero() || span > VISIBILITY_MAX;
        if topic.visibility.is_some_and(|span| wrong(span.0)) {
            let steps = [Step::Key("topics"), Step::Key(name), Step::Key("visibility")];
            self.at(&steps, "a lease lasts more than no time and at most 12h".into(), None);
        }
    }
}

fn word(kind: TopicKind) -> &'static str {
    match kind {
        TopicKind::Queue => "queue",
        TopicKind::Log => "log",
        TopicKind::Fanout => "fanout",
    }
}

fn checked(raw: file::Topic) -> Topic {
    match raw.kind {
        TopicKind::Queue => Topic::Queue(QueueTopic {
            max_attempts: raw.max_attempts.unwrap_or(10),
            visibility: raw.visibility.map_or(Duration::from_secs(30), |span| span.0),
            capacity: raw.capacity.unwrap_or(1_000_000),
            capacity_bytes: raw.capacity_bytes.map_or(4 << 30, |size| size.0),
            dedup: raw.dedup.map(|span| span.0),
            subscribe: raw.subscribe,
        }),
        TopicKind::Log => Topic::Log(LogTopic {
            partitions: raw.partitions.unwrap_or(4),
            retention: raw.retention.map(|span| span.0),
            retention_bytes: raw.retention_bytes.map(|size| size.0),
            retention_records: raw.retention_records,
        }),
        TopicKind::Fanout => Topic::Fanout,
    }
}
