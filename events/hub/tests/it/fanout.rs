//! What the hub promises beyond the contracts: fan-out, quotas, deduplication, retention.

use std::time::Duration;

use mamparo_broker::{Lease, Log, Message, PublishError, Queue};
use mamparo_hub::{LogOptions, QueueOptions, TopicOptions};
use uuid::Uuid;

use crate::support::{Fixture, queue};

const LEASE: Lease = Lease { max: 100, visibility: Duration::from_secs(30), wait: Duration::ZERO };

async fn take(fixture: &Fixture, queue: &str) -> Vec<String> {
    let found = fixture.hub.receive(queue, LEASE).await.expect("receive");
    let receipts: Vec<_> = found.iter().map(|found| found.receipt.clone()).collect();
    assert_eq!(fixture.hub.ack(&receipts).await, Ok(receipts.len()));
    found.iter().map(|found| format!("{} {:?}", found.message.topic, found.message.payload)).collect()
}

fn subscribed(topics: &[&str]) -> QueueOptions {
    QueueOptions { subscriptions: topics.iter().map(|&topic| topic.to_owned()).collect(), ..queue() }
}

#[tokio::test]
async fn one_publish_reaches_every_subscriber_in_one_transaction() {
    let small = QueueOptions { capacity_messages: 1, ..subscribed(&["orders"]) };
    let fixture = Fixture::new(vec![
        TopicOptions::fanout("orders"),
        TopicOptions::log("facts", LogOptions::default()),
        TopicOptions::queue("stock", subscribed(&["orders", "facts"])),
        TopicOptions::queue("mail", small),
    ])
    .await;
    fixture.hub.publish(vec![Message::new("orders", "1")]).await.expect("publish");
    assert_eq!(take(&fixture, "stock").await, ["orders b\"1\""]);
    // One subscriber is full: nobody gets it.
    let full = fixture.hub.publish(vec![Message::new("orders", "2")]).await;
    assert!(matches!(&full, Err(PublishError::Full { topic, .. }) if topic == "mail"), "{full:?}");
    assert!(take(&fixture, "stock").await.is_empty());
    assert_eq!(take(&fixture, "mail").await, ["orders b\"1\""]);
    // A log has subscribers, too.
    let places = fixture.hub.append(vec![Message::new("facts", "3")]).await.expect("append");
    assert_eq!(places.len(), 1);
    assert_eq!(take(&fixture, "stock").await, ["facts b\"3\""]);
    fixture.hub.publish(vec![Message::new("facts", "4")]).await.expect("publish");
    assert_eq!(take(&fixture, "stock").await, ["facts b\"4\""]);
    let refused = fixture.hub.append(vec![Message::new("orders", "5")]).await;
    assert_eq!(refused, Err(PublishError::Unknown("orders".into())), "a fan-out is no log");
}

#[tokio::test]
async fn a_full_queue_answers_at_once_and_takes_more_when_something_is_done() {
    let small = QueueOptions { capacity_messages: 3, capacity_bytes: 10_000, ..queue() };
    let fixture = Fixture::new(vec![TopicOptions::queue("jobs", small)]).await;
    let publish =
        |payload: &str, count| fixture.hub.publish(vec![Message::new("jobs", payload.to_owned()); count]);
    publish("x", 3).await.expect("publish");
    let full = publish("x", 1).await.expect_err("full");
    let PublishError::Full { topic, retry_after } = full else { panic!("{full:?}") };
    assert_eq!(topic, "jobs");
    assert!(!retry_after.is_zero());
    // Leased messages and dead letters still take their place.
    let found = fixture.hub.receive("jobs", LEASE).await.expect("receive");
    assert!(publish("x", 1).await.is_err());
    assert_eq!(fixture.hub.reject(&found[0].receipt, "no").await, Ok(1));
    assert!(publish("x", 1).await.is_err());
    assert_eq!(fixture.hub.ack(&[found[1].receipt.clone()]).await, Ok(1));
    publish("x", 1).await.expect("publish");
    let dead = fixture.hub.dead_letters(None, 0, 1).await.expect("dead letters");
    fixture.hub.discard(dead[0].sequence).await.expect("discard");
    assert!(publish(&"x".repeat(10_000), 1).await.is_err(), "bytes are bounded, too");
    publish("x", 1).await.expect("publish");
}

#[tokio::test]
async fn an_id_is_remembered_within_the_window_even_after_the_ack() {
    let minute = Duration::from_secs(60);
    let options = QueueOptions { dedup: Some(minute), ..queue() };
    let fixture = Fixture::new(vec![TopicOptions::queue("jobs", options)]).await;
    let message = Message::new("jobs", "x").id(Uuid::from_u128(1));
    let twice = vec![message.clone(), message.clone()];
    assert_eq!(fixture.hub.publish(twice).await.expect("publish").len(), 2);
    assert_eq!(take(&fixture, "jobs").await.len(), 1);
    fixture.pass(minute / 2);
    fixture.hub.publish(vec![message.clone()]).await.expect("publish");
    assert!(take(&fixture, "jobs").await.is_empty());
    fixture.pass(minute);
    fixture.hub.publish(vec![message]).await.expect("publish");
    assert_eq!(take(&fixture, "jobs").await.len(), 1);
}

#[tokio::test]
async fn retention_drops_the_oldest_records() {
    let hour = Duration::from_secs(3600);
    let keep = |options| LogOptions { partitions: 1, ..options };
    let fixture = Fixture::new(vec![
        TopicOptions::log("few", keep(LogOptions { retention_records: Some(5), ..LogOptions::default() })),
        TopicOptions::log("young", keep(LogOptions { retention_age: Some(hour), ..LogOptions::default() })),
    ])
    .await;
    for number in 0..20 {
        let message = |topic: &str| Message::new(topic, number.to_string());
        fixture.hub.append(vec![message("few"), message("young")]).await.expect("append");
    }
    let read = fixture.hub.read("few", 0, 0, 100).await.expect("read");
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), [15, 16, 17, 18, 19]);
    assert_eq!(fixture.hub.read("young", 0, 0, 100).await.expect("read").len(), 20);
    fixture.pass(2 * hour);
    fixture.hub.append(vec![Message::new("young", "new")]).await.expect("append");
    assert_eq!(fixture.hub.read("young", 0, 0, 100).await.expect("read").len(), 1);
    let topics = fixture.hub.topics().await.expect("topics");
    assert_eq!(topics.iter().map(|topic| topic.partitions[0]).collect::<Vec<_>>(), [(15, 20), (20, 21)]);
}
