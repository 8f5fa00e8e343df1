//! Messages through the hub, durable: as many as it takes, and at a pace. The hub is a process of its own, the
//! released program; the same in this process tells what the wire costs.

mod carry;
mod pace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::{Log, Message, Queue};
use mamparo_hub::{Client, Hub, LogOptions, QueueOptions, TopicOptions};
use mamparo_ledger_sqlite::Options;

use crate::process::{Missing, Process, World, program};
use crate::report::{Figure, Report, Target};
use crate::run::{Plan, median};

const PAYLOAD_BYTES: usize = 256;
/// Messages of one publisher that are published and not yet acknowledged, at most.
const WINDOW: usize = 256;
const PUBLISHERS: usize = 2;
const CONSUMERS: usize = 2;

const LOGS: [&str; 2] = ["log", "paced-log"];
const QUEUES: [&str; 2] = ["queue", "paced-queue"];
const TOPICS: &str =
    "topics: {log: {kind: log}, paced-log: {kind: log}, queue: {kind: queue}, paced-queue: {kind: queue}}\n";

const LOG_PER_SECOND: f64 = 50_000.0;
const QUEUE_PER_SECOND: f64 = 30_000.0;
const HANDLER_P99_MS: f64 = 10.0;

/// A hub as one side of a conversation sees it.
#[derive(Clone)]
struct Door {
    log: Arc<dyn Log>,
    queue: Arc<dyn Queue>,
}

impl Door {
    fn to<T: Log + Queue>(hub: T) -> Self {
        let hub = Arc::new(hub);
        Self { log: Arc::clone(&hub) as _, queue: hub }
    }
}

/// The two sides, each with a connection of its own where there are connections.
#[derive(Clone)]
struct Doors {
    publisher: Door,
    consumer: Door,
}

/// What one round found, by what it is.
type Found = BTreeMap<&'static str, f64>;

/// # Errors
/// The program is not there.
pub(crate) fn bench(plan: &Plan) -> Result<Report, Missing> {
    let program = program()?;
    let mut report = Report::new("hub");
    report.condition(
        "hub (socket)",
        "`mamparo run --role hub` in a process of its own, gRPC over TCP loopback",
    );
    report.condition("hub (in-process)", "the same engine in the process of its clients");
    report.condition("messages", "256 bytes, without a key, acknowledged after fdatasync");
    report.condition(
        "clients",
        "2 publishers, each with a window of 256 messages; log: 1 member of a group that stores its offsets; queue: 2 consumers",
    );
    report.condition("rounds", plan.rounds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut socket, mut inside) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        inside.push(runtime.block_on(in_process(plan, round)));
        let world = World::new(&program, plan.folder.join(format!("hub-{round}")), TOPICS);
        let running = world.start(&["run", "--role", "hub"]);
        running.wait_ready();
        let node = running.node();
        socket.push(runtime.block_on(over_socket(plan, &format!("http://{}", world.hub), node)));
        running.stop();
    }
    push(&mut report, &socket, true);
    push(&mut report, &inside, false);
    Ok(report)
}

fn push(report: &mut Report, rounds: &[Found], is_socket: bool) {
    for (what, name, unit, target) in [
        ("log", "log: append, fetch, commit of the offset", "1/s", Some(Target::AtLeast(LOG_PER_SECOND))),
        ("log one", "  the same, one message in a frame", "1/s", None),
        ("log cpu", "  CPU of the hub per message", "us", None),
        ("queue", "queue: publish, lease, ack", "1/s", Some(Target::AtLeast(QUEUE_PER_SECOND))),
        ("queue one", "  the same, one message in a frame", "1/s", None),
        ("queue cpu", "  CPU of the hub per message", "us", None),
        ("log p99", "log: commit to handler at 2,000/s, p99", "ms", Some(Target::AtMost(HANDLER_P99_MS))),
        ("log due p50", "  due to handler, p50", "ms", None),
        ("log due p99", "  due to handler, p99", "ms", None),
        ("queue p99", "queue: commit to handler at 2,000/s, p99", "ms", Some(Target::AtMost(HANDLER_P99_MS))),
        ("queue due p50", "  due to handler, p50", "ms", None),
        ("queue due p99", "  due to handler, p99", "ms", None),
    ] {
        let values: Vec<f64> = rounds.iter().filter_map(|found| found.get(what).copied()).collect();
        if values.is_empty() {
            continue;
        }
        let figure = Figure::new(name, median(values), unit);
        report.push(match (is_socket, target) {
            (true, Some(target)) => figure.socket().target(target),
            (true, None) => figure.socket(),
            (false, _) => figure,
        });
    }
}

async fn in_process(plan: &Plan, round: usize) -> Found {
    let folder: PathBuf = plan.folder.join(format!("inside-{round}"));
    std::fs::create_dir_all(&folder).unwrap();
    let ledger = Options::new(folder.join("hub.db")).open().unwrap();
    let logs = LOGS.map(|name| TopicOptions::log(name, LogOptions::default()));
    let queues = QUEUES.map(|name| TopicOptions::queue(name, QueueOptions::default()));
    let hub = Hub::open(ledger.clone(), logs.into_iter().chain(queues).collect()).await.unwrap();
    let door = Door::to(hub);
    let found = measure(plan.seconds, &Doors { publisher: door.clone(), consumer: door }, None).await;
    ledger.close().await;
    found
}

async fn over_socket(plan: &Plan, uri: &str, node: Process) -> Found {
    let connect = || Door::to(Client::connect(uri).unwrap());
    measure(plan.seconds, &Doors { publisher: connect(), consumer: connect() }, Some(node)).await
}

async fn measure(seconds: Duration, doors: &Doors, node: Option<Process>) -> Found {
    let mut found = Found::new();
    let spent = || node.map(Process::cpu);
    let micros = |before: Option<Duration>, carried: &carry::Carried| {
        let took = spent()?.checked_sub(before?)?;
        Some(took.as_secs_f64() * 1e6 / carried.count as f64)
    };
    let before = spent();
    let carried = carry::log(doors, carry::FRAME, seconds).await;
    found.extend([("log", carried.per_second)]);
    found.extend(micros(before, &carried).map(|micros| ("log cpu", micros)));
    let before = spent();
    let carried = carry::queue(doors, carry::FRAME, seconds).await;
    found.extend([("queue", carried.per_second)]);
    found.extend(micros(before, &carried).map(|micros| ("queue cpu", micros)));
    found.extend([("log one", carry::log(doors, 1, seconds).await.per_second)]);
    found.extend([("queue one", carry::queue(doors, 1, seconds).await.per_second)]);
    let paced = pace::log(doors, seconds).await;
    found.extend([
        ("log p99", paced.handler_p99),
        ("log due p50", paced.due_p50),
        ("log due p99", paced.due_p99),
    ]);
    let paced = pace::queue(doors, seconds).await;
    found.extend([("queue p99", paced.handler_p99)]);
    found.extend([("queue due p50", paced.due_p50), ("queue due p99", paced.due_p99)]);
    found
}

/// A message that says its number.
fn message(topic: &str, number: u64) -> Message {
    let mut payload = vec![b'x'; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    Message::new(topic, payload)
}
