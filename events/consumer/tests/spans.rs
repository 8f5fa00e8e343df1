//! Where spans are recorded, every attempt at a message is one, and what it publishes is part of it. One test: spans
//! go to one sink of the whole process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_broker::{Message, Queue};
use mamparo_consumer::{Consumer, Options};
use mamparo_context::{Clock, Context, Random, TraceContext};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{Error, Ledger, Tx};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use mamparo_relay::{Options as RelayOptions, QueuePublisher, Relay};
use mamparo_telemetry::{Span, install, spans};

static TAKEN: Mutex<Vec<Span>> = Mutex::new(Vec::new());

fn taken() -> Vec<Span> {
    std::mem::take(&mut *TAKEN.lock().unwrap())
}

async fn order(ledger: &Ledger, trace: &TraceContext) {
    let work = async |tx: &mut Tx<'_>| tx.publish(Message::new("orders", "1")).await;
    ledger.transact(&Context::from_trace(trace.clone()), work).await.unwrap();
}

/// The trace that the message in the outbox carries.
async fn carried(ledger: &Ledger) -> TraceContext {
    let rows = ledger.read_outbox(0, 2).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows[0].message.get_header("traceparent").unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_attempt_is_a_span_and_what_it_publishes_is_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let open = |name: &str, seed: u64| {
        let options = Sqlite::new(folder.path().join(name)).durability(Durability::Process);
        options.clock(clock.clone(), Random::seeded(seed)).open().unwrap()
    };
    let topics = ["orders", "replies"].map(|name| TopicOptions::queue(name, QueueOptions::default()));
    let hub = Arc::new(Hub::open(open("hub.db", 1), topics.into()).await.unwrap());
    let ledger = open("ledger.db", 2);
    let mut consumer = Consumer::new(ledger.clone(), Arc::clone(&hub) as Arc<dyn Queue>, Options::default())
        .unwrap()
        .with_random(Random::seeded(3));
    consumer.subscribe("orders", "stock", async |tx, _| {
        tx.publish(Message::new("replies", "2")).await?;
        match tx.context().attempt().number() {
            1 => Err(Error::app("busy")),
            _ => Ok(()),
        }
    });
    let queue = Arc::clone(&hub) as Arc<dyn Queue>;
    let mut relay =
        Relay::new(ledger.clone(), Arc::new(QueuePublisher::new(queue).unwrap()), RelayOptions::default());
    let random = Random::seeded(4);
    assert!(install(|span| TAKEN.lock().map(|mut taken| taken.push(span)).is_ok(), 1.0));

    let client = TraceContext::root(&random, true);
    order(&ledger, &client).await;
    relay.step().await;
    let sent = taken();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0].name, sent[0].place.parent), (spans::RELAY, Some(*client.span_id().as_bytes())));

    consumer.step().await;
    manual.advance(Duration::from_secs(60));
    consumer.step().await;
    let attempts = taken();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    for attempt in &attempts {
        assert_eq!(attempt.name, spans::CONSUME);
        assert_eq!(attempt.place.trace, *client.trace_id().as_bytes());
        assert_eq!(attempt.place.parent, Some(*client.span_id().as_bytes()));
    }
    assert!(attempts[0].error.as_deref().is_some_and(|why| why.contains("busy")), "{attempts:?}");
    assert_eq!(attempts[1].error, None);
    let reply = carried(&ledger).await;
    assert_eq!(*reply.span_id().as_bytes(), attempts[1].place.span);
    relay.step().await;
    taken();

    let unsampled = TraceContext::root(&random, false);
    order(&ledger, &unsampled).await;
    relay.step().await;
    consumer.step().await;
    manual.advance(Duration::from_secs(60));
    consumer.step().await;
    assert_eq!(carried(&ledger).await, unsampled, "it is carried on as it came");
    assert_eq!(taken(), []);
}
