//! Performs what the core decides: reads the outbox, publishes, forgets and parks, several at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mamparo_broker::{BoxFuture, Message, PublishError};
use mamparo_context::{Clock, Context, Random, Retry, failpoint};
use mamparo_ledger::{Head, Ledger, OutboxRow};
use tokio::sync::watch;

use crate::core::{Action, Core, Failure};
use crate::{Options, Publisher, Status, trace};

/// What happened to something that was begun.
enum Event {
    Rows(Option<Vec<OutboxRow>>),
    Published(u64, Result<(), Failure>),
    Forgotten(bool),
    Parked(bool),
    Looked(u64, Result<Option<OutboxRow>, ()>),
}

/// What a step of a relay came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Rows that the broker accepted since the start of the relay.
    pub sent: u64,
    /// When there is something to do even if nothing happens.
    pub until: Option<Instant>,
}

/// Carries the outbox of one ledger to a broker. One relay for each ledger: two would break the order of keys.
pub struct Relay {
    ledger: Ledger,
    publisher: Arc<dyn Publisher>,
    options: Options,
    core: Core,
    clock: Clock,
    random: Random,
    head: watch::Receiver<Head>,
    under_way: FuturesUnordered<BoxFuture<'static, Event>>,
    status: watch::Sender<Status>,
}

impl Relay {
    /// A relay from the outbox of `ledger` to `publisher`. Nothing happens before it is run.
    pub fn new(ledger: Ledger, publisher: Arc<dyn Publisher>, options: Options) -> Self {
        Self {
            publisher,
            options: options.in_range(),
            core: Core::new(options),
            clock: ledger.clock().clone(),
            random: Random::system(),
            head: ledger.head(),
            under_way: FuturesUnordered::new(),
            status: watch::Sender::new(Status::default()),
            ledger,
        }
    }

    /// The same relay with jitter from a seed.
    #[must_use]
    pub fn with_random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// How it stands, kept up to date while it runs.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until `shutdown` ends, then lets what is under way finish, for [`Options::drain`] at most.
    ///
    /// Cancel safe in the sense of at least once: dropped at any await, a later relay sends again what was not
    /// forgotten yet.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut sweep = Box::pin(tokio::time::sleep(self.options.sweep));
        loop {
            let until = self.begin();
            let pause = until.map(|until| until.saturating_duration_since(self.clock.now()));
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(event) = self.under_way.next() => self.take(event),
                changed = self.head.changed() => if changed.is_err() { break },
                () = &mut sweep => {
                    self.core.on_sweep();
                    sweep.set(tokio::time::sleep(self.options.sweep));
                }
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
        if tokio::time::timeout(self.options.drain, self.drain()).await.is_err() {
            tracing::warn!(status = ?*self.status.borrow(), "the relay stops with batches under way; they are sent again");
        }
    }

    async fn drain(&mut self) {
        loop {
            let now = self.clock.now();
            while let action @ Action::Sent { .. } = self.core.next_before_end(now) {
                self.start(action);
            }
            match self.under_way.next().await {
                Some(event) => self.take(event),
                None => return,
            }
        }
    }

    /// Does all that can be done at this moment of the clock, and answers once nothing is under way.
    pub async fn step(&mut self) -> Step {
        loop {
            let until = self.begin();
            match self.under_way.next().await {
                Some(event) => self.take(event),
                None => return Step { sent: self.core.status(self.clock.now()).sent, until },
            }
        }
    }

    /// Looks at the parked rows, so that the next step sends those that a person let go.
    pub fn sweep(&mut self) {
        self.core.on_sweep();
    }

    /// Begins everything that the core asks for; answers when to ask again.
    fn begin(&mut self) -> Option<Instant> {
        let head = self.head.borrow_and_update().outbox;
        self.core.on_head(head);
        let now = self.clock.now();
        loop {
            match self.core.next(now) {
                Action::WaitUntil(until) => {
                    self.status.send_replace(self.core.status(now));
                    return until;
                }
                action => self.start(action),
            }
        }
    }

    fn start(&mut self, action: Action) {
        let ledger = self.ledger.clone();
        let future: BoxFuture<'static, Event> = match action {
            Action::WaitUntil(_) => return,
            Action::Read { after, max } => Box::pin(async move {
                let rows = ledger.read_outbox(after, max).await;
                Event::Rows(rows.inspect_err(|error| tracing::warn!(%error, "outbox not read")).ok())
            }),
            Action::Look { id } => Box::pin(async move {
                let rows = ledger.read_outbox(id.saturating_sub(1), 1).await;
                Event::Looked(id, rows.map(|rows| rows.into_iter().next()).map_err(drop))
            }),
            Action::Publish { batch, messages } => {
                let publisher = Arc::clone(&self.publisher);
                let within = self.options.answer_within;
                let (random, clock) = (self.random.clone(), self.clock.clone());
                Box::pin(async move {
                    let spans = trace::begin(&messages, &random, &clock);
                    let result = publish(&*publisher, messages, within).await;
                    trace::end(spans, result.as_ref().err().map(|failure| failure.why.as_str()), &clock);
                    Event::Published(batch, result)
                })
            }
            Action::Sent { ids } => Box::pin(async move {
                let work = async move |tx: &mut mamparo_ledger::Tx<'_>| tx.outbox_sent(&ids).await;
                failpoint("relay.before-forget");
                let done = ledger.transact(&Context::root(), work).await;
                failpoint("relay.after-forget");
                Event::Forgotten(
                    done.inspect_err(|error| tracing::warn!(%error, "sent rows not forgotten")).is_ok(),
                )
            }),
            Action::Park { id, why } => Box::pin(async move {
                tracing::warn!(id, %why, "outbox row parked");
                let work = async move |tx: &mut mamparo_ledger::Tx<'_>| tx.outbox_park(id, Some(&why)).await;
                let done = ledger.transact(&Context::root(), work).await;
                Event::Parked(done.inspect_err(|error| tracing::warn!(%error, id, "row not parked")).is_ok())
            }),
        };
        self.under_way.push(future);
    }

    fn take(&mut self, event: Event) {
        let (now, unit) = (self.clock.now(), self.random.unit());
        match event {
            Event::Rows(rows) => self.core.on_rows(rows, now, unit),
            Event::Published(batch, result) => self.core.on_published(batch, result, now, unit),
            Event::Forgotten(done) => self.core.on_forgotten(done, now, unit),
            Event::Parked(done) => self.core.on_parked(done, now, unit),
            Event::Looked(id, Ok(row)) => self.core.on_looked(id, row, now),
            Event::Looked(_, Err(())) => self.core.on_look_failed(),
        }
    }
}

async fn publish(publisher: &dyn Publisher, messages: Vec<Message>, within: Duration) -> Result<(), Failure> {
    failpoint("relay.before-publish");
    let answer = tokio::time::timeout(within, publisher.publish(messages)).await;
    failpoint("relay.after-publish");
    let silent = |_| Err(PublishError::Indeterminate(format!("no answer within {within:?}")));
    answer.unwrap_or_else(silent).map_err(|error| failure(&error))
}

fn failure(error: &PublishError) -> Failure {
    let fault = error.fault();
    let retry_after = match fault.retry {
        Retry::After(after) => Some(after),
        Retry::Now | Retry::Never => None,
    };
    Failure { transient: fault.is_transient(), retry_after, why: error.to_string() }
}
