//! The service as a whole: its ledger, what consumes, asks, projects and relays, its HTTP face, and how it starts
//! and stops.

use std::path::PathBuf;
use std::sync::Arc;

use mamparo_aggregate::Repository;
use mamparo_broker::{Missing, Queue};
use mamparo_consumer::{Consumer, Statuses};
use mamparo_context::Context;
use mamparo_ledger::{Error, Ledger, OpenError, ReadError, Result as Work, Tx, params};
use mamparo_policy::stack::{ClientConfig, InvalidStack, Stack};
use mamparo_projection::{Handle, Runner};
use mamparo_relay::{QueuePublisher, Relay, Status};
use mamparo_shop_http::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{self, Face};
use crate::asking::Provider;
use crate::charger::Charger;
use crate::limits::{FORGET_EVERY, LEASE, SNAPSHOT_EVERY};
use crate::view::WalletView;
use crate::wallet::{WalletCommand, Wallets};
use crate::{COMMANDS, commands, schema};

/// Who has a wallet from the first start on.
const SEEDED: [&str; 3] = ["ana", "bruno", "carla"];
/// What is in it: 1,000,000.00 ARS.
const SEED_AMOUNT: i64 = 100_000_000;

/// What the service needs.
pub struct Options {
    /// A folder of its own; its ledger is made in it.
    pub data: PathBuf,
    /// Where it serves HTTP.
    pub listener: TcpListener,
    /// Where it takes commands from and answers them: it has the queue [`COMMANDS`] and those of the sagas.
    pub queue: Arc<dyn Queue>,
    /// The card provider.
    pub provider: Client,
    /// The policies behind which it is asked, such as [`policies`](crate::policies).
    pub policies: ClientConfig,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The wallets of the first start cannot be written.
    #[error("the first wallets cannot be opened: {0}")]
    Seed(Error),
    /// The policies behind which the card provider is asked are wrong.
    #[error(transparent)]
    Policies(#[from] InvalidStack),
    /// The broker cannot do what the service needs.
    #[error(transparent)]
    Broker(#[from] Missing),
}

/// A service that is open and does not run yet.
pub struct Service {
    ledger: Ledger,
    wallets: Repository<Wallets>,
    view: Runner<WalletView>,
    consumer: Consumer,
    charger: Charger,
    relay: Relay,
    listener: TcpListener,
    stack: Arc<Stack>,
}

/// Opens the service and runs it until `shutdown` ends.
///
/// # Errors
/// [`RunError`]: it does not start.
pub async fn run(options: Options, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
    Service::open(options).await?.run(shutdown).await;
    Ok(())
}

impl Service {
    /// Opens its ledger, brings the schema up to date, and opens the first wallets if it never did.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn open(options: Options) -> Result<Self, RunError> {
        let Options { data, listener, queue, provider, policies } = options;
        let provider = Provider::new(provider, policies)?;
        let stack = Arc::clone(provider.stack());
        let ledger = mamparo_ledger_sqlite::Options::new(data.join("payments.db")).open()?;
        ledger.migrate(mamparo_shop_http::MIGRATIONS).await?;
        ledger.migrate(schema::MIGRATIONS).await?;
        let snapshots = mamparo_aggregate::Options { snapshot_every: SNAPSHOT_EVERY, ..Default::default() };
        let wallets = Repository::open(ledger.clone(), snapshots).await?;
        seed(&ledger, &wallets).await.map_err(RunError::Seed)?;
        let view = Runner::open(ledger.clone(), WalletView, Default::default()).await?;
        let charger = Charger::open(ledger.clone(), wallets.clone(), provider).await?;
        let options = mamparo_consumer::Options { visibility: LEASE, ..Default::default() };
        let mut consumer = Consumer::new(ledger.clone(), Arc::clone(&queue), options)?;
        let held = wallets.clone();
        consumer.subscribe(COMMANDS, "payments", async move |tx, message| {
            commands::handle(&held, tx, message).await
        });
        let relay = Relay::new(ledger.clone(), Arc::new(QueuePublisher::new(queue)?), Default::default());
        Ok(Self { ledger, wallets, view, consumer, charger, relay, listener, stack })
    }

    /// Its ledger, for the admin face.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The policies behind which it asks the card provider, for the admin face.
    pub fn stack(&self) -> &Arc<Stack> {
        &self.stack
    }

    /// Its projections, for the admin face.
    pub fn projections(&self) -> Vec<Handle> {
        vec![self.view.handle()]
    }

    /// What its consumer has done, for the admin face.
    pub fn consumer(&self) -> Statuses {
        self.consumer.status()
    }

    /// How its relay stands, for the admin face.
    pub fn relay(&self) -> watch::Receiver<Status> {
        self.relay.status()
    }

    /// Runs until `shutdown` ends: then it takes no more requests and messages, finishes those it has within 5 s,
    /// and closes its ledger.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { ledger, wallets, view, consumer, charger, relay, listener, .. } = self;
        let (ready, is_ready) = watch::channel(true);
        let stopped = || {
            let mut ready = ready.subscribe();
            async move { _ = ready.wait_for(|ready| !ready).await }
        };
        let face = Face { ledger: ledger.clone(), wallets, view: view.handle() };
        let router = api::router(face).merge(mamparo_shop_http::health("payments", is_ready));
        tokio::join!(
            async {
                shutdown.await;
                ready.send_replace(false);
            },
            mamparo_shop_http::serve(listener, router, stopped()),
            consumer.run(stopped()),
            charger.run(stopped()),
            view.run(stopped()),
            relay.run(stopped()),
            forget(&ledger, stopped()),
        );
        ledger.close().await;
    }
}

/// Opens the first wallets, once.
async fn seed(ledger: &Ledger, wallets: &Repository<Wallets>) -> Work<()> {
    let wallets = wallets.clone();
    let work = async move |tx: &mut Tx<'_>| {
        let sql = "INSERT INTO seeded (what) VALUES ('wallets') ON CONFLICT DO NOTHING";
        if tx.sql(sql, params![]).await? == 1 {
            for customer in SEEDED {
                let put = WalletCommand::Deposit { customer: customer.to_owned(), amount: SEED_AMOUNT };
                wallets.execute(tx, customer, &put).await?;
            }
        }
        Ok(())
    };
    ledger.transact(&Context::root(), work).await
}

async fn forget(ledger: &Ledger, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
        if let Err(error) = mamparo_shop_http::forget_old(ledger).await {
            tracing::warn!(%error, "old idempotency keys not forgotten");
        }
    }
}
