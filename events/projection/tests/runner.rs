//! A read model over a real ledger: always exactly what the events up to its checkpoint say.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mamparo_context::{Clock, Context, ManualClock, Random};
use mamparo_ledger::{Error, Expected, Ledger, NewEvent, Recorded, Result, StreamName, Tx, params};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use mamparo_projection::{Handle, Options, Projection, Runner, Step};
use tempfile::TempDir;
use tokio::sync::Notify;

/// The sum of the amounts of every stream.
#[derive(Clone)]
struct Balances {
    version: u32,
    /// Events of the kind `Poison` fail while this holds.
    poisonous: Arc<AtomicBool>,
    applied: Arc<AtomicU32>,
}

impl Balances {
    fn new(version: u32) -> Self {
        Self { version, poisonous: Arc::new(AtomicBool::new(true)), applied: Arc::default() }
    }
}

impl Projection for Balances {
    fn name(&self) -> &str {
        "balances"
    }

    fn version(&self) -> u32 {
        self.version
    }

    async fn apply(&self, tx: &mut Tx<'_>, event: &Recorded) -> Result<()> {
        self.applied.fetch_add(1, Ordering::SeqCst);
        let (stream, amount) = (event.stream.as_str(), event.parse::<u64>().map_err(Error::app)?);
        let amount = amount * u64::from(self.version);
        let update = "UPDATE balances SET balance = balance + ?2 WHERE stream = ?1";
        if tx.sql(update, params![stream, amount]).await? == 0 {
            tx.sql("INSERT INTO balances (stream, balance) VALUES (?1, ?2)", params![stream, amount]).await?;
        }
        if &*event.kind == "Poison" && self.poisonous.load(Ordering::SeqCst) {
            return Err(Error::app("cannot be applied"));
        }
        Ok(())
    }

    async fn clear(&self, tx: &mut Tx<'_>) -> Result<()> {
        tx.sql("DELETE FROM balances", params![]).await.map(drop)
    }
}

struct Room {
    ledger: Ledger,
    manual: ManualClock,
    _folder: TempDir,
}

async fn room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let options = Sqlite::new(folder.path().join("ledger.db")).durability(Durability::Process);
    let ledger = options.clock(clock, Random::seeded(1)).open().unwrap();
    let table = async |tx: &mut Tx<'_>| {
        let create = "CREATE TABLE balances (stream TEXT PRIMARY KEY, balance INTEGER NOT NULL)";
        tx.sql(create, params![]).await
    };
    ledger.transact(&Context::root(), table).await.unwrap();
    Room { ledger, manual, _folder: folder }
}

const SMALL: Options = Options {
    batch: 7,
    attempts: 3,
    backoff: Duration::from_millis(10),
    backoff_max: Duration::from_secs(1),
};

impl Room {
    async fn runner(&self, projection: &Balances) -> Runner<Balances> {
        let runner = Runner::open(self.ledger.clone(), projection.clone(), SMALL).await.unwrap();
        runner.with_random(Random::seeded(2))
    }

    /// Appends an event of each kind to the stream; answers with the position.
    async fn append(&self, stream: &str, kinds: &[&str]) -> u64 {
        let stream = StreamName::new(stream);
        let events: Vec<NewEvent> = kinds.iter().map(|kind| NewEvent::new(kind, "1")).collect();
        let work = async move |tx: &mut Tx<'_>| tx.append(&stream, Expected::Any, &events).await;
        self.ledger.transact(&Context::root(), work).await.unwrap().position
    }

    async fn balances(&self) -> Vec<(String, u64)> {
        let rows = self.ledger.query("SELECT stream, balance FROM balances ORDER BY stream", params![]).await;
        rows.unwrap().iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect()
    }

    async fn checkpoint(&self) -> u64 {
        let work = async |tx: &mut Tx<'_>| tx.checkpoint("projection/balances").await;
        self.ledger.transact(&Context::root(), work).await.unwrap()
    }

    /// Steps until everything is applied, moving the clock over pauses.
    async fn settle(&self, runner: &mut Runner<Balances>) {
        loop {
            match runner.step().await {
                Step::Idle => return,
                Step::Wait(_) => self.manual.advance(Duration::from_secs(1)),
                Step::Applied(_) | Step::Parked(_) => {}
            }
        }
    }
}

fn named(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(name, balance)| ((*name).to_owned(), *balance)).collect()
}

#[tokio::test]
async fn the_read_model_and_its_checkpoint_move_together() {
    let room = room().await;
    room.append("a-1", &["Paid"; 10]).await;
    room.append("b-1", &["Paid"; 5]).await;
    let projection = Balances::new(1);
    let mut runner = room.runner(&projection).await;
    assert_eq!(runner.step().await, Step::Applied(7));
    assert_eq!((room.checkpoint().await, room.balances().await), (7, named(&[("a-1", 7)])));
    // A crash: another runner goes on where the checkpoint is.
    drop(runner);
    let mut runner = room.runner(&projection).await;
    room.settle(&mut runner).await;
    assert_eq!((room.checkpoint().await, room.balances().await), (15, named(&[("a-1", 10), ("b-1", 5)])));
    assert_eq!(projection.applied.load(Ordering::SeqCst), 15);
    let status = runner.handle().status();
    assert_eq!((status.position, status.lag(), status.parked), (15, 0, 0));
}

#[tokio::test]
async fn two_runners_of_one_projection_apply_nothing_twice() {
    let room = room().await;
    room.append("a-1", &["Paid"; 30]).await;
    let projection = Balances::new(1);
    let (mut one, mut two) = (room.runner(&projection).await, room.runner(&projection).await);
    while one.step().await != Step::Idle || two.step().await != Step::Idle {}
    assert_eq!(room.balances().await, named(&[("a-1", 30)]));
}

#[tokio::test]
async fn a_poisonous_event_parks_its_stream_and_the_others_go_on() {
    let room = room().await;
    room.append("a-1", &["Paid", "Paid"]).await;
    let at = room.append("b-1", &["Paid", "Poison"]).await;
    room.append("b-1", &["Paid"; 3]).await;
    room.append("a-1", &["Paid"]).await;
    let projection = Balances::new(1);
    let mut runner = room.runner(&projection).await;
    let handle = runner.handle();
    room.settle(&mut runner).await;
    assert_eq!(room.balances().await, named(&[("a-1", 3), ("b-1", 1)]));
    let status = handle.status();
    assert_eq!(
        (status.parked, status.lag(), status.last_error.as_deref()),
        (1, 0, Some("cannot be applied"))
    );
    let parked = handle.parked().await.unwrap().remove(0);
    assert_eq!((parked.stream.as_str(), parked.version, parked.position, parked.attempts), ("b-1", 2, at, 3));

    let stream = StreamName::new("b-1");
    handle.resume(&stream).await.unwrap_err();
    assert_eq!((handle.status().parked, room.balances().await[1].1), (1, 1), "still poisonous, still parked");
    projection.poisonous.store(false, Ordering::SeqCst);
    assert_eq!(handle.resume(&stream).await.unwrap(), 4);
    room.append("b-1", &["Paid"]).await;
    room.settle(&mut runner).await;
    assert_eq!((handle.status().parked, room.balances().await), (0, named(&[("a-1", 3), ("b-1", 6)])));
}

#[tokio::test]
async fn a_parked_stream_can_go_on_without_the_event_that_failed() {
    let room = room().await;
    room.append("b-1", &["Paid", "Poison"]).await;
    room.append("b-1", &["Paid"; 450]).await;
    let mut runner = room.runner(&Balances::new(1)).await;
    room.settle(&mut runner).await;
    let handle = runner.handle();
    assert_eq!(handle.resume_without(&StreamName::new("b-1")).await.unwrap(), 451);
    assert_eq!((handle.status().parked, room.balances().await), (0, named(&[("b-1", 451)])));
}

#[tokio::test]
async fn a_rebuild_comes_to_the_same() {
    let room = room().await;
    for n in 0..20 {
        room.append(&format!("s-{}", n % 3), &["Paid"]).await;
    }
    let mut runner = room.runner(&Balances::new(1)).await;
    room.settle(&mut runner).await;
    let before = room.balances().await;
    let handle = runner.handle();
    handle.rebuild().await.unwrap();
    assert_eq!((room.checkpoint().await, room.balances().await, handle.status().position), (0, vec![], 0));
    room.settle(&mut runner).await;
    assert_eq!((room.checkpoint().await, room.balances().await), (20, before));
}

#[tokio::test]
async fn another_version_of_the_projection_is_built_anew() {
    let room = room().await;
    room.append("a-1", &["Paid"; 3]).await;
    let mut runner = room.runner(&Balances::new(1)).await;
    room.settle(&mut runner).await;
    drop(runner);
    let mut runner = room.runner(&Balances::new(2)).await;
    assert_eq!(room.balances().await, vec![]);
    room.settle(&mut runner).await;
    assert_eq!(room.balances().await, named(&[("a-1", 6)]));
    drop(runner);
    room.runner(&Balances::new(2)).await;
    assert_eq!(room.balances().await, named(&[("a-1", 6)]), "the same version stays as it is");
}

#[tokio::test]
async fn one_reads_ones_own_write() {
    let room = room().await;
    let runner = room.runner(&Balances::new(1)).await;
    let handle: Handle = runner.handle();
    let early = handle.wait_for(1, Duration::ZERO).await.unwrap_err();
    assert_eq!((early.wanted, early.at), (1, 0));
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(runner.run(async move { stopped.notified().await }));
    for balance in 1..=5 {
        let position = room.append("a-1", &["Paid"]).await;
        handle.wait_for(position, Duration::from_secs(60)).await.unwrap();
        assert_eq!(room.balances().await, named(&[("a-1", balance)]));
    }
    handle.rebuild().await.unwrap();
    handle.wait_for(5, Duration::from_secs(60)).await.unwrap();
    assert_eq!(room.balances().await, named(&[("a-1", 5)]), "a running projection notices the rebuild");
    stop.notify_one();
    running.await.unwrap();
}
