//! How many messages the hub carries, durable, on this machine: `cargo run --release -p mamparo-hub --example
//! throughput [seconds]`. Prints one line for each figure.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_broker::{Lease, Log, Message, Queue, Start};
use mamparo_context::Clock;
use mamparo_hub::{Client, Hub, LogOptions, QueueOptions, TopicOptions};
use mamparo_ledger_sqlite::Options;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const BATCH: usize = 256;
const PAYLOAD: usize = 256;
const PUBLISHERS: usize = 2;
const CONSUMERS: usize = 2;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("serve") {
        return serve().await;
    }
    let time = Duration::from_secs(argument.and_then(|text| text.parse().ok()).unwrap_or(3));
    let folder = Folder::new()?;
    let hub = Arc::new(open(&folder).await?);
    run("in-process", Arc::clone(&hub) as _, Arc::clone(&hub) as _, time).await?;
    latency("in-process", hub, time).await?;

    let mut server = Command::new(std::env::current_exe()?)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut address)?;
    let client = Arc::new(Client::connect(&format!("http://{}", address.trim()))?);
    run("socket", Arc::clone(&client) as _, Arc::clone(&client) as _, time).await?;
    latency("socket", client, time).await?;
    drop(server.stdin.take());
    server.wait()?;
    Ok(())
}

/// The hub as a process of its own, until its input ends.
async fn serve() -> Result<(), Failure> {
    let folder = Folder::new()?;
    let hub = open(&folder).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let shutdown = async {
        let _ = ended.await;
    };
    Ok(mamparo_hub::serve(hub, listener, shutdown).await?)
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("mamparo-throughput-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn open(folder: &Folder) -> Result<Hub, Failure> {
    let ledger = Options::new(folder.0.join("hub.db")).open()?;
    let topics = vec![
        TopicOptions::log("append", LogOptions::default()),
        TopicOptions::log("log", LogOptions::default()),
        TopicOptions::queue("queue", QueueOptions::default()),
        TopicOptions::queue("keyed", QueueOptions::default()),
        TopicOptions::queue("paced", QueueOptions::default()),
    ];
    Ok(Hub::open(ledger, topics).await?)
}

/// From the answer to a publish to the handler that gets the message, at 2,000 messages/s one by one.
async fn latency(boundary: &str, queue: Arc<dyn Queue>, time: Duration) -> Result<(), Failure> {
    let clock = Clock::system();
    let committed = Arc::new(Mutex::new(HashMap::new()));
    let delays = Arc::new(Mutex::new(Vec::new()));
    let consumer = {
        let (queue, clock, committed) = (Arc::clone(&queue), clock.clone(), Arc::clone(&committed));
        let delays = Arc::clone(&delays);
        tokio::spawn(async move {
            loop {
                let lease = Lease { max: BATCH, visibility: Duration::ZERO, wait: Duration::from_secs(10) };
                let found = queue.receive("paced", lease).await?;
                let now = clock.now();
                for found in &found {
                    let at = committed.lock().map_err(|_| "poisoned")?.remove(&found.message.id);
                    // A message can be handled before its publisher has the answer.
                    let delay = at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
                    delays.lock().map_err(|_| "poisoned")?.push(delay);
                }
                let receipts: Vec<_> = found.into_iter().map(|found| found.receipt).collect();
                queue.ack(&receipts).await?;
            }
            #[expect(unreachable_code, reason = "says what the task answers with")]
            Ok::<_, Failure>(())
        })
    };
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    let count = time.as_millis() as usize / 5;
    for _ in 0..count {
        pace.tick().await;
        for _ in 0..10 {
            let (queue, clock, committed) = (Arc::clone(&queue), clock.clone(), Arc::clone(&committed));
            tokio::spawn(async move {
                let ids = queue.publish(vec![Message::new("paced", vec![b'x'; PAYLOAD])]).await?;
                let id = ids.first().copied();
                committed.lock().map_err(|_| "poisoned")?.insert(id, clock.now());
                Ok::<_, Failure>(())
            });
        }
    }
    while delays.lock().map_err(|_| "poisoned")?.len() < 10 * count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    consumer.abort();
    let mut delays = delays.lock().map_err(|_| "poisoned")?.clone();
    delays.sort();
    let at = |share: usize| delays.get(delays.len() * share / 100).copied().unwrap_or_default();
    println!("{boundary}: commit to handler at 2,000/s: p50 {:?}, p99 {:?}", at(50), at(99));
    Ok(())
}

async fn run(
    boundary: &str,
    log: Arc<dyn Log>,
    queue: Arc<dyn Queue>,
    time: Duration,
) -> Result<(), Failure> {
    let appended = append_only(&log, time).await?;
    println!("{boundary}: log, append                   {appended:>9.0} messages/s");
    let carried = log_end_to_end(&log, time).await?;
    println!("{boundary}: log, append + read + commit   {carried:>9.0} messages/s");
    let carried = queue_end_to_end(&queue, "queue", false, time).await?;
    println!("{boundary}: queue, publish + lease + ack  {carried:>9.0} messages/s");
    let carried = queue_end_to_end(&queue, "keyed", true, time).await?;
    println!("{boundary}: the same, a key each          {carried:>9.0} messages/s");
    Ok(())
}

fn batch(topic: &str, first: u64, keyed: bool) -> Vec<Message> {
    let message = |number: u64| {
        let message = Message::new(topic, vec![b'x'; PAYLOAD]);
        if keyed { message.key(&format!("order-{number}")) } else { message }
    };
    (first..first + BATCH as u64).map(message).collect()
}

async fn append_only(log: &Arc<dyn Log>, time: Duration) -> Result<f64, Failure> {
    let clock = Clock::system();
    let (start, mut count) = (clock.now(), 0);
    while clock.now() - start < time {
        log.append(batch("append", count, false)).await?;
        count += BATCH as u64;
    }
    Ok(count as f64 / (clock.now() - start).as_secs_f64())
}

async fn log_end_to_end(log: &Arc<dyn Log>, time: Duration) -> Result<f64, Failure> {
    let clock = Clock::system();
    let start = clock.now();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|_| {
            let (log, clock) = (Arc::clone(log), clock.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while clock.now() - start < time {
                    log.append(batch("log", count, false)).await?;
                    count += BATCH as u64;
                }
                Ok::<_, Failure>(count)
            })
        })
        .collect();
    let reading = Arc::clone(log);
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let reader = tokio::spawn(async move {
        let mut member = reading.join("log", "g", Start::Earliest).await?;
        loop {
            let found = member.next(BATCH, Duration::from_secs(10)).await?;
            let Some(last) = found.last() else { return Ok::<_, Failure>(()) };
            member.commit(&[(last.partition, last.offset + 1)]).await?;
            counted.fetch_add(found.len() as u64, Ordering::SeqCst);
        }
    });
    let mut sent = 0;
    for publisher in publishers {
        sent += publisher.await??;
    }
    finish(&read, sent).await;
    reader.abort();
    Ok(sent as f64 / (clock.now() - start).as_secs_f64())
}

async fn finish(done: &AtomicU64, sent: u64) {
    while done.load(Ordering::SeqCst) < sent {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn queue_end_to_end(
    queue: &Arc<dyn Queue>,
    name: &'static str,
    keyed: bool,
    time: Duration,
) -> Result<f64, Failure> {
    let clock = Clock::system();
    let start = clock.now();
    let done = Arc::new(AtomicU64::new(0));
    let consumers: Vec<_> = (0..CONSUMERS)
        .map(|_| {
            let (queue, done) = (Arc::clone(queue), Arc::clone(&done));
            tokio::spawn(async move {
                let lease = Lease { max: BATCH, visibility: Duration::ZERO, wait: Duration::from_secs(10) };
                loop {
                    let found = queue.receive(name, lease).await?;
                    let receipts: Vec<_> = found.into_iter().map(|found| found.receipt).collect();
                    let live = queue.ack(&receipts).await?;
                    done.fetch_add(live as u64, Ordering::SeqCst);
                    if receipts.is_empty() {
                        return Ok::<_, Failure>(());
                    }
                }
            })
        })
        .collect();
    let mut publishers = Vec::new();
    for publisher in 0..PUBLISHERS as u64 {
        let (queue, clock, done) = (Arc::clone(queue), clock.clone(), Arc::clone(&done));
        publishers.push(tokio::spawn(async move {
            let mut count = 0;
            while clock.now() - start < time {
                // What is under way is bounded, as a relay's is.
                if count * PUBLISHERS as u64 > done.load(Ordering::SeqCst) + 32 * BATCH as u64 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                queue.publish(batch(name, publisher << 40 | count, keyed)).await?;
                count += BATCH as u64;
            }
            Ok::<_, Failure>(count)
        }));
    }
    let mut sent = 0;
    for publisher in publishers {
        sent += publisher.await??;
    }
    finish(&done, sent).await;
    consumers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(sent as f64 / (clock.now() - start).as_secs_f64())
}
