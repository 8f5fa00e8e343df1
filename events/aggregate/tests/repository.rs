//! Wallets in a real ledger: money is conserved whoever is faster, and snapshots change nothing but speed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use mamparo_aggregate::{
    Aggregate, DecodeError, HandleError, LoadError, Options, Repository, Upcasters, events, fold,
};
use mamparo_context::Context;
use mamparo_ledger::{Error, Expected, Ledger, Message, NewEvent, Tx, params};
use mamparo_ledger_sqlite::{Durability, Options as Sqlite};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Deposited {
    amount: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Captured {
    amount: u64,
    order: String,
}

events! {
    /// What can happen to a wallet.
    #[derive(Clone, Debug, PartialEq)]
    enum WalletEvent {
        /// Money came in.
        Deposited(Deposited) = "MoneyDeposited",
        /// Money went out.
        Captured(Captured) = "PaymentCaptured.v2",
    }
}

#[derive(Clone, Debug)]
enum Command {
    Deposit(u64),
    Capture { amount: u64, order: &'static str },
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("only {balance} left")]
struct NotEnough {
    balance: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    balance: u64,
    captured: Vec<String>,
}

/// `VERSION` is that of its state, for snapshots.
struct Wallet<const VERSION: u32>;

impl<const VERSION: u32> Aggregate for Wallet<VERSION> {
    const CATEGORY: &'static str = "wallet";
    const STATE_VERSION: u32 = VERSION;
    type State = State;
    type Command = Command;
    type Event = WalletEvent;
    type Rejection = NotEnough;

    fn decide(state: &State, command: &Command) -> Result<Vec<WalletEvent>, NotEnough> {
        match *command {
            Command::Deposit(amount) => Ok(vec![Deposited { amount }.into()]),
            Command::Capture { order, .. } if state.captured.iter().any(|done| done == order) => {
                Ok(Vec::new())
            }
            Command::Capture { amount, order } if amount <= state.balance => {
                Ok(vec![Captured { amount, order: order.to_owned() }.into()])
            }
            Command::Capture { .. } => Err(NotEnough { balance: state.balance }),
        }
    }

    fn evolve(mut state: State, event: &WalletEvent) -> State {
        match event {
            WalletEvent::Deposited(Deposited { amount }) => state.balance += amount,
            WalletEvent::Captured(Captured { amount, order }) => {
                state.balance = state.balance.saturating_sub(*amount);
                state.captured.push(order.clone());
            }
        }
        state
    }

    fn upcasters() -> Upcasters {
        Upcasters::none().step(
            "PaymentCaptured",
            "PaymentCaptured.v2",
            |old: Value| json!({ "amount": old["amount"], "order": old["reference"] }),
        )
    }

    fn messages(id: &str, event: &WalletEvent) -> Vec<Message> {
        match event {
            WalletEvent::Captured(captured) => {
                vec![Message::new("payments.captured", captured.order.clone()).key(id)]
            }
            WalletEvent::Deposited(_) => Vec::new(),
        }
    }
}

type Wallets<const VERSION: u32> = Repository<Wallet<VERSION>>;

fn ledger() -> (Ledger, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = Sqlite::new(folder.path().join("ledger.db")).durability(Durability::Process);
    (options.open().unwrap(), folder)
}

async fn wallets(ledger: &Ledger, options: Options) -> Wallets<1> {
    Repository::open(ledger.clone(), options).await.unwrap()
}

fn deposit(amount: u64) -> Command {
    Command::Deposit(amount)
}

#[tokio::test]
async fn a_command_becomes_events_and_messages_in_one_transaction() {
    let (ledger, _folder) = ledger();
    let wallets = wallets(&ledger, Options::default()).await;
    let cx = Context::root();
    wallets.handle(&cx, "ana", &deposit(10)).await.unwrap();
    let done = wallets.handle(&cx, "ana", &Command::Capture { amount: 7, order: "o-1" }).await.unwrap();
    assert_eq!((done.state.balance, done.version, done.events, done.position), (3, 2, 1, 2));
    let again = wallets.handle(&cx, "ana", &Command::Capture { amount: 7, order: "o-1" }).await.unwrap();
    assert_eq!((again.state.balance, again.version, again.events), (3, 2, 0), "nothing to do");
    let refused = wallets.handle(&cx, "ana", &Command::Capture { amount: 4, order: "o-2" }).await;
    assert!(matches!(refused, Err(HandleError::Rejected(NotEnough { balance: 3 }))), "{refused:?}");
    let outbox = ledger.read_outbox(0, 10).await.unwrap();
    let sent: Vec<&[u8]> = outbox.iter().map(|row| &*row.message.payload).collect();
    assert_eq!((sent, outbox[0].message.key.as_deref()), (vec![b"o-1".as_slice()], Some("ana")));
    let kinds = ledger.read_stream(&wallets.stream("ana"), 1, 10).await.unwrap();
    assert_eq!(
        kinds.iter().map(|event| &*event.kind).collect::<Vec<_>>(),
        ["MoneyDeposited", "PaymentCaptured.v2"]
    );
    assert_eq!(wallets.load("bruno").await.unwrap().version, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_slower_decides_anew() {
    let (ledger, _folder) = ledger();
    let wallets = wallets(&ledger, Options { tries: 100, snapshot_every: 7 }).await;
    wallets.handle(&Context::root(), "ana", &deposit(10)).await.unwrap();
    let orders = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];
    let tasks = orders.map(|order| {
        let wallets = wallets.clone();
        tokio::spawn(async move {
            let capture = Command::Capture { amount: 1, order };
            wallets.handle(&Context::root(), "ana", &capture).await.is_ok()
        })
    });
    let mut captured = 0;
    for task in tasks {
        captured += u32::from(task.await.unwrap());
    }
    let loaded = wallets.load("ana").await.unwrap();
    assert_eq!((captured, loaded.state.balance, loaded.version), (10, 0, 11));
}

#[tokio::test]
async fn inside_a_larger_transaction_it_stands_and_falls_with_it() {
    let (ledger, _folder) = ledger();
    let wallets = wallets(&ledger, Options::default()).await;
    let own = wallets.clone();
    let both = async move |tx: &mut Tx<'_>| {
        own.execute(tx, "ana", &deposit(5)).await?;
        own.execute(tx, "ana", &Command::Capture { amount: 9, order: "o-1" }).await
    };
    let refused = ledger.transact(&Context::root(), both).await.unwrap_err();
    assert_eq!(refused.app_as::<NotEnough>(), Some(&NotEnough { balance: 5 }), "it sees its own events");
    assert_eq!(wallets.load("ana").await.unwrap().version, 0);
}

#[tokio::test]
async fn snapshots_spare_reading_and_can_be_lost_or_outdated() {
    let (ledger, _folder) = ledger();
    let wallets = wallets(&ledger, Options { snapshot_every: 10, ..Options::default() }).await;
    for _ in 0..25 {
        wallets.handle(&Context::root(), "ana", &deposit(1)).await.unwrap();
    }
    let loaded = wallets.load("ana").await.unwrap();
    assert_eq!((loaded.state.balance, loaded.version, loaded.snapshot), (25, 25, 20));

    let newer: Wallets<2> = Repository::open(ledger.clone(), Options::default()).await.unwrap();
    let other = newer.load("ana").await.unwrap();
    assert_eq!((other.state.balance, other.snapshot), (25, 0), "a snapshot of another state is passed over");

    let break_it = async |tx: &mut Tx<'_>| {
        tx.sql("UPDATE mamparo_snapshot SET state = ?1", params![b"{".to_vec()]).await
    };
    ledger.transact(&Context::root(), break_it).await.unwrap();
    let loaded = wallets.load("ana").await.unwrap();
    assert_eq!((loaded.state.balance, loaded.snapshot), (25, 0));
}

#[tokio::test]
async fn old_events_are_read_as_new_ones_and_unknown_ones_are_named() {
    let (ledger, _folder) = ledger();
    let wallets = wallets(&ledger, Options::default()).await;
    let stream = wallets.stream("ana");
    let append = async move |tx: &mut Tx<'_>| {
        let old = json!({ "amount": 2, "reference": "o-0" });
        let events = [
            NewEvent::json("MoneyDeposited", &Deposited { amount: 5 }).map_err(Error::app)?,
            NewEvent::json("PaymentCaptured", &old).map_err(Error::app)?,
        ];
        tx.append(&stream, Expected::NoStream, &events).await
    };
    ledger.transact(&Context::root(), append).await.unwrap();
    let state = wallets.load("ana").await.unwrap().state;
    assert_eq!((state.balance, state.captured), (3, vec!["o-0".to_owned()]));

    let stream = wallets.stream("ana");
    let append = async move |tx: &mut Tx<'_>| {
        tx.append(&stream, Expected::Any, &[NewEvent::new("WalletBurnt", "{}")]).await
    };
    ledger.transact(&Context::root(), append).await.unwrap();
    let error = match wallets.load("ana").await.unwrap_err() {
        LoadError::Decode(error) => error,
        other @ LoadError::Read(_) => panic!("{other}"),
    };
    let DecodeError { version, kind, .. } = &error;
    assert_eq!((*version, kind.as_str()), (3, "WalletBurnt"));
}

#[tokio::test]
async fn long_streams_are_read_in_pages() {
    let (ledger, _folder) = ledger();
    let wallets = wallets(&ledger, Options { snapshot_every: 0, ..Options::default() }).await;
    let stream = wallets.stream("ana");
    let append = async move |tx: &mut Tx<'_>| {
        let one = NewEvent::json("MoneyDeposited", &Deposited { amount: 1 }).map_err(Error::app)?;
        tx.append(&stream, Expected::NoStream, &vec![one; 1_000]).await
    };
    ledger.transact(&Context::root(), append).await.unwrap();
    assert_eq!(wallets.load("ana").await.unwrap().state.balance, 1_000);
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0..20_u64).prop_map(Command::Deposit),
        (0..20_u64, prop::sample::select(vec!["o-1", "o-2", "o-3"]))
            .prop_map(|(amount, order)| Command::Capture { amount, order }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The pure functions alone: money is conserved, an order is paid once.
    #[test]
    fn money_is_conserved(commands in prop::collection::vec(command(), 0..50)) {
        let mut state = State::default();
        let (mut paid_in, mut paid_out) = (0, 0);
        for command in &commands {
            if let Ok(events) = Wallet::<1>::decide(&state, command) {
                for event in &events {
                    match event {
                        WalletEvent::Deposited(event) => paid_in += event.amount,
                        WalletEvent::Captured(event) => paid_out += event.amount,
                    }
                }
                state = fold::<Wallet<1>>(state, &events);
            }
        }
        prop_assert_eq!(state.balance + paid_out, paid_in);
        let mut orders = state.captured.clone();
        orders.sort();
        orders.dedup();
        prop_assert_eq!(orders.len(), state.captured.len());
    }
}
