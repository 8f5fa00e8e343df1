//! What an application holds: subscriptions to queues, run together.

use std::sync::Arc;

use futures_util::future::join_all;
use mamparo_broker::{Capability, Missing, Queue};
use mamparo_context::Random;
use mamparo_ledger::{Ledger, Message, Result, Tx};
use tokio::sync::watch;

use crate::status::Counters;
use crate::subscription::Subscription;
use crate::{Options, Status, inbox};

/// Handles the messages of queues, with effect once.
pub struct Consumer {
    ledger: Ledger,
    queue: Arc<dyn Queue>,
    options: Options,
    random: Random,
    subscriptions: Vec<Subscription>,
}

/// Tells how the subscriptions of a consumer stand, while it runs.
#[derive(Clone)]
pub struct Statuses(pub(crate) Vec<(Arc<str>, Arc<str>, Arc<Counters>)>);

impl Statuses {
    /// One status for each subscription.
    pub fn now(&self) -> Vec<Status> {
        self.0.iter().map(|(queue, name, counters)| counters.status(queue, name)).collect()
    }
}

impl Consumer {
    /// A consumer of `queue` whose handlers write into `ledger`.
    ///
    /// # Errors
    /// The broker cannot lease, delay what failed, extend a lease, or give one back.
    pub fn new(
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        options: Options,
    ) -> std::result::Result<Self, Missing> {
        let needed = [Capability::Lease, Capability::NackDelay, Capability::Extend, Capability::Release];
        queue.capabilities().require("a consumer", &needed)?;
        let options = options.in_range();
        Ok(Self { ledger, queue, options, random: Random::system(), subscriptions: Vec::new() })
    }

    /// The same consumer with jitter from a seed; before the first subscription.
    #[must_use]
    pub fn with_random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Handles the messages of the queue `queue` as the consumer `name`, the name under which the inbox remembers
    /// them: keep it over versions of the program.
    ///
    /// The handler is `async |tx, message| { … }`. It runs in the transaction whose first act is the row of the
    /// inbox, may run more than once, and awaits nothing but `tx`. `tx.context()` is that of the message (trace,
    /// key, principal) with the number of the attempt. Return [`crate::Reject`] for what can never be handled.
    pub fn subscribe<F>(&mut self, queue: &str, name: &str, handler: F) -> &mut Self
    where
        F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>, &'t Message) -> Result<()> + Send + Sync + 'static,
    {
        let queues = Arc::clone(&self.queue);
        let (ledger, random) = (self.ledger.clone(), self.random.clone());
        let handler = Arc::new(handler);
        let subscription = Subscription::new(ledger, queues, queue, name, handler, self.options, random);
        self.subscriptions.push(subscription);
        self
    }

    /// How its subscriptions stand, while it runs.
    pub fn status(&self) -> Statuses {
        Statuses(self.subscriptions.iter().map(Subscription::counters).collect())
    }

    /// Runs until `shutdown` ends: then nothing more is leased, what was not started is given back without
    /// counting as an attempt, and what runs may finish within [`Options::drain`].
    ///
    /// Dropped at any await, its leases run out and the messages come again; their effect still comes once.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(false);
        let all = self.subscriptions.iter_mut().map(|subscription| subscription.run(stopped.clone()));
        let pruning = prune_forever(self.ledger.clone(), self.options);
        let until_stop = async {
            tokio::select! {
                () = shutdown => {}
                () = pruning => {}
            }
            stop.send_replace(true);
        };
        tokio::join!(join_all(all), until_stop);
    }

    /// Leases and handles all that is there at this moment of the clock, of every subscription; answers with the
    /// number of handlers that ran.
    pub async fn step(&mut self) -> usize {
        join_all(self.subscriptions.iter_mut().map(Subscription::step)).await.into_iter().sum()
    }
}

async fn prune_forever(ledger: Ledger, options: Options) {
    loop {
        tokio::time::sleep(options.prune_every).await;
        if let Err(error) = inbox::prune(&ledger, options.inbox_window).await {
            tracing::warn!(%error, "inbox not pruned");
        }
    }
}
