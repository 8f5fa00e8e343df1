//! How fast a relay drains a backlog, and how fast it follows 64 writers: one ledger, one hub, a file each, all on
//! disk. `cargo run --release -p mamparo-relay --example relay_throughput`

use std::sync::Arc;

use mamparo_broker::{Message, Queue};
use mamparo_context::{Clock, Context};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{Ledger, Tx};
use mamparo_ledger_sqlite::Options as Sqlite;
use mamparo_relay::{Options, QueuePublisher, Relay};
use tokio::task::JoinSet;

const ROWS: u64 = 100_000;
const WRITERS: u64 = 64;

/// Answers with the number of rows written.
async fn write(ledger: &Ledger, per_transaction: u64) -> u64 {
    let transactions = ROWS / WRITERS / per_transaction;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for n in 0..transactions {
                let work = async move |tx: &mut Tx<'_>| {
                    for row in 0..per_transaction {
                        let key = format!("order-{writer}-{}", (n + row) % 100);
                        tx.publish(Message::new("orders", vec![7; 256]).key(&key)).await?;
                    }
                    Ok(())
                };
                ledger.transact(&Context::root(), work).await.expect("written");
            }
        });
    }
    while writers.join_next().await.is_some() {}
    transactions * per_transaction * WRITERS
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, folder) = (Clock::system(), tempfile::tempdir_in(".")?);
    let ledger = Sqlite::new(folder.path().join("ledger.db")).open()?;
    let topics = vec![TopicOptions::queue("orders", QueueOptions::default())];
    let hub = Arc::new(Hub::open(Sqlite::new(folder.path().join("hub.db")).open()?, topics).await?);
    let publisher = Arc::new(QueuePublisher::new(Arc::clone(&hub) as Arc<dyn Queue>)?);

    let begin = clock.now();
    let rows = write(&ledger, 100).await;
    println!("written in transactions of 100, relay off: {:.0} rows/s", rate(rows, &clock, begin));

    let mut relay = Relay::new(ledger.clone(), publisher.clone(), Options::default());
    let begin = clock.now();
    let sent = relay.step().await.sent;
    println!("backlog of {sent} rows carried:              {:.0} rows/s", rate(sent, &clock, begin));

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let relay = Relay::new(ledger.clone(), publisher, Options::default());
    let mut status = relay.status();
    let running = tokio::spawn(relay.run(async move {
        let _ = stopped.await;
    }));
    let begin = clock.now();
    let rows = write(&ledger, 1).await;
    println!("written one by one by {WRITERS}, relay on:       {:.0} rows/s", rate(rows, &clock, begin));
    status.wait_for(|status| status.sent >= rows).await?;
    println!("carried meanwhile:                        {:.0} rows/s", rate(rows, &clock, begin));
    let _ = stop.send(());
    running.await?;
    Ok(())
}

fn rate(rows: u64, clock: &Clock, begin: std::time::Instant) -> f64 {
    rows as f64 / clock.now().duration_since(begin).as_secs_f64()
}
