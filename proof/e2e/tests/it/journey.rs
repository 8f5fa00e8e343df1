//! The journey of orders through the durable core in one process: ledger, outbox, relay, hub, consumer, inbox,
//! saga. Three ledgers, as three services would have, and a hub on a fourth.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::Queue;
use mamparo_consumer::{Consumer, Options as ConsumerOptions, Reject};
use mamparo_context::Context;
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::{
    Error, Expected, Ledger, Message, Migration, Migrations, NewEvent, Result, StreamName, Tx, params,
};
use mamparo_ledger_sqlite::Options;
use mamparo_relay::{Options as RelayOptions, QueuePublisher, Relay};
use mamparo_saga::{Action, Outcome, Registry, Request, Retry, Saga, SagaId, Sagas, State, Step};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What each order asks for, and whether it can be had: (order, money, stock, confirmed).
pub(crate) const ORDERS: [(&str, i64, i64, bool); 6] = [
    ("o-1", 10, 1, true),
    ("o-2", 20, 2, true),
    ("o-3", 5_000, 1, false),
    ("o-4", 30, 900, false),
    ("o-5", 40, 3, true),
    ("o-6", 50, 4, true),
];
/// A command whose first attempt has no effect, and is repeated.
const FAILS_ONCE: &str = "o-6/inventory/do";
const MONEY: i64 = 1_000;
const STOCK: i64 = 100;

/// A service that gives out a resource by commands of a saga, once for each command, and takes it back.
const RESOURCE: Migrations = Migrations {
    component: "resource",
    steps: &[Migration {
        name: "resource and answers",
        sql: "CREATE TABLE resource (id INTEGER PRIMARY KEY, available INTEGER NOT NULL CHECK (available >= 0));
              CREATE TABLE answer (command TEXT PRIMARY KEY, amount INTEGER NOT NULL, outcome TEXT NOT NULL);",
    }],
};

async fn open(path: &Path) -> Ledger {
    Options::new(path).open().unwrap()
}

async fn service(folder: &Path, name: &str, available: i64) -> Ledger {
    let ledger = open(&folder.join(format!("{name}.db"))).await;
    ledger.migrate(RESOURCE).await.unwrap();
    let lay_in = async move |tx: &mut Tx<'_>| {
        tx.sql("INSERT INTO resource VALUES (1, ?1) ON CONFLICT DO NOTHING", params![available]).await
    };
    ledger.transact(&Context::root(), lay_in).await.unwrap();
    ledger
}

/// Answers a command, or repeats the answer that it was given.
async fn answer(tx: &mut Tx<'_>, message: &Message) -> Result<()> {
    let request = Request::read(message).map_err(unreadable)?;
    let command = request.command.to_string();
    let outcome = match answered(tx, &command).await? {
        Some((_, outcome)) => outcome,
        // So that the timers of sagas are come by too.
        None if command == FAILS_ONCE && request.attempt == 1 => Outcome::Failed("not now".into()),
        None => {
            let (amount, outcome) = match &request.undoes {
                Some(undone) => (0, undo(tx, &undone.to_string()).await?),
                None => {
                    let asked: i64 = message.parse().map_err(unreadable)?;
                    (asked, take(tx, asked).await?)
                }
            };
            remember(tx, &command, amount, &outcome).await?;
            outcome
        }
    };
    tx.publish(request.reply(&outcome).map_err(Error::app)?).await?;
    Ok(())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Reject::new("the command cannot be read").caused_by(error).into()
}

async fn take(tx: &mut Tx<'_>, amount: i64) -> Result<Outcome> {
    let sql = "UPDATE resource SET available = available - ?1 WHERE available >= ?1";
    Ok(match tx.sql(sql, params![amount]).await? {
        0 => Outcome::Refused("not enough".into()),
        _ => Outcome::Succeeded(json!(amount)),
    })
}

/// Gives back what the command took; one that never came is refused from now on.
async fn undo(tx: &mut Tx<'_>, undone: &str) -> Result<Outcome> {
    match answered(tx, undone).await? {
        Some((amount, Outcome::Succeeded(_))) => {
            tx.sql("UPDATE resource SET available = available + ?1", params![amount]).await?;
        }
        Some(_) => {}
        None => remember(tx, undone, 0, &Outcome::Refused("undone before it came".into())).await?,
    }
    Ok(Outcome::Succeeded(Value::Null))
}

async fn answered(tx: &mut Tx<'_>, command: &str) -> Result<Option<(i64, Outcome)>> {
    let row = tx.query_one("SELECT amount, outcome FROM answer WHERE command = ?1", params![command]).await?;
    row.map(|row| Ok((row.get(0)?, serde_json::from_str(&row.get::<String>(1)?).map_err(Error::app)?)))
        .transpose()
}

async fn remember(tx: &mut Tx<'_>, command: &str, amount: i64, outcome: &Outcome) -> Result<()> {
    let outcome = serde_json::to_string(outcome).map_err(Error::app)?;
    tx.sql("INSERT INTO answer VALUES (?1, ?2, ?3)", params![command, amount, outcome]).await?;
    Ok(())
}

fn order_stream(order: &str) -> StreamName {
    StreamName::of("order", order)
}

async fn sagas(ledger: &Ledger) -> Sagas {
    let money = Step::message("payment", "payments").payload(|data| data.input()["money"].clone());
    let stock = Step::message("inventory", "inventory").payload(|data| data.input()["stock"].clone());
    let soon = Duration::from_millis(20);
    let stock = stock.retry(Retry::until_deadline().backoff(soon, soon));
    let give_back = |topic: &str| mamparo_saga::Compensation::message(topic);
    let definition = Saga::define("place-order", 1)
        .deadline(Duration::from_secs(300))
        .step(money.compensate(give_back("payments")))
        .step(stock.compensate(give_back("inventory")))
        .build()
        .unwrap();
    let mut registry = Registry::default();
    registry.register(definition).unwrap();
    let on_end = async |tx: &mut Tx<'_>, state: &State, end: &Action| {
        let kind = match end {
            Action::Complete { .. } => "OrderConfirmed",
            Action::Cancel { .. } => "OrderCancelled",
            other => return Err(Error::app(format!("an order must not end with {other:?}"))),
        };
        let stream = order_stream(state.id().as_str());
        tx.append(&stream, Expected::Version(1), &[NewEvent::new(kind, "{}")]).await?;
        Ok(())
    };
    Sagas::builder(registry, "replies").on_end(on_end).open(ledger).await.unwrap()
}

/// Starts everything on the files in `folder`, places all orders, waits until each has ended and everything is
/// quiet, and checks what must hold.
pub(crate) async fn run(folder: &Path) {
    let hub = open(&folder.join("hub.db")).await;
    let topics =
        ["payments", "inventory", "replies"].map(|name| TopicOptions::queue(name, QueueOptions::default()));
    let hub = Hub::open(hub, topics.into()).await.unwrap();
    let queue: Arc<dyn Queue> = Arc::new(hub.clone());
    let orders = open(&folder.join("orders.db")).await;
    let sagas = sagas(&orders).await;
    let payments = service(folder, "payments", MONEY).await;
    let inventory = service(folder, "inventory", STOCK).await;

    let (stop, stopped) = watch::channel(false);
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    };
    let mut running = tokio::task::JoinSet::new();
    for ledger in [&orders, &payments, &inventory] {
        let publisher = Arc::new(QueuePublisher::new(Arc::clone(&queue)).unwrap());
        let relay = Relay::new(ledger.clone(), publisher, RelayOptions::default());
        running.spawn(relay.run(until_stopped()));
    }
    // A lease of a process that died runs out after this time, and the message comes again.
    let options = ConsumerOptions { visibility: Duration::from_secs(1), ..ConsumerOptions::default() };
    for (ledger, topic) in [(&payments, "payments"), (&inventory, "inventory")] {
        let mut consumer = Consumer::new(ledger.clone(), Arc::clone(&queue), options).unwrap();
        consumer.subscribe(topic, topic, async |tx, message| answer(tx, message).await);
        running.spawn(consumer.run(until_stopped()));
    }
    let mut replies = Consumer::new(orders.clone(), Arc::clone(&queue), options).unwrap();
    let own = sagas.clone();
    replies.subscribe("replies", "orders", async move |tx, message| own.reply(tx, message).await.map(drop));
    running.spawn(replies.run(until_stopped()));
    let (own, ledger, stopping) = (sagas.clone(), orders.clone(), until_stopped());
    running.spawn(async move { own.run_timers(&ledger, stopping).await });

    place(&orders, &sagas).await;
    settle(&orders, &sagas, &[&payments, &inventory], &hub).await;
    check(&orders, &payments, &inventory).await;
    stop.send_replace(true);
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    for ledger in [orders, payments, inventory] {
        ledger.close().await;
    }
}

/// Places the orders that are not placed yet, as a client does that asks again after a crash.
async fn place(orders: &Ledger, sagas: &Sagas) {
    for (order, money, stock, _) in ORDERS {
        let sagas = sagas.clone();
        let unit = async move |tx: &mut Tx<'_>| {
            let id: SagaId = order.parse().map_err(Error::app)?;
            let input = json!({"money": money, "stock": stock});
            if sagas.start(tx, "place-order", id, input).await? {
                let placed = NewEvent::new("OrderPlaced", "{}");
                tx.append(&order_stream(order), Expected::NoStream, &[placed]).await?;
            }
            Ok(())
        };
        orders.transact(&Context::root(), unit).await.unwrap();
    }
}

/// Waits until every saga has ended and nothing is on its way any more.
async fn settle(orders: &Ledger, sagas: &Sagas, services: &[&Ledger], hub: &Hub) {
    let quiet = async {
        let mut tail = orders.tail(0);
        let mut ended = 0;
        while ended < ORDERS.len() {
            let page = tail.next(100).await.unwrap();
            ended += page.iter().filter(|event| &*event.kind != "OrderPlaced").count();
        }
        let is_quiet = async || {
            for ledger in services.iter().chain([&orders]) {
                if !ledger.read_outbox(0, 1).await.unwrap().is_empty() {
                    return false;
                }
            }
            let queues = hub.queues().await.unwrap();
            queues.iter().all(|queue| queue.ready + queue.delayed + queue.leased == 0)
        };
        while !is_quiet().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), quiet).await.is_err() {
        let open = sagas.list(orders, None, "", 100).await.unwrap();
        panic!("not settled: {open:?}, {:?}", hub.queues().await.unwrap());
    }
    let dead = hub.dead_letters(None, 0, 10).await.unwrap();
    assert!(dead.is_empty(), "{dead:?}");
}

/// What must hold, whatever was killed when.
async fn check(orders: &Ledger, payments: &Ledger, inventory: &Ledger) {
    let (mut money, mut stock) = (MONEY, STOCK);
    for (order, price, quantity, confirmed) in ORDERS {
        let events = orders.read_stream(&order_stream(order), 1, 10).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|event| &*event.kind).collect();
        let end = if confirmed { "OrderConfirmed" } else { "OrderCancelled" };
        assert_eq!(kinds, ["OrderPlaced", end], "{order}");
        if confirmed {
            money -= price;
            stock -= quantity;
        }
    }
    for (ledger, left) in [(payments, money), (inventory, stock)] {
        let rows = ledger.query("SELECT available FROM resource", &[]).await.unwrap();
        assert_eq!(rows[0].get::<i64>(0).unwrap(), left, "{}", ledger.describe());
    }
    let far = orders.clock().wall() + Duration::from_secs(1_000_000);
    let timers = orders.read_timers("saga", far, 100).await.unwrap();
    assert!(timers.is_empty(), "timers of sagas that have ended: {timers:?}");
}
