//! Durable units of work: one business row updated, one event appended at its expected version, one message in
//! the outbox, on disk before the answer. Beside it a bare loop over the same statements, grouped alike.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mamparo_context::{Clock, Context};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{Expected, Ledger, Message, Migration, Migrations, NewEvent, StreamName, params};
use mamparo_ledger_sqlite::Options;
use mamparo_relay::{QueuePublisher, Relay};
use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::report::{Figure, Report, Target};
use crate::run::{Plan, Rate, histogram, median, micros_since, repeat};

const CALLERS: usize = 64;
const PAYLOAD_BYTES: usize = 200;
const STOCK: Migrations = Migrations {
    component: "bench",
    steps: &[Migration {
        name: "stock",
        sql: "CREATE TABLE stock (sku TEXT PRIMARY KEY, on_hand INTEGER NOT NULL, reserved INTEGER NOT NULL)",
    }],
};

pub(crate) fn bench(plan: &Plan) -> Report {
    let mut report = Report::new("ledger");
    report.condition(
        "unit of work",
        "1 row updated, 1 event of 200 bytes at its version, 1 outbox row, fdatasync",
    );
    report.condition("rounds", plan.rounds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut many, mut one, mut relayed) = (Vec::new(), Vec::new(), Vec::new());
    let mut p99 = Vec::new();
    for round in 0..plan.rounds {
        let folder = plan.folder.join(round.to_string());
        let bare = bare(&folder, CALLERS, plan.seconds).per_second;
        let own = units(&runtime, &folder.join("64.db"), CALLERS, plan.seconds, false);
        p99.push(own.latency.value_at_quantile(0.99) as f64 / 1000.0);
        many.push((own.per_second, bare));
        let bare = self::bare(&folder, 1, plan.seconds).per_second;
        let own = units(&runtime, &folder.join("1.db"), 1, plan.seconds, false);
        one.push((own.per_second, bare));
        relayed.push(units(&runtime, &folder.join("relayed.db"), CALLERS, plan.seconds, true).per_second);
    }
    let figure = |what: &str, peer: &str, pairs: &[(f64, f64)]| {
        let of = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
        Figure::new(what, of(|pair| pair.0), "1/s").beside(
            peer,
            of(|pair| pair.1),
            of(|pair| pair.0 / pair.1),
        )
    };
    let grouped = figure("units of work, 64 callers, relay off", "bare rusqlite loop, groups of 64", &many);
    report.push(grouped.target(Target::AtLeast(20_000.0)).target(Target::RatioAtLeast(0.6)));
    report.push(Figure::new("  p99", median(p99), "ms").target(Target::AtMost(20.0)));
    let what = "units of work, 64 callers, relay to the hub on";
    report.push(Figure::new(what, median(relayed), "1/s").target(Target::AtLeast(12_000.0)));
    let single = figure("units of work, 1 caller", "bare rusqlite loop, one by one", &one);
    report.push(single.target(Target::RatioAtLeast(0.8)));
    let read = reading(&runtime, &plan.folder.join("0/64.db"), plan.seconds);
    report.push(Figure::new("reading, owned envelopes", read, "1/s").target(Target::AtLeast(2_000_000.0)));
    report
}

fn sku(number: usize) -> String {
    format!("sku-{number:04}")
}

/// The same statements without a ledger: what SQLite itself can do in this loop.
fn bare(folder: &Path, group: usize, seconds: Duration) -> Rate {
    let path = folder.join(format!("bare-{group}.db"));
    std::fs::create_dir_all(folder).unwrap();
    // The tables are the ledger's own, so that the statements meet the same indexes.
    drop(open(&path));
    let conn = Connection::open(&path).unwrap();
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;
         CREATE TABLE stock (sku TEXT PRIMARY KEY, on_hand INTEGER NOT NULL, reserved INTEGER NOT NULL);",
    )
    .unwrap();
    for number in 0..group {
        conn.execute("INSERT INTO stock VALUES (?1, 1000000, 0)", [sku(number)]).unwrap();
    }
    let (mut position, mut version) = (0_i64, 0_i64);
    let payload = [7_u8; PAYLOAD_BYTES];
    let id = [9_u8; 16];
    let headers = "[[\"traceparent\",\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"]]";
    repeat(seconds, || {
        version += 1;
        conn.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for number in 0..group {
            position += 1;
            let sku = sku(number);
            let sql = "UPDATE stock SET reserved = reserved + 1 WHERE sku = ?1";
            conn.prepare_cached(sql).unwrap().execute([&sku]).unwrap();
            let sql = "INSERT INTO mp_event (position, stream, version, id, kind, at, data, metadata)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let row = (position, number as i64, version, id, "StockReserved", 1_i64, payload, [0_u8; 0]);
            conn.prepare_cached(sql).unwrap().execute(row).unwrap();
            let sql = "INSERT INTO mp_outbox (id, message_id, topic, key, headers, payload, not_before, at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let row = (position, id, "stock.reserved", sku, headers, payload, None::<i64>, 1_i64);
            conn.prepare_cached(sql).unwrap().execute(row).unwrap();
        }
        conn.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        group
    })
}

fn open(path: &Path) -> Ledger {
    Options::new(path).open().unwrap()
}

/// Callers in a closed loop, each with a row and a stream of its own; with `relay` their messages are carried into
/// a queue of a hub in the same process, on a file of its own, and the time until the last of them has arrived
/// counts too.
fn units(runtime: &Runtime, path: &Path, callers: usize, seconds: Duration, relay: bool) -> Rate {
    let ledger = open(path);
    runtime.block_on(async {
        let carried = if relay { Some(carry(&ledger, &path.with_extension("hub.db")).await) } else { None };
        ledger.migrate(STOCK).await.unwrap();
        let lay_in = async move |tx: &mut mamparo_ledger::Tx<'_>| {
            for number in 0..callers {
                tx.sql("INSERT INTO stock VALUES (?1, 1000000, 0)", params![sku(number)]).await?;
            }
            Ok(())
        };
        ledger.transact(&Context::root(), lay_in).await.unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let clock = Clock::system();
        let start = clock.now();
        let tasks: Vec<_> = (0..callers)
            .map(|number| tokio::spawn(caller(ledger.clone(), number, Arc::clone(&is_over))))
            .collect();
        tokio::time::sleep(seconds).await;
        is_over.store(true, Ordering::Relaxed);
        let mut latency = histogram();
        for task in tasks {
            latency.add(task.await.unwrap()).unwrap();
        }
        if let Some(mut sent) = carried {
            sent.wait_for(|status| status.sent >= latency.len()).await.unwrap();
        }
        let per_second = latency.len() as f64 / (clock.now() - start).as_secs_f64();
        ledger.close().await;
        Rate { per_second, latency }
    })
}

/// Starts a relay into a hub; it ends with the runtime.
async fn carry(ledger: &Ledger, path: &Path) -> tokio::sync::watch::Receiver<mamparo_relay::Status> {
    let options = QueueOptions { capacity_messages: 100_000_000, ..QueueOptions::default() };
    let topics = vec![TopicOptions::queue("stock.reserved", options)];
    let hub = Hub::open(open(path), topics).await.unwrap();
    let publisher = Arc::new(QueuePublisher::new(Arc::new(hub)).unwrap());
    let relay = Relay::new(ledger.clone(), publisher, Default::default());
    let status = relay.status();
    tokio::spawn(relay.run(std::future::pending()));
    status
}

async fn caller(ledger: Ledger, number: usize, is_over: Arc<AtomicBool>) -> hdrhistogram::Histogram<u64> {
    let (clock, cx, stream, sku) =
        (Clock::system(), Context::root(), StreamName::of("stock", number), sku(number));
    let payload = bytes(PAYLOAD_BYTES);
    let (mut version, mut latency) = (0, histogram());
    while !is_over.load(Ordering::Relaxed) {
        let (stream, sku, payload) = (stream.clone(), sku.clone(), payload.clone());
        let began = clock.now();
        let unit = async move |tx: &mut mamparo_ledger::Tx<'_>| {
            let sql = "UPDATE stock SET reserved = reserved + 1 WHERE sku = ?1";
            tx.sql(sql, params![sku]).await?;
            let event = NewEvent::new("StockReserved", payload.clone());
            tx.append(&stream, Expected::Version(version), &[event]).await?;
            tx.publish(Message::new("stock.reserved", payload.clone()).key(&sku)).await
        };
        ledger.transact(&cx, unit).await.unwrap();
        latency.saturating_record(micros_since(&clock, began));
        version += 1;
    }
    latency
}

fn bytes(length: usize) -> bytes::Bytes {
    vec![7; length].into()
}

/// Events read per second, in pages, as a projection reads them.
fn reading(runtime: &Runtime, path: &Path, seconds: Duration) -> f64 {
    let ledger = open(path);
    let rate = repeat(seconds, || {
        runtime.block_on(async {
            let (mut after, mut count) = (0, 0);
            loop {
                let page = ledger.read_all(after, 1000).await.unwrap();
                let Some(last) = page.last() else { return count };
                after = last.position;
                count += page.len();
            }
        })
    });
    rate.per_second
}
