//! Waiting for a message: everything that makes one available wakes a receiver, and no wake-up is lost.

use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::{Capability, Delivery, Lease};
use tokio::task::JoinHandle;

use super::queue::{LEASE, payloads};
use super::{QueueSubject, soon};

const SECOND: Duration = Duration::from_secs(1);

impl QueueSubject {
    /// A receiver that waits, seen to be waiting as far as that can be seen from outside.
    async fn waiting(&self) -> JoinHandle<Vec<Delivery>> {
        let (queue, name) = (Arc::clone(&self.queue), self.name.clone());
        let lease = Lease { max: 1, visibility: LEASE, wait: 15 * SECOND };
        let waiting = tokio::spawn(async move { queue.receive(&name, lease).await.expect("receive") });
        // A receiver that is not waiting yet finds the message too: this only makes the other case likely.
        assert_eq!(self.take_within(0, Duration::ZERO).await.len(), 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
        waiting
    }
}

async fn woken(waiting: JoinHandle<Vec<Delivery>>) -> Delivery {
    let mut found = soon(waiting).await.expect("receiver");
    assert_eq!(found.len(), 1, "the receiver was woken");
    found.remove(0)
}

/// A receiver that finds nothing answers with nothing when its time is over.
pub async fn an_empty_receive_ends_in_time(subject: &QueueSubject) {
    assert_eq!(payloads(&subject.take_within(1, Duration::ZERO).await), [""; 0]);
    assert_eq!(payloads(&subject.take_within(1, Duration::from_millis(30)).await), [""; 0]);
}

/// A published message wakes a receiver.
pub async fn publish_wakes_a_receiver(subject: &QueueSubject) {
    let waiting = subject.waiting().await;
    subject.publish(&["a"]).await;
    assert_eq!(&woken(waiting).await.message.payload[..], b"a");
}

/// A released message wakes a receiver.
pub async fn release_wakes_a_receiver(subject: &QueueSubject) {
    if !subject.has(Capability::Release) {
        return;
    }
    subject.publish(&["a"]).await;
    let found = subject.one().await;
    let waiting = subject.waiting().await;
    assert_eq!(subject.queue.release(&[found.receipt]).await, Ok(1));
    assert_eq!(woken(waiting).await.attempt, 1);
}

/// A message that was given back wakes a receiver when its delay has passed.
pub async fn an_elapsed_delay_wakes_a_receiver(subject: &QueueSubject) {
    if !subject.has(Capability::NackDelay) {
        return;
    }
    subject.publish(&["a"]).await;
    let found = subject.one().await;
    let waiting = subject.waiting().await;
    assert_eq!(subject.queue.nack(&found.receipt, 2 * SECOND, "later").await, Ok(1));
    subject.pass(3 * SECOND).await;
    assert_eq!(woken(waiting).await.attempt, 2);
}

/// A message whose lease runs out wakes a receiver.
pub async fn an_expired_lease_wakes_a_receiver(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    let lease = Lease { max: 1, visibility: 2 * SECOND, wait: Duration::ZERO };
    assert_eq!(subject.queue.receive(&subject.name, lease).await.expect("receive").len(), 1);
    let waiting = subject.waiting().await;
    subject.pass(3 * SECOND).await;
    assert_eq!(woken(waiting).await.attempt, 2);
}

/// A dead letter that is put back wakes a receiver.
pub async fn redrive_wakes_a_receiver(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    assert_eq!(subject.queue.reject(&subject.one().await.receipt, "no").await, Ok(1));
    let dead = subject.queue.dead_letters(None, 0, 1).await.expect("dead letters");
    let waiting = subject.waiting().await;
    assert_eq!(subject.queue.redrive(dead[0].sequence).await, Ok(()));
    assert_eq!(woken(waiting).await.attempt, 1);
}

/// The next message of a key wakes a receiver once the one before it is done.
pub async fn ack_wakes_the_receiver_of_the_next_of_its_key(subject: &QueueSubject) {
    if !subject.has(Capability::KeyOrder) {
        return;
    }
    let messages = vec![subject.message("1").key("k"), subject.message("2").key("k")];
    subject.queue.publish(messages).await.expect("publish");
    let first = subject.one().await;
    let waiting = subject.waiting().await;
    assert_eq!(subject.queue.ack(&[first.receipt]).await, Ok(1));
    assert_eq!(&woken(waiting).await.message.payload[..], b"2");
}

/// As many receivers as there are messages are woken.
pub async fn many_receivers_are_all_woken(subject: &QueueSubject) {
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(subject.waiting().await);
    }
    subject.publish(&["1", "2", "3", "4", "5", "6", "7", "8"]).await;
    for receiver in waiting {
        woken(receiver).await;
    }
}

/// A receiver that goes away, waiting or not, keeps no message and no wake-up for itself.
pub async fn a_dropped_receive_loses_nothing(subject: &QueueSubject) {
    for round in 0..20 {
        let gone = subject.waiting().await;
        let stays = subject.waiting().await;
        subject.publish(&["a"]).await;
        gone.abort();
        let found = match soon(gone).await {
            Ok(found) if !found.is_empty() => {
                stays.abort();
                found
            }
            _ => soon(stays).await.expect("receiver"),
        };
        assert_eq!(found.len(), 1, "round {round}");
        assert_eq!(subject.queue.ack(&[found[0].receipt.clone()]).await, Ok(1));
        let rest = subject.queue.queues().await.expect("queues");
        let own = rest.iter().find(|info| info.name == subject.name).expect("the queue is listed");
        assert_eq!((own.ready, own.leased), (0, 0), "round {round}");
    }
}
