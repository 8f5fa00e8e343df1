//! How fast a consumer applies what waits in a queue: one hub, one ledger, a file each, all on disk; the handler
//! changes one row. `cargo run --release -p mamparo-consumer --example consumer_throughput`

use std::sync::Arc;

use mamparo_broker::{Message, Queue};
use mamparo_consumer::{Consumer, Options};
use mamparo_context::{Clock, Context};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{Tx, params};
use mamparo_ledger_sqlite::Options as Sqlite;

const MESSAGES: u32 = 50_000;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, folder) = (Clock::system(), tempfile::tempdir_in(".")?);
    let ledger = Sqlite::new(folder.path().join("ledger.db")).open()?;
    let topics = vec![TopicOptions::queue("orders", QueueOptions::default())];
    let hub = Arc::new(Hub::open(Sqlite::new(folder.path().join("hub.db")).open()?, topics).await?);
    let table = async |tx: &mut Tx<'_>| {
        tx.sql("CREATE TABLE stock (on_hand INTEGER NOT NULL)", params![]).await?;
        tx.sql("INSERT INTO stock (on_hand) VALUES (1000000)", params![]).await
    };
    ledger.transact(&Context::root(), table).await?;
    for part in 0..MESSAGES / 1_000 {
        let message = |n| Message::new("orders", vec![7; 256]).key(&format!("order-{part}-{}", n % 500));
        hub.publish((0..1_000).map(message).collect()).await?;
    }
    let mut consumer = Consumer::new(ledger, hub as Arc<dyn Queue>, Options::default())?;
    consumer.subscribe("orders", "inventory", async |tx, _| {
        tx.sql("UPDATE stock SET on_hand = on_hand - 1", params![]).await.map(drop)
    });
    let begin = clock.now();
    let handled = consumer.step().await;
    let seconds = clock.now().duration_since(begin).as_secs_f64();
    println!(
        "{handled} messages leased, applied and acknowledged: {:.0} messages/s",
        handled as f64 / seconds
    );
    Ok(())
}
