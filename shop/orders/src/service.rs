//! The service as a whole: its ledger, its sagas, what consumes, projects, tells and relays, its HTTP face, and how
//! it starts and stops.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mamparo_aggregate::Repository;
use mamparo_broker::{Missing, Queue};
use mamparo_cache::{CacheMetrics, InvalidOptions};
use mamparo_consumer::{Consumer, Statuses};
use mamparo_context::{Ids, Random};
use mamparo_ledger::{Ledger, OpenError, ReadError, Tx};
use mamparo_projection::{Handle, Runner};
use mamparo_relay::{QueuePublisher, Relay, Status};
use mamparo_saga::{Action, AlreadyRegistered, DefinitionError, OpenSagasError, Registry, Sagas, State};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{self, Face};
use crate::catalogue::{self, Catalogue};
use crate::limits::{DEADLINE, FORGET_EVERY, LEASE, TELL_BATCH};
use crate::order::Orders;
use crate::place_order::{self, REPLIES};
use crate::schema;
use crate::view::{OrderView, order_of};
use crate::wait::Waiters;

/// What the service needs.
pub struct Options {
    /// A folder of its own; its ledger is made in it.
    pub data: PathBuf,
    /// Where it serves HTTP.
    pub listener: TcpListener,
    /// Where its sagas send commands and are answered: it has the queue [`REPLIES`] and those of the commands.
    pub queue: Arc<dyn Queue>,
    /// How long an order may take until it turns back.
    pub deadline: Duration,
}

impl Options {
    /// Options with the usual deadline, [`DEADLINE`].
    pub fn new(data: impl Into<PathBuf>, listener: TcpListener, queue: Arc<dyn Queue>) -> Self {
        Self { data: data.into(), listener, queue, deadline: DEADLINE }
    }
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
    /// Its caches cannot be built.
    #[error(transparent)]
    Cache(#[from] InvalidOptions),
    /// The saga makes no sense with these options.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The saga is defined twice.
    #[error(transparent)]
    Registered(#[from] AlreadyRegistered),
    /// The sagas cannot be opened.
    #[error(transparent)]
    Sagas(OpenSagasError),
    /// The broker cannot do what the service needs.
    #[error(transparent)]
    Broker(#[from] Missing),
}

impl From<catalogue::OpenError> for RunError {
    fn from(error: catalogue::OpenError) -> Self {
        match error {
            catalogue::OpenError::Read(error) => Self::Read(error),
            catalogue::OpenError::Cache(error) => Self::Cache(error),
        }
    }
}

impl From<OpenSagasError> for RunError {
    /// What is wrong with the file is told like everything that is wrong with it.
    fn from(error: OpenSagasError) -> Self {
        match error {
            OpenSagasError::Schema(error) => Self::Open(error),
            other => Self::Sagas(other),
        }
    }
}

/// A service that is open and does not run yet.
pub struct Service {
    ledger: Ledger,
    sagas: Sagas,
    face: Face,
    view: Runner<OrderView>,
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
        let Options { data, listener, queue, deadline } = options;
        let ledger = mamparo_ledger_sqlite::Options::new(data.join("orders.db")).open()?;
        ledger.migrate(mamparo_shop_http::MIGRATIONS).await?;
        ledger.migrate(schema::MIGRATIONS).await?;
        let catalogue = Catalogue::open(ledger.clone()).await?;
        // An order has three events at most: a snapshot would spare nothing.
        let no_snapshots = mamparo_aggregate::Options { snapshot_every: 0, ..Default::default() };
        let orders: Repository<Orders> = Repository::open(ledger.clone(), no_snapshots).await?;
        let mut definitions = Registry::new();
        definitions.register(place_order::definition(deadline)?)?;
        let ending = orders.clone();
        let sagas = Sagas::builder(definitions, REPLIES)
            .on_end(async move |tx: &mut Tx<'_>, state: &State, end: &Action| {
                place_order::ended(&ending, tx, state, end).await
            })
            .open(&ledger)
            .await?;
        let view = Runner::open(ledger.clone(), OrderView, Default::default()).await?;
        let options = mamparo_consumer::Options { visibility: LEASE, ..Default::default() };
        let mut consumer = Consumer::new(ledger.clone(), Arc::clone(&queue), options)?;
        let answered = sagas.clone();
        consumer.subscribe(REPLIES, "orders", async move |tx, message| {
            place_order::reply(&answered, tx, message).await
        });
        let relay = Relay::new(ledger.clone(), Arc::new(QueuePublisher::new(queue)?), Default::default());
        let face = Face {
            ledger: ledger.clone(),
            orders,
            sagas: sagas.clone(),
            catalogue,
            view: view.handle(),
            waiters: Waiters::default(),
            ids: Ids::new(ledger.clock().clone(), Random::system()),
        };
        Ok(Self { ledger, sagas, face, view, consumer, relay, listener })
    }

    /// Its ledger, for the admin face.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Its sagas, for the admin face.
    pub fn sagas(&self) -> &Sagas {
        &self.sagas
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

    /// Shows what its caches have done among other metrics, for the admin face.
    pub fn caches(&self) -> impl FnOnce(&mut CacheMetrics) + Send + use<> {
        let catalogue = self.face.catalogue.clone();
        move |metrics| catalogue.watch(metrics)
    }

    /// Runs until `shutdown` ends: then it takes no more requests and messages, finishes those it has within 5 s,
    /// and closes its ledger.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { ledger, sagas, face, view, consumer, relay, listener } = self;
        let (ready, is_ready) = watch::channel(true);
        let stopped = || {
            let mut ready = ready.subscribe();
            async move { _ = ready.wait_for(|ready| !ready).await }
        };
        let waiters = face.waiters.clone();
        let router = api::router(face).merge(mamparo_shop_http::health("orders", is_ready));
        tokio::join!(
            async {
                shutdown.await;
                ready.send_replace(false);
            },
            mamparo_shop_http::serve(listener, router, stopped()),
            consumer.run(stopped()),
            sagas.run_timers(&ledger, stopped()),
            view.run(stopped()),
            tell(&ledger, &waiters, stopped()),
            relay.run(stopped()),
            forget(&ledger, stopped()),
        );
        ledger.close().await;
    }
}

/// Tells those who wait for an order that it is final.
async fn tell(ledger: &Ledger, waiters: &Waiters, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    let mut tail = ledger.tail(ledger.head().borrow().position);
    loop {
        let page = tokio::select! {
            () = &mut stopped => return,
            page = tail.next(TELL_BATCH) => page,
        };
        match page {
            Ok(events) => {
                for event in events.iter().filter(|event| &*event.kind != "OrderPlaced") {
                    if let Some(order) = order_of(event) {
                        waiters.tell(order, event.position);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "those who wait for orders are not told");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
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
