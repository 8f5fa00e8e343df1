//! A real log, a real ledger: the place of the group moves in the transaction of the handler.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::{Log, Message, Start};
use mamparo_consumer::{LogConsumer, LogOptions, Options, Reject};
use mamparo_context::{Clock, Context, ManualClock, Random};
use mamparo_hub::{Hub, LogOptions as LogTopic, QueueOptions, TopicOptions};
use mamparo_ledger::{Error, Ledger, Tx, params};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use tempfile::TempDir;

struct Room {
    ledger: Ledger,
    hub: Arc<Hub>,
    manual: ManualClock,
    _folder: TempDir,
}

async fn room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let open = |name: &str, seed: u64| {
        let options = Sqlite::new(folder.path().join(name)).durability(Durability::Process);
        options.clock(clock.clone(), Random::seeded(seed)).open().unwrap()
    };
    let two = LogTopic { partitions: 2, ..LogTopic::default() };
    let topics = vec![TopicOptions::log("facts", two), TopicOptions::queue("dead", QueueOptions::default())];
    let hub = Arc::new(Hub::open(open("hub.db", 2), topics).await.unwrap());
    let ledger = open("ledger.db", 1);
    let table = async |tx: &mut Tx<'_>| tx.sql("CREATE TABLE seen (payload TEXT NOT NULL)", params![]).await;
    ledger.transact(&Context::root(), table).await.unwrap();
    Room { ledger, hub, manual, _folder: folder }
}

async fn note(tx: &mut Tx<'_>, message: &Message) -> mamparo_ledger::Result<()> {
    let payload = std::str::from_utf8(&message.payload).map_err(Error::app)?;
    tx.sql("INSERT INTO seen (payload) VALUES (?1)", params![payload]).await?;
    Ok(())
}

impl Room {
    fn consumer(&self, options: LogOptions) -> LogConsumer {
        let log = Arc::clone(&self.hub) as Arc<dyn Log>;
        LogConsumer::new(self.ledger.clone(), log, options).unwrap().with_random(Random::seeded(3))
    }

    async fn append(&self, key: &str, range: std::ops::Range<u32>) {
        let messages = range.map(|n| Message::new("facts", format!("{key}{n}")).key(key)).collect();
        self.hub.append(messages).await.unwrap();
    }

    async fn seen(&self, key: &str) -> Vec<String> {
        let rows = self.ledger.query("SELECT payload FROM seen ORDER BY rowid", params![]).await.unwrap();
        let all = rows.into_iter().map(|row| row.get::<String>(0).unwrap());
        all.filter(|text| text.starts_with(key)).collect()
    }
}

fn numbers(key: &str, range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("{key}{n}")).collect()
}

#[tokio::test]
async fn records_are_applied_once_in_order_even_when_the_log_forgets_the_place() {
    let room = room().await;
    room.append("a", 0..150).await;
    room.append("b", 0..150).await;
    let mut consumer = room.consumer(LogOptions::default());
    consumer.subscribe("facts", "report", Start::Earliest, note);
    assert_eq!(consumer.step().await, 300);
    for partition in 0..2 {
        room.hub.seek("facts", "report", partition, 0).await.unwrap();
    }
    drop(consumer);
    room.append("a", 150..160).await;
    let mut again = room.consumer(LogOptions::default());
    again.subscribe("facts", "report", Start::Earliest, note);
    again.step().await;
    assert_eq!(room.seen("a").await, numbers("a", 0..160));
    assert_eq!(room.seen("b").await, numbers("b", 0..150));
    assert_eq!(again.status().now()[0].handled, 10, "the others were repeated");
}

#[tokio::test]
async fn a_record_that_fails_holds_up_its_partition_until_it_succeeds() {
    let room = room().await;
    room.append("a", 0..10).await;
    let mut consumer = room.consumer(LogOptions::default());
    consumer.subscribe("facts", "report", Start::Earliest, async |tx, message| {
        note(tx, message).await?;
        let early = tx.context().attempt().number() < 3;
        if early && &*message.payload == b"a5" { Err(Error::app("shop closed")) } else { Ok(()) }
    });
    assert_eq!(consumer.step().await, 5);
    assert_eq!(room.seen("a").await, numbers("a", 0..5));
    for _ in 0..3 {
        room.manual.advance(Duration::from_secs(60));
        consumer.step().await;
    }
    assert_eq!(room.seen("a").await, numbers("a", 0..10));
}

#[tokio::test]
async fn a_record_that_can_never_be_handled_goes_where_dead_letters_go_or_holds_up_its_partition() {
    let room = room().await;
    room.append("a", 0..4).await;
    let poison = async |tx: &mut Tx<'_>, message: &Message| {
        note(tx, message).await?;
        if &*message.payload == b"a1" { Err(Reject::new("no such product").into()) } else { Ok(()) }
    };
    let common = Options { backoff_max: Duration::from_secs(1), ..Options::default() };
    let mut strict = room.consumer(LogOptions { common, dead_letters: None });
    strict.subscribe("facts", "report", Start::Earliest, poison);
    strict.step().await;
    drop(strict);
    assert_eq!(room.seen("a").await, ["a0"]);

    let mut consumer = room.consumer(LogOptions { common, dead_letters: Some("dead".into()) });
    consumer.subscribe("facts", "report", Start::Earliest, poison);
    consumer.step().await;
    assert_eq!(room.seen("a").await, ["a0", "a2", "a3"]);
    let letter = room.ledger.read_outbox(0, 10).await.unwrap().remove(0).message;
    assert_eq!((&*letter.topic, &*letter.payload), ("dead", b"a1".as_slice()));
    assert_eq!(letter.get_header("mamparo-error"), Some("rejected: no such product"));
}

#[tokio::test]
async fn a_running_consumer_stops_when_it_is_told_to() {
    let room = room().await;
    room.append("a", 0..3).await;
    let (done, told) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (tell, until) = (Arc::clone(&done), Arc::clone(&told));
    let mut consumer = room.consumer(LogOptions::default());
    consumer.subscribe("facts", "report", Start::Earliest, async move |tx, message| {
        note(tx, message).await?;
        if &*message.payload == b"a2" {
            tell.notify_one();
        }
        Ok(())
    });
    let running = tokio::spawn(consumer.run(async move { until.notified().await }));
    done.notified().await;
    told.notify_one();
    running.await.unwrap();
    assert_eq!(room.seen("a").await, numbers("a", 0..3));
}
