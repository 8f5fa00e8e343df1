//! The service as a whole: its ledger, what consumes and relays, its HTTP face, and how it starts and stops.

use std::path::PathBuf;
use std::sync::Arc;

use mamparo_broker::{Missing, Queue};
use mamparo_consumer::{Consumer, Statuses};
use mamparo_ledger::{Ledger, OpenError};
use mamparo_relay::{QueuePublisher, Relay, Status};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::limits::{FORGET_EVERY, LEASE};
use crate::{COMMANDS, api, commands, schema};

/// What the service needs.
pub struct Options {
    /// A folder of its own; its ledger is made in it.
    pub data: PathBuf,
    /// Where it serves HTTP.
    pub listener: TcpListener,
    /// Where it takes commands from and answers them: it has the queue [`COMMANDS`] and those of the sagas.
    pub queue: Arc<dyn Queue>,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The broker cannot do what the service needs.
    #[error(transparent)]
    Broker(#[from] Missing),
}

/// A service that is open and does not run yet.
pub struct Service {
    ledger: Ledger,
    consumer: Consumer,
    relay: Relay,
    listener: TcpListener,
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
    /// Opens its ledger and brings the schema up to date.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn open(options: Options) -> Result<Self, RunError> {
        let Options { data, listener, queue } = options;
        let ledger = mamparo_ledger_sqlite::Options::new(data.join("inventory.db")).open()?;
        ledger.migrate(mamparo_shop_http::MIGRATIONS).await?;
        ledger.migrate(schema::MIGRATIONS).await?;
        let options = mamparo_consumer::Options { visibility: LEASE, ..Default::default() };
        let mut consumer = Consumer::new(ledger.clone(), Arc::clone(&queue), options)?;
        consumer.subscribe(COMMANDS, "inventory", async |tx, message| commands::handle(tx, message).await);
        let relay = Relay::new(ledger.clone(), Arc::new(QueuePublisher::new(queue)?), Default::default());
        Ok(Self { ledger, consumer, relay, listener })
    }

    /// Its ledger, for the admin face.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
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
        let Self { ledger, consumer, relay, listener } = self;
        let (ready, is_ready) = watch::channel(true);
        let stopped = || {
            let mut ready = ready.subscribe();
            async move { _ = ready.wait_for(|ready| !ready).await }
        };
        let router = api::router(ledger.clone()).merge(mamparo_shop_http::health("inventory", is_ready));
        tokio::join!(
            async {
                shutdown.await;
                ready.send_replace(false);
            },
            mamparo_shop_http::serve(listener, router, stopped()),
            consumer.run(stopped()),
            relay.run(stopped()),
            forget(&ledger, stopped()),
        );
        ledger.close().await;
    }
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
