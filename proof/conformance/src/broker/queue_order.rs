//! The order of one key, over retries.

use std::time::Duration;

use mamparo_broker::{Capability, Delivery};

use super::QueueSubject;
use super::queue::{LEASE, payloads, receipts};

const SECOND: Duration = Duration::from_secs(1);

impl QueueSubject {
    /// Publishes messages `key:payload`.
    async fn publish_keyed(&self, messages: &[&str]) {
        let messages = messages.iter().map(|text| match text.split_once(':') {
            Some((key, _)) => self.message(text).key(key),
            None => self.message(text),
        });
        self.queue.publish(messages.collect()).await.expect("publish");
    }

    /// Takes and acknowledges until nothing is left; the order in which messages came.
    async fn drain(&self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let found = self.take(10).await;
            if found.is_empty() {
                return all;
            }
            assert_eq!(self.queue.ack(&receipts(&found)).await, Ok(found.len()));
            all.extend(payloads(&found));
        }
    }

    /// Takes the first message, which must be this one.
    async fn first(&self, payload: &str) -> Delivery {
        let mut found = self.take(1).await;
        assert_eq!(payloads(&found), [payload]);
        found.remove(0)
    }
}

fn of_key(key: &str, all: &[String]) -> Vec<String> {
    all.iter().filter(|text| text.starts_with(&format!("{key}:"))).cloned().collect()
}

/// A message that failed holds back the later ones of its key, and nothing else.
pub async fn a_nack_holds_back_its_key_alone(subject: &QueueSubject) {
    if !subject.has(Capability::KeyOrder) {
        return;
    }
    subject.publish_keyed(&["a:1", "a:2", "b:1", "free", "b:2", "a:3"]).await;
    let failed = subject.first("a:1").await;
    assert_eq!(subject.queue.nack(&failed.receipt, 10 * SECOND, "later").await, Ok(1));
    assert_eq!(subject.drain().await, ["b:1", "free", "b:2"]);
    subject.pass(11 * SECOND).await;
    assert_eq!(subject.drain().await, ["a:1", "a:2", "a:3"]);
}

/// A released message comes before the later ones of its key.
pub async fn a_release_keeps_the_order_of_its_key(subject: &QueueSubject) {
    if !(subject.has(Capability::KeyOrder) && subject.has(Capability::Release)) {
        return;
    }
    subject.publish_keyed(&["a:1", "a:2", "b:1"]).await;
    let first = subject.first("a:1").await;
    assert_eq!(payloads(&subject.take(10).await), ["b:1"]);
    assert_eq!(subject.queue.release(&[first.receipt]).await, Ok(1));
    assert_eq!(subject.drain().await, ["a:1", "a:2"]);
}

/// A message whose lease ran out comes before the later ones of its key.
pub async fn an_expired_lease_keeps_the_order_of_its_key(subject: &QueueSubject) {
    if !subject.has(Capability::KeyOrder) {
        return;
    }
    subject.publish_keyed(&["a:1", "a:2", "a:3"]).await;
    subject.first("a:1").await;
    subject.pass(LEASE + SECOND).await;
    assert_eq!(subject.drain().await, ["a:1", "a:2", "a:3"]);
}

/// A message that is given up lets the next of its key pass; put back, it comes last.
pub async fn a_dead_letter_lets_the_next_of_its_key_pass(subject: &QueueSubject) {
    if !subject.has(Capability::KeyOrder) {
        return;
    }
    subject.publish_keyed(&["a:1", "a:2", "a:3"]).await;
    let first = subject.first("a:1").await;
    assert_eq!(subject.queue.reject(&first.receipt, "no").await, Ok(1));
    let dead = subject.queue.dead_letters(None, 0, 1).await.expect("dead letters");
    assert_eq!(subject.queue.redrive(dead[0].sequence).await, Ok(()));
    assert_eq!(subject.drain().await, ["a:2", "a:3", "a:1"]);
}

/// However batches are cut and retried, the messages of each key come in order.
pub async fn a_batch_holds_no_later_message_of_a_key_in_flight(subject: &QueueSubject) {
    if !subject.has(Capability::KeyOrder) {
        return;
    }
    let sent: Vec<String> =
        (0..60).map(|number| format!("{}:{}", ["a", "b", "c"][number % 3], number / 3)).collect();
    for some in sent.chunks(13) {
        subject.publish_keyed(&some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let mut done = Vec::new();
    for round in 0.. {
        let found = subject.take(4).await;
        if found.is_empty() {
            break;
        }
        for (place, delivery) in found.iter().enumerate() {
            // Every fourth is given back: what comes after it in its key must not have been handed out.
            if (round + place) % 4 == 0 && delivery.attempt == 1 {
                assert_eq!(subject.queue.nack(&delivery.receipt, Duration::ZERO, "again").await, Ok(1));
            } else {
                assert_eq!(subject.queue.ack(std::slice::from_ref(&delivery.receipt)).await, Ok(1));
                done.extend(payloads(std::slice::from_ref(delivery)));
            }
        }
    }
    for key in ["a", "b", "c"] {
        assert_eq!(of_key(key, &done), of_key(key, &sent));
    }
}

/// A message that is not to be delivered before a moment is not.
pub async fn a_delayed_message_waits_for_its_moment(subject: &QueueSubject) {
    if !subject.has(Capability::Delay) {
        return;
    }
    // The lease says what time the broker thinks it is.
    subject.publish(&["clock"]).await;
    let now = subject.one().await.leased_until - LEASE;
    let later = subject.message("later").not_before(now + 10 * SECOND);
    subject.queue.publish(vec![later, subject.message("now")]).await.expect("publish");
    assert_eq!(payloads(&subject.take(10).await), ["now"]);
    subject.pass(11 * SECOND).await;
    assert_eq!(payloads(&subject.take(10).await), ["later"]);
}
