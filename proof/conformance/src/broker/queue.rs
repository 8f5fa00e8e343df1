//! The plain life of a message: published, leased, acknowledged.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::limits::{BATCH_MAX, PAYLOAD_BYTES_MAX};
use mamparo_broker::{Capability, Delivery, Lease, Message, MessageId, PublishError, QueueError, Receipt};
use uuid::Uuid;

pub use super::queue_failures::*;
pub use super::queue_order::*;
pub use super::queue_waiting::*;
use super::{QueueSubject, soon};

pub(super) const LEASE: Duration = Duration::from_secs(30);

impl QueueSubject {
    pub(super) fn has(&self, capability: Capability) -> bool {
        self.queue.capabilities().has(capability)
    }

    pub(super) fn message(&self, payload: &str) -> Message {
        Message::new(&self.name, payload.to_owned())
    }

    pub(super) async fn publish(&self, payloads: &[&str]) {
        let messages = payloads.iter().map(|payload| self.message(payload)).collect();
        self.queue.publish(messages).await.expect("publish");
    }

    /// What is there now.
    pub(super) async fn take(&self, max: usize) -> Vec<Delivery> {
        self.take_within(max, Duration::ZERO).await
    }

    pub(super) async fn take_within(&self, max: usize, wait: Duration) -> Vec<Delivery> {
        let lease = Lease { max, visibility: LEASE, wait };
        soon(self.queue.receive(&self.name, lease)).await.expect("receive")
    }

    /// Takes the one message that is there.
    pub(super) async fn one(&self) -> Delivery {
        let mut found = self.take_within(10, Duration::from_secs(5)).await;
        assert_eq!(payloads(&found).len(), 1, "one message and no other: {:?}", payloads(&found));
        found.remove(0)
    }

    pub(super) async fn pass(&self, time: Duration) {
        (self.advance)(time).await;
    }
}

pub(super) fn payloads(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|found| String::from_utf8_lossy(&found.message.payload).into_owned()).collect()
}

pub(super) fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|found| found.receipt.clone()).collect()
}

/// Publishing answers with one id for each message, in order: the publisher's own where there is one.
pub async fn publish_answers_with_the_ids_in_order(subject: &QueueSubject) {
    let own = Uuid::from_u128(7);
    let messages = vec![subject.message("a"), subject.message("b").id(own), subject.message("c")];
    let ids = subject.queue.publish(messages).await.expect("publish");
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[1], MessageId(own));
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3, "ids are distinct");
    let found: Vec<_> = subject.take(10).await.iter().map(|found| found.message.id).collect();
    assert_eq!(found, ids.into_iter().map(Some).collect::<Vec<_>>());
}

/// Everything that was published is delivered as it was.
pub async fn a_message_arrives_whole(subject: &QueueSubject) {
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let sent = Message::new(&subject.name, bytes)
        .id(Uuid::from_u128(1))
        .key("llave ✓")
        .header("Content-Type", "application/octet-stream")
        .header("x", "ñ \"quoted\"\n");
    subject.queue.publish(vec![sent.clone()]).await.expect("publish");
    let found = subject.one().await;
    assert_eq!(found.message, sent);
    assert_eq!((found.attempt, found.last_error), (1, None));
    let empty = subject.message("").id(Uuid::from_u128(2));
    subject.queue.publish(vec![empty.clone()]).await.expect("publish");
    assert_eq!(subject.one().await.message, empty);
}

/// One message of a batch that cannot be accepted keeps out the whole batch.
pub async fn a_batch_is_accepted_whole_or_not_at_all(subject: &QueueSubject) {
    let large = Message::new(&subject.name, vec![0; PAYLOAD_BYTES_MAX + 1]);
    let refused = subject.queue.publish(vec![subject.message("a"), large]).await;
    assert!(matches!(refused, Err(PublishError::TooLarge { part: "payload", .. })), "{refused:?}");
    let unknown = vec![subject.message("a"), Message::new("there is no such queue", "b")];
    let refused = subject.queue.publish(unknown).await;
    assert!(matches!(refused, Err(PublishError::Unknown(_))), "{refused:?}");
    let many = vec![subject.message("a"); BATCH_MAX + 1];
    let refused = subject.queue.publish(many).await;
    assert!(matches!(refused, Err(PublishError::BatchTooLarge { .. })), "{refused:?}");
    assert_eq!(payloads(&subject.take(10).await), [""; 0], "nothing was accepted");
}

/// Messages come in the order in which they were published, over several batches.
pub async fn messages_come_in_order(subject: &QueueSubject) {
    let sent: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    for some in sent.chunks(7) {
        subject.publish(&some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let mut found = Vec::new();
    while found.len() < sent.len() {
        let batch = subject.take(9).await;
        assert!(!batch.is_empty(), "all messages are there");
        found.extend(payloads(&batch));
    }
    assert_eq!(found, sent);
}

/// No more messages come than were asked for; asking for none answers with none.
pub async fn a_batch_is_bounded(subject: &QueueSubject) {
    subject.publish(&["a", "b", "c"]).await;
    assert_eq!(payloads(&subject.take(0).await), [""; 0]);
    assert_eq!(payloads(&subject.take(2).await), ["a", "b"]);
    assert_eq!(payloads(&subject.take(2).await), ["c"]);
}

/// A message is leased to one consumer at a time.
pub async fn a_leased_message_is_nobody_elses(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    let found = subject.one().await;
    subject.pass(LEASE / 2).await;
    assert_eq!(payloads(&subject.take(10).await), [""; 0]);
    assert_eq!(subject.queue.ack(&[found.receipt]).await, Ok(1));
}

/// An acknowledged message never comes again; a receipt counts once, a made-up one never.
pub async fn ack_forgets_and_counts_live_receipts(subject: &QueueSubject) {
    subject.publish(&["a", "b", "c"]).await;
    let found = subject.take(3).await;
    let live = receipts(&found);
    let wrong_lease = Receipt { lease: live[2].lease + 1_000, ..live[2].clone() };
    let wrong_number = Receipt { sequence: live[2].sequence + 1_000, ..live[2].clone() };
    assert_eq!(subject.queue.ack(&[wrong_lease, wrong_number]).await, Ok(0));
    assert_eq!(subject.queue.ack(&live[..2]).await, Ok(2));
    assert_eq!(subject.queue.ack(&live).await, Ok(1), "two of them were acknowledged before");
    assert_eq!(subject.queue.ack(&[]).await, Ok(0));
    subject.pass(10 * LEASE).await;
    assert_eq!(payloads(&subject.take(10).await), [""; 0]);
}

/// Whatever part of a batch is acknowledged, that part is done and the rest is not.
pub async fn any_part_of_a_batch_can_be_acknowledged(subject: &QueueSubject) {
    let sent: Vec<String> = (0..24).map(|number| number.to_string()).collect();
    // Every third has a key of its own, and another message behind it.
    let message = |(number, text): (usize, &String)| {
        let message = subject.message(text);
        if number % 3 == 0 { message.key(text) } else { message }
    };
    let mut messages: Vec<_> = sent.iter().enumerate().map(message).collect();
    messages.extend(messages.clone().into_iter().filter(|message| message.key.is_some()));
    subject.queue.publish(messages).await.expect("publish");
    let all = receipts(&subject.take(24).await);
    assert_eq!(all.len(), 24);
    let every_second: Vec<_> = all.iter().step_by(2).cloned().collect();
    assert_eq!(subject.queue.ack(&every_second).await, Ok(12));
    assert_eq!(subject.queue.ack(&all[..10]).await, Ok(5), "five of them were acknowledged before");
    let twice = [&all[12..], &all[12..]].concat();
    assert_eq!(subject.queue.ack(&twice).await, Ok(6), "a receipt counts once");
    let all_again = subject.queue.ack(&all).await;
    assert_eq!(all_again, Ok(1), "the one that is left");
    // What was behind a key has its turn, where the broker keeps that order; else it was there before.
    let rest = subject.take(24).await;
    let keyed: Vec<_> = sent.iter().step_by(3).cloned().collect();
    assert_eq!(payloads(&rest), keyed);
    assert_eq!(subject.queue.ack(&receipts(&rest)).await, Ok(8));
    subject.pass(10 * LEASE).await;
    assert_eq!(payloads(&subject.take(24).await), [""; 0]);
}

/// An extended lease lasts as long as it says, counted from then on.
pub async fn extend_makes_the_lease_last(subject: &QueueSubject) {
    if !subject.has(Capability::Extend) {
        return;
    }
    subject.publish(&["a"]).await;
    let found = subject.one().await;
    subject.pass(LEASE / 2).await;
    assert_eq!(subject.queue.extend(std::slice::from_ref(&found.receipt), 2 * LEASE).await, Ok(1));
    subject.pass(LEASE).await;
    assert_eq!(payloads(&subject.take(10).await), [""; 0], "the lease is longer now");
    assert_eq!(subject.queue.ack(&[found.receipt]).await, Ok(1));
}

/// A released message is there at once, in its old place, and no attempt is counted.
pub async fn release_burns_no_attempt(subject: &QueueSubject) {
    if !subject.has(Capability::Release) {
        return;
    }
    subject.publish(&["a", "b"]).await;
    for _ in 0..=2 * QueueSubject::MAX_ATTEMPTS {
        let found = subject.take(1).await;
        assert_eq!((payloads(&found), found[0].attempt), (vec!["a".to_owned()], 1));
        assert_eq!(subject.queue.release(&receipts(&found)).await, Ok(1));
        assert_eq!(subject.queue.ack(&receipts(&found)).await, Ok(0), "the receipt is void");
    }
    assert_eq!(payloads(&subject.take(10).await), ["a", "b"]);
}

/// A queue that does not exist is named in the error.
pub async fn an_unknown_queue_is_a_typed_error(subject: &QueueSubject) {
    let lease = Lease { max: 1, visibility: LEASE, wait: Duration::ZERO };
    let nowhere = "there is no such queue";
    let unknown = QueueError::Unknown(nowhere.to_owned());
    assert_eq!(subject.queue.receive(nowhere, lease).await, Err(unknown.clone()));
    let receipt = Receipt { queue: nowhere.to_owned(), sequence: 1, lease: 1 };
    assert_eq!(subject.queue.ack(std::slice::from_ref(&receipt)).await, Err(unknown));
    let many = vec![Receipt { queue: subject.name.clone(), ..receipt }; BATCH_MAX + 1];
    let refused = subject.queue.ack(&many).await;
    assert_eq!(refused, Err(QueueError::BatchTooLarge { count: BATCH_MAX + 1, max: BATCH_MAX }));
}

/// A queue shows how many messages are ready, leased and dead.
pub async fn queues_are_counted(subject: &QueueSubject) {
    subject.publish(&["a", "b", "c", "d"]).await;
    let found = subject.take(3).await;
    assert_eq!(subject.queue.ack(&receipts(&found[..1])).await, Ok(1));
    assert_eq!(subject.queue.reject(&found[1].receipt, "no").await, Ok(1));
    let all = subject.queue.queues().await.expect("queues");
    let own = all.into_iter().find(|info| info.name == subject.name).expect("the queue is listed");
    assert_eq!((own.ready, own.delayed, own.leased, own.dead), (1, 0, 1, 1));
}

/// Consumers that receive at the same time never get the same message.
pub async fn consumers_share_without_overlap(subject: &QueueSubject) {
    let sent: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    subject.publish(&sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let consume = || {
        let (queue, name) = (Arc::clone(&subject.queue), subject.name.clone());
        tokio::spawn(async move {
            let mut own = Vec::new();
            loop {
                let lease = Lease { max: 7, visibility: LEASE, wait: Duration::from_millis(200) };
                let found = queue.receive(&name, lease).await.expect("receive");
                if found.is_empty() {
                    return own;
                }
                assert_eq!(queue.ack(&receipts(&found)).await, Ok(found.len()));
                own.extend(payloads(&found));
            }
        })
    };
    let consumers: Vec<_> = (0..4).map(|_| consume()).collect();
    let mut all = Vec::new();
    for consumer in consumers {
        all.extend(soon(consumer).await.expect("consumer"));
    }
    all.sort_by_key(|payload| payload.parse::<u32>().expect("a number"));
    assert_eq!(all, sent);
}
