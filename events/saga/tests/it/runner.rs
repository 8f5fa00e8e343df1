//! The runner on the embedded ledger: one transaction for state, messages, timer and what the application adds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mamparo_context::{Clock, Context, ManualClock, Random};
use mamparo_ledger::{Error, Ledger, Message, Migration, Migrations, Tx, params};
use mamparo_ledger_sqlite::{Durability, Options};
use mamparo_saga::{
    Action, Call, CallFuture, Callee, Input, Outcome, Registry, Request, Retry, Saga, SagaId, Sagas, State,
    Status, Step, Taken, UnknownDefinition, UnknownTarget,
};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Bench {
    ledger: Ledger,
    sagas: Sagas,
    clock: ManualClock,
    _folder: TempDir,
}

fn place_order(version: u32) -> Saga {
    Saga::define("place-order", version)
        .deadline(Duration::from_secs(60))
        .step(Step::message("payment", "payments").compensate("payments"))
        .step(Step::message("inventory", "inventory").pivot())
}

async fn bench(saga: Saga, on_end: impl mamparo_saga::OnEnd) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let options = Options::new(folder.path().join("ledger.db")).durability(Durability::Process);
    let ledger = options.clock(clock, Random::seeded(7)).open().unwrap();
    let steps =
        &[Migration { name: "ended", sql: "CREATE TABLE ended (saga TEXT PRIMARY KEY, how TEXT NOT NULL)" }];
    ledger.migrate(Migrations { component: "test", steps }).await.unwrap();
    let sagas = Sagas::builder(registry(saga), "replies").on_end(on_end).open(&ledger).await.unwrap();
    Bench { ledger, sagas, clock: manual, _folder: folder }
}

fn registry(saga: Saga) -> Registry {
    let mut registry = Registry::new();
    registry.register(saga.build().unwrap()).unwrap();
    registry
}

/// Writes down how sagas end, in the transaction in which they do.
async fn note(tx: &mut Tx<'_>, state: &State, end: &Action) -> Result<(), Error> {
    let how = match end {
        Action::Complete { .. } => "completed",
        Action::Cancel(_) => "cancelled",
        _ => "parked",
    };
    tx.sql("INSERT INTO ended (saga, how) VALUES (?1, ?2)", params![state.id().as_str(), how])
        .await
        .map(|_| ())
}

impl Bench {
    async fn start(&self, id: &str) -> Result<bool, Error> {
        let (sagas, id) = (self.sagas.clone(), id.parse::<SagaId>().unwrap());
        let unit =
            async move |tx: &mut Tx<'_>| sagas.start(tx, "place-order", id.clone(), json!({"n": 2})).await;
        self.ledger.transact(&Context::root(), unit).await
    }

    async fn take(&self, id: &str, input: Input) -> Result<Taken, Error> {
        let (sagas, id) = (self.sagas.clone(), id.parse::<SagaId>().unwrap());
        let unit = async move |tx: &mut Tx<'_>| sagas.take(tx, &id, input.clone()).await;
        self.ledger.transact(&Context::root(), unit).await
    }

    /// What waits to be sent; it is taken off the outbox.
    async fn sent(&self) -> Vec<Message> {
        let rows = self.ledger.read_outbox(0, 100).await.unwrap();
        let ids: Vec<u64> = rows.iter().map(|row| row.id).collect();
        let unit = async move |tx: &mut Tx<'_>| tx.outbox_sent(&ids).await;
        self.ledger.transact(&Context::root(), unit).await.unwrap();
        rows.into_iter().map(|row| row.message).collect()
    }

    async fn answer(&self, command: &Message, outcome: Outcome) -> Result<Taken, Error> {
        let answer = Request::read(command).unwrap().reply(&outcome).unwrap();
        let sagas = self.sagas.clone();
        let unit = async move |tx: &mut Tx<'_>| sagas.reply(tx, &answer).await;
        self.ledger.transact(&Context::root(), unit).await
    }

    async fn status(&self, id: &str) -> Status {
        let saga = self.sagas.read(&self.ledger, &id.parse().unwrap()).await.unwrap();
        saga.unwrap().status().clone()
    }

    async fn ended(&self) -> Vec<(String, String)> {
        let rows = self.ledger.query("SELECT saga, how FROM ended ORDER BY saga", params![]).await.unwrap();
        rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect()
    }

    async fn timers(&self) -> usize {
        let end = mamparo_context::Timestamp::from_micros(i64::MAX);
        self.ledger.read_timers("saga", end, 100).await.unwrap().len()
    }
}

fn ok() -> Outcome {
    Outcome::Succeeded(json!({}))
}

#[tokio::test]
async fn a_saga_goes_forward_by_messages_and_ends_in_the_transaction_of_its_last_answer() {
    let bench = bench(place_order(1), note).await;
    assert!(bench.start("o-1").await.unwrap());
    assert!(!bench.start("o-1").await.unwrap(), "it exists");
    let payment = bench.sent().await;
    assert_eq!((payment.len(), &*payment[0].topic), (1, "payments"));
    assert_eq!(payment[0].parse::<Value>().unwrap(), json!({"n": 2}));
    assert_eq!(bench.answer(&payment[0], ok()).await.unwrap(), Taken::Now(Status::Running));
    assert_eq!(bench.answer(&payment[0], ok()).await.unwrap(), Taken::NoEffect);
    let inventory = bench.sent().await;
    assert_eq!((inventory.len(), &*inventory[0].topic), (1, "inventory"));
    assert_eq!(bench.timers().await, 1);
    assert_eq!(bench.answer(&inventory[0], ok()).await.unwrap(), Taken::Now(Status::Completed));
    assert_eq!(bench.ended().await, [("o-1".to_owned(), "completed".to_owned())]);
    assert_eq!((bench.timers().await, bench.sent().await.len()), (0, 0));
}

#[tokio::test]
async fn timers_repeat_what_is_not_answered_and_turn_back_at_the_deadline() {
    let bench = bench(place_order(1), note).await;
    bench.start("o-1").await.unwrap();
    let first = bench.sent().await.remove(0);
    assert_eq!(bench.sagas.wake_due(&bench.ledger).await.unwrap().due, 0);
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(bench.sagas.wake_due(&bench.ledger).await.unwrap().due, 1);
    bench.clock.advance(Duration::from_secs(1));
    bench.sagas.wake_due(&bench.ledger).await.unwrap();
    let second = bench.sent().await.remove(0);
    let (first, second_request) = (Request::read(&first).unwrap(), Request::read(&second).unwrap());
    assert_eq!((first.command == second_request.command, second_request.attempt), (true, 2));

    bench.clock.advance(Duration::from_secs(30));
    bench.sagas.wake_due(&bench.ledger).await.unwrap();
    let undo = bench.sent().await;
    let request = Request::read(&undo[0]).unwrap();
    assert_eq!((undo.len(), request.undoes), (1, Some(first.command)));
    assert_eq!(bench.answer(&second, ok()).await.unwrap(), Taken::NoEffect, "too late");
    assert_eq!(bench.answer(&undo[0], ok()).await.unwrap(), Taken::Now(Status::Cancelled));
    assert_eq!(bench.ended().await, [("o-1".to_owned(), "cancelled".to_owned())]);
    assert_eq!(bench.timers().await, 0);
}

#[tokio::test]
async fn what_the_application_refuses_rolls_the_transition_back() {
    let bench = bench(place_order(1), async |tx: &mut Tx<'_>, state: &State, end: &Action| {
        note(tx, state, end).await?;
        Err(Error::app("not now"))
    })
    .await;
    bench.start("o-1").await.unwrap();
    let payment = bench.sent().await.remove(0);
    bench.answer(&payment, Outcome::Refused("no money".into())).await.unwrap_err();
    assert_eq!(bench.status("o-1").await, Status::Running);
    assert!(bench.ended().await.is_empty());
}

#[tokio::test]
async fn a_saga_of_an_unknown_version_is_left_untouched_and_shown() {
    let mut bench = bench(place_order(1), note).await;
    bench.start("o-1").await.unwrap();
    let builder = Sagas::builder(registry(place_order(2)), "replies");
    bench.sagas = builder.open(&bench.ledger).await.unwrap();
    let before = bench.sagas.read(&bench.ledger, &"o-1".parse().unwrap()).await.unwrap();
    let error = bench.take("o-1", Input::CancelRequested { reason: "why not".into() }).await.unwrap_err();
    let unknown = UnknownDefinition { name: "place-order".into(), version: 1, known: vec![2] };
    assert_eq!(error.app_as(), Some(&unknown));
    bench.clock.advance(Duration::from_secs(300));
    let woken = bench.sagas.wake_due(&bench.ledger).await.unwrap();
    assert_eq!((woken.due, woken.failed), (1, 0));
    assert_eq!(bench.sagas.wake_due(&bench.ledger).await.unwrap().due, 0, "put off");
    assert_eq!(bench.sagas.read(&bench.ledger, &"o-1".parse().unwrap()).await.unwrap(), before);
}

#[tokio::test]
async fn sagas_are_listed_by_status() {
    let bench = bench(place_order(1), note).await;
    for id in ["o-1", "o-2", "o-3"] {
        bench.start(id).await.unwrap();
    }
    let taken = bench.take("o-2", Input::CancelRequested { reason: "changed my mind".into() }).await.unwrap();
    assert_eq!(taken, Taken::Now(Status::Compensating));
    assert_eq!(bench.take("o-9", Input::Resume).await.unwrap(), Taken::NoSuchSaga);
    for (status, after, ids) in [
        (None, "", vec!["o-1", "o-2", "o-3"]),
        (None, "o-2", vec!["o-3"]),
        (Some("compensating"), "", vec!["o-2"]),
        (Some("parked"), "", vec![]),
    ] {
        let list = bench.sagas.list(&bench.ledger, status, after, 10).await.unwrap();
        assert_eq!(list.iter().map(|saga| saga.id.as_str()).collect::<Vec<_>>(), ids);
    }
    assert_eq!(bench.sagas.count(&bench.ledger, "compensating").await.unwrap(), 1);
    assert_eq!(bench.sagas.count(&bench.ledger, "parked").await.unwrap(), 0);
}

/// Fails, cannot tell, panics, then obeys.
struct Moody(AtomicU32);

impl Callee for Moody {
    fn call(&self, call: Call) -> CallFuture<'_> {
        Box::pin(async move {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Outcome::Failed("busy".into()),
                1 => Outcome::Indeterminate("connection reset".into()),
                2 => panic!("out of order"),
                n => Outcome::Succeeded(json!({ "n": n, "attempt": call.attempt })),
            }
        })
    }
}

fn by_call() -> Saga {
    let retry = Retry::attempts(9).backoff(Duration::from_millis(1), Duration::from_millis(2));
    Saga::define("place-order", 1).step(Step::call("charge", "card").retry(retry))
}

/// Runs timers and calls by the clock of the machine until the saga has ended.
async fn run_to_the_end(ledger: &Ledger, sagas: &Sagas, id: &str) -> State {
    let id = id.parse().unwrap();
    let end = async {
        let mut head = ledger.head();
        loop {
            let state = sagas.read(ledger, &id).await.unwrap().unwrap();
            if state.status().is_terminal() {
                return state;
            }
            head.changed().await.unwrap();
        }
    };
    tokio::select! {
        state = end => state,
        () = sagas.run_timers(ledger, std::future::pending()) => unreachable!(),
        () = sagas.run_calls(ledger, std::future::pending()) => unreachable!(),
    }
}

fn on_disk(folder: &TempDir) -> Ledger {
    Options::new(folder.path().join("ledger.db")).durability(Durability::Process).open().unwrap()
}

#[tokio::test]
async fn calls_are_made_until_one_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_disk(&folder);
    let builder = Sagas::builder(registry(by_call()), "replies").callee("card", Moody(AtomicU32::new(0)));
    let sagas = builder.open(&ledger).await.unwrap();
    let starter = sagas.clone();
    let unit = async move |tx: &mut Tx<'_>| {
        starter.start(tx, "place-order", "o-1".parse().unwrap(), json!({})).await
    };
    ledger.transact(&Context::root(), unit).await.unwrap();
    let state = run_to_the_end(&ledger, &sagas, "o-1").await;
    assert_eq!(state.status(), &Status::Completed);
    assert_eq!(state.data().output("charge"), &json!({ "n": 3, "attempt": 4 }));
}

#[tokio::test]
async fn a_call_that_another_life_left_is_unclear_and_made_again_as_another_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_disk(&folder);
    let obeys = || Moody(AtomicU32::new(3));
    let builder = Sagas::builder(registry(by_call()), "replies").callee("card", obeys());
    let first = builder.open(&ledger).await.unwrap();
    let unit =
        async move |tx: &mut Tx<'_>| first.start(tx, "place-order", "o-1".parse().unwrap(), json!({})).await;
    ledger.transact(&Context::root(), unit).await.unwrap();
    ledger.close().await;
    drop(ledger);

    let ledger = on_disk(&folder);
    let builder = Sagas::builder(registry(by_call()), "replies").callee("card", obeys());
    let second = builder.open(&ledger).await.unwrap();
    let state = run_to_the_end(&ledger, &second, "o-1").await;
    assert_eq!(state.data().output("charge"), &json!({ "n": 3, "attempt": 2 }));
}

#[tokio::test]
async fn a_target_that_nobody_answers_for_is_refused_when_opened() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_disk(&folder);
    let error = Sagas::builder(registry(by_call()), "replies").open(&ledger).await.err().unwrap();
    let unknown = UnknownTarget { definition: "place-order".into(), version: 1, target: "card".into() };
    assert_eq!(error.to_string(), unknown.to_string());
}

#[test]
fn a_handle_can_be_shared() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Sagas>();
    shared::<Arc<Sagas>>();
}
