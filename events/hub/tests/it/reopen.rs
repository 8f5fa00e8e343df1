//! What a hub finds again when it is opened on an older file.

use std::time::Duration;

use mamparo_broker::{Lease, Log, Message, Queue, Start};
use mamparo_hub::{Hub, LogOptions, OpenError, TopicError, TopicOptions};

use crate::support::{Fixture, open, queue};

const LEASE: Lease = Lease { max: 100, visibility: Duration::from_secs(30), wait: Duration::ZERO };

fn topics() -> Vec<TopicOptions> {
    vec![TopicOptions::queue("jobs", queue()), TopicOptions::log("facts", LogOptions::default())]
}

/// The same file under another hub, as after a restart.
async fn restarted(fixture: Fixture, topics: Vec<TopicOptions>) -> Result<Fixture, OpenError> {
    let Fixture { hub, ledger, time, folder } = fixture;
    let clock = ledger.clock().clone();
    drop(hub);
    ledger.close().await;
    drop(ledger);
    let ledger = open(&folder, clock);
    let hub = Hub::open(ledger.clone(), topics).await?;
    Ok(Fixture { hub, ledger, time, folder })
}

#[tokio::test]
async fn messages_leases_and_offsets_outlive_the_process() {
    let fixture = Fixture::new(topics()).await;
    let messages = ["1", "2", "3"].map(|payload| Message::new("jobs", payload)).to_vec();
    fixture.hub.publish(messages).await.expect("publish");
    let first = fixture.hub.receive("jobs", Lease { max: 1, ..LEASE }).await.expect("receive");
    fixture.hub.append(vec![Message::new("facts", "a").key("k"); 5]).await.expect("append");
    let mut member = fixture.hub.join("facts", "g", Start::Earliest).await.expect("join");
    let read = member.next(3, Duration::ZERO).await.expect("next");
    member.commit(&[(read[0].partition, 3)]).await.expect("commit");
    drop(member);

    let fixture = restarted(fixture, topics()).await.expect("a hub");
    let rest = fixture.hub.receive("jobs", LEASE).await.expect("receive");
    assert_eq!(rest.iter().map(|found| &found.message.payload[..]).collect::<Vec<_>>(), [b"2", b"3"]);
    assert_eq!(fixture.hub.ack(&[first[0].receipt.clone()]).await, Ok(1), "the lease is still live");
    let mut member = fixture.hub.join("facts", "g", Start::Earliest).await.expect("join");
    let read = member.next(10, Duration::ZERO).await.expect("next");
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), [3, 4]);

    // Numbers are never given out twice, even when the messages are gone.
    let old: Vec<_> = rest.iter().map(|found| found.receipt.clone()).collect();
    assert_eq!(fixture.hub.ack(&old).await, Ok(2));
    let fixture = restarted(fixture, topics()).await.expect("a hub");
    fixture.hub.publish(vec![Message::new("jobs", "4")]).await.expect("publish");
    let fresh = fixture.hub.receive("jobs", LEASE).await.expect("receive");
    assert!(old.iter().all(|old| old.sequence < fresh[0].receipt.sequence));
    assert!(old.iter().all(|old| old.lease < fresh[0].receipt.lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_ran_out_meanwhile_are_found() {
    let fixture = Fixture::new(topics()).await;
    fixture.hub.publish(vec![Message::new("jobs", "1")]).await.expect("publish");
    assert_eq!(fixture.hub.receive("jobs", LEASE).await.expect("receive").len(), 1);
    fixture.time.advance(2 * LEASE.visibility);
    let fixture = restarted(fixture, topics()).await.expect("a hub");
    let wait = Lease { wait: Duration::from_secs(10), ..LEASE };
    assert_eq!(fixture.hub.receive("jobs", wait).await.expect("receive")[0].attempt, 2);
}

#[tokio::test]
async fn a_topic_stays_what_it_is() {
    let fixture = Fixture::new(topics()).await;
    let log = |partitions| TopicOptions::log("facts", LogOptions { partitions, ..LogOptions::default() });
    let refused = Hub::open(fixture.ledger.clone(), vec![log(8)]).await.err();
    let Some(OpenError::Topic(TopicError::PartitionsChanged { found: 4, declared: 8, .. })) = refused else {
        panic!("{refused:?}")
    };
    let refused = Hub::open(fixture.ledger.clone(), vec![TopicOptions::fanout("jobs")]).await.err();
    let Some(OpenError::Topic(TopicError::KindChanged { declared: "fanout", .. })) = refused else {
        panic!("{refused:?}")
    };
    // A topic that is not declared for a while is there again with what it holds.
    fixture.hub.publish(vec![Message::new("jobs", "1")]).await.expect("publish");
    let fixture = restarted(fixture, vec![log(4)]).await.expect("a hub");
    assert!(fixture.hub.receive("jobs", LEASE).await.is_err());
    let fixture = restarted(fixture, topics()).await.expect("a hub");
    assert_eq!(fixture.hub.receive("jobs", LEASE).await.expect("receive").len(), 1);
}
