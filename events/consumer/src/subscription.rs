//! One subscription to one queue: performs what the core decides.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{BoxFuture, Delivery, Lease, Order, Queue, QueueError, Receipt};
use mamparo_context::{Clock, Random, failpoint};
use mamparo_ledger::{Error, Ledger, Receipt as Inbox, Result, Tx};
use tokio::sync::watch;

use crate::core::{Action, Core};
use crate::handler::{Handler, context};
use crate::status::Counters;
use crate::trace::Trace;
use crate::verdict::judge;
use crate::{Options, Reject, Verdict};

/// What happened to something that was begun.
enum Event {
    Leased(Option<Vec<Delivery>>),
    Handled { receipt: Receipt, attempt: u32, result: Result<Inbox> },
    Acked(bool),
    Settled,
}

pub(crate) struct Subscription {
    ledger: Ledger,
    queue: Arc<dyn Queue>,
    name: Arc<str>,
    consumer: Arc<str>,
    handler: Arc<dyn Handler>,
    options: Options,
    core: Core,
    clock: Clock,
    random: Random,
    under_way: FuturesUnordered<BoxFuture<'static, Event>>,
    counters: Arc<Counters>,
    /// A step asks only for what is there, and stops asking once nothing is.
    stepping: bool,
    dry: bool,
    /// Something was settled since messages were last asked for: what stands behind it may have come free.
    settled: bool,
}

impl Subscription {
    pub(crate) fn new(
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        name: &str,
        consumer: &str,
        handler: Arc<dyn Handler>,
        options: Options,
        random: Random,
    ) -> Self {
        let keep_order = queue.capabilities().queue_order >= Order::Key;
        Self {
            clock: ledger.clock().clone(),
            ledger,
            queue,
            name: name.into(),
            consumer: consumer.into(),
            handler,
            options,
            core: Core::new(options, keep_order),
            random,
            under_way: FuturesUnordered::new(),
            counters: Arc::default(),
            stepping: false,
            dry: false,
            settled: false,
        }
    }

    pub(crate) fn counters(&self) -> (Arc<str>, Arc<str>, Arc<Counters>) {
        (Arc::clone(&self.name), Arc::clone(&self.consumer), Arc::clone(&self.counters))
    }

    pub(crate) async fn run(&mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let pause = self.begin();
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break,
                Some(event) = self.under_way.next() => { self.take(event); }
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
        self.core.stop();
        if tokio::time::timeout(self.options.drain, self.finish()).await.is_err() {
            let running = self.core.running();
            tracing::warn!(queue = %self.name, running, "stopped with handlers running; their messages come again");
        }
    }

    async fn finish(&mut self) {
        loop {
            let pause = self.begin();
            if self.core.is_done() && self.under_way.is_empty() {
                return;
            }
            tokio::select! {
                Some(event) = self.under_way.next() => { self.take(event); }
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    pub(crate) async fn step(&mut self) -> usize {
        (self.stepping, self.dry) = (true, false);
        let mut handled = 0;
        loop {
            self.begin();
            match self.under_way.next().await {
                Some(event) => handled += usize::from(self.take(event)),
                None => break,
            }
        }
        self.stepping = false;
        handled
    }

    /// Begins everything that the core asks for; answers how long until it is to be asked again.
    fn begin(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        loop {
            match self.core.next(now) {
                Action::WaitUntil(until) => {
                    self.counters.running.store(self.core.running() as u64, Ordering::Relaxed);
                    return until.map(|until| until.saturating_duration_since(now));
                }
                Action::Lease { .. } if self.dry => {
                    // Nothing is asked for: the core may ask again in the next step.
                    self.core.on_not_leased();
                    return None;
                }
                action => self.start(action),
            }
        }
    }

    fn start(&mut self, action: Action) {
        let queue = Arc::clone(&self.queue);
        let visibility = self.options.visibility;
        let future: BoxFuture<'static, Event> = match action {
            Action::WaitUntil(_) => return,
            Action::Start(delivery) => self.handle(delivery),
            Action::Lease { max } => {
                self.settled = false;
                let name = Arc::clone(&self.name);
                let wait = if self.stepping { Duration::ZERO } else { self.options.wait };
                Box::pin(async move {
                    let leased = queue.receive(&name, Lease { max, visibility, wait }).await;
                    Event::Leased(told(&name, "receive", leased))
                })
            }
            Action::Ack(receipts) => Box::pin(async move {
                let name = first(&receipts);
                failpoint("consumer.before-ack");
                let acked = told(&name, "acknowledge", queue.ack(&receipts).await).is_some();
                failpoint("consumer.after-ack");
                Event::Acked(acked)
            }),
            Action::Nack { receipt, after, error } => Box::pin(async move {
                told(&receipt.queue, "nack", queue.nack(&receipt, after, &error).await);
                Event::Settled
            }),
            Action::Reject { receipt, error } => Box::pin(async move {
                tracing::warn!(queue = %receipt.queue, sequence = receipt.sequence, %error, "dead letter");
                told(&receipt.queue, "reject", queue.reject(&receipt, &error).await);
                Event::Settled
            }),
            Action::Release(receipts) => Box::pin(async move {
                told(&first(&receipts), "release", queue.release(&receipts).await);
                Event::Settled
            }),
            Action::Extend(receipts) => Box::pin(async move {
                for part in receipts.chunks(BATCH_MAX) {
                    told(&first(part), "extend", queue.extend(part, visibility).await);
                }
                Event::Settled
            }),
        };
        self.under_way.push(future);
    }

    /// The handler in its transaction, behind the row of the inbox.
    fn handle(&self, delivery: Delivery) -> BoxFuture<'static, Event> {
        let (ledger, handler) = (self.ledger.clone(), Arc::clone(&self.handler));
        let (consumer, expired) = (Arc::clone(&self.consumer), self.options.expired);
        let (name, random) = (Arc::clone(&self.name), self.random.clone());
        Box::pin(async move {
            let Delivery { receipt, message, attempt, .. } = delivery;
            let cx = context(&message, attempt, expired, ledger.clock());
            let (cx, trace) = Trace::begin(cx, &message, &random, ledger.clock());
            let as_whom = Arc::clone(&consumer);
            let work = async move |tx: &mut Tx<'_>| {
                let id = message.id.ok_or_else(|| Error::from(Reject::new("a message without an id")))?;
                if tx.receive(&consumer, id).await? == Inbox::Repeated {
                    return Ok(Inbox::Repeated);
                }
                handler.handle(tx, &message).await?;
                failpoint("consumer.before-commit");
                Ok(Inbox::First)
            };
            let result = ledger.transact(&cx, work).await;
            failpoint("consumer.after-commit");
            trace.end(&as_whom, 1, &result, ledger.clock());
            if let Err(error) = &result {
                let (sequence, trace) = (receipt.sequence, cx.trace().trace_id());
                tracing::info!(queue = %name, sequence, attempt, %trace, %error, "message not handled");
            }
            Event::Handled { receipt, attempt, result }
        })
    }

    /// Tells the core; answers whether a handler ran.
    fn take(&mut self, event: Event) -> bool {
        let now = self.clock.now();
        match event {
            Event::Leased(deliveries) => {
                let none = deliveries.as_ref().is_none_or(Vec::is_empty);
                self.dry = self.stepping && none && !self.settled;
                self.core.on_leased(deliveries, now);
            }
            Event::Acked(done) => {
                (self.dry, self.settled) = (false, true);
                self.core.on_acked(done, now);
            }
            Event::Settled => (self.dry, self.settled) = (false, true),
            Event::Handled { receipt, attempt, result } => {
                let (verdict, repeated) = match result {
                    Ok(inbox) => (Verdict::Done, inbox == Inbox::Repeated),
                    Err(error) => (judge(&error, attempt, &self.options, self.random.unit()), false),
                };
                self.counters.count(&verdict, repeated);
                self.core.on_handled(receipt, verdict, now);
                return true;
            }
        }
        false
    }
}

fn first(receipts: &[Receipt]) -> String {
    receipts.first().map(|receipt| receipt.queue.clone()).unwrap_or_default()
}

/// A broker that fails loses nothing: leases run out, and the messages come again.
fn told<T>(queue: &str, what: &'static str, result: std::result::Result<T, QueueError>) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(queue, what, %error, "the broker failed")).ok()
}
