//! How what stands on a ledger stands: outbox, consumers, read models, sagas.

use mamparo_consumer::Statuses;
use mamparo_context::Clock;
use mamparo_ledger::Ledger;
use mamparo_projection::Handle;
use mamparo_relay::Status;
use mamparo_saga::Sagas;
use mamparo_telemetry::{Counter, EncodeLabelSet, Family, Gauge, Registry, metrics as names};
use tokio::sync::watch;

use super::{number, stands_at};

/// The statuses of sagas that are not finished.
const UNFINISHED: [&str; 3] = ["running", "compensating", "parked"];

/// What became of the rows of the outbox.
pub(super) struct Outbox {
    relay: watch::Receiver<Status>,
    clock: Clock,
    lag: Gauge,
    oldest: Gauge,
    parked: Gauge,
    sent: Counter,
    failures: Counter,
}

impl Outbox {
    pub(super) fn register(relay: watch::Receiver<Status>, clock: Clock, registry: &mut Registry) -> Self {
        Self {
            relay,
            clock,
            lag: names::OUTBOX_LAG.register(registry),
            oldest: names::OUTBOX_OLDEST.register(registry),
            parked: names::OUTBOX_PARKED.register(registry),
            sent: names::OUTBOX_SENT.register(registry),
            failures: names::OUTBOX_FAILURES.register(registry),
        }
    }

    pub(super) fn refresh(&self) {
        let status = self.relay.borrow();
        self.lag.set(number(status.lag()));
        self.oldest.set(number(status.oldest_age(self.clock.wall()).as_secs()));
        self.parked.set(number(status.parked as u64));
        stands_at(&self.sent, status.sent);
        stands_at(&self.failures, status.failures);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfConsumer {
    queue: String,
    consumer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    queue: String,
    consumer: String,
    outcome: &'static str,
}

/// What became of the messages.
pub(super) struct Consumers {
    statuses: Statuses,
    messages: Family<OfOutcome, Counter>,
    running: Family<OfConsumer, Gauge>,
}

impl Consumers {
    pub(super) fn register(statuses: Statuses, registry: &mut Registry) -> Self {
        Self {
            statuses,
            messages: names::CONSUMER_MESSAGES.register_family(registry),
            running: names::CONSUMER_RUNNING.register_family(registry),
        }
    }

    pub(super) fn refresh(&self) {
        for status in self.statuses.now() {
            let outcomes = [
                ("handled", status.handled),
                ("repeated", status.repeated),
                ("retried", status.retried),
                ("dead", status.dead),
                ("paused", status.paused),
            ];
            let (queue, consumer) = (status.source, status.consumer);
            for (outcome, total) in outcomes {
                let of = OfOutcome { queue: queue.clone(), consumer: consumer.clone(), outcome };
                stands_at(&self.messages.get_or_create(&of), total);
            }
            self.running.get_or_create(&OfConsumer { queue, consumer }).set(number(status.running));
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProjection {
    projection: String,
}

/// How far the read models are.
pub(super) struct Projections {
    handles: Vec<Handle>,
    lag: Family<OfProjection, Gauge>,
    parked: Family<OfProjection, Gauge>,
}

impl Projections {
    pub(super) fn register(handles: Vec<Handle>, registry: &mut Registry) -> Self {
        Self {
            handles,
            lag: names::PROJECTION_LAG.register_family(registry),
            parked: names::PROJECTION_PARKED.register_family(registry),
        }
    }

    pub(super) fn refresh(&self) {
        for handle in &self.handles {
            let (status, of) = (handle.status(), OfProjection { projection: handle.name().to_owned() });
            self.lag.get_or_create(&of).set(number(status.lag()));
            self.parked.get_or_create(&of).set(number(status.parked));
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatus {
    status: &'static str,
}

/// Sagas that are not finished. The others are history, and counting them would take ever longer.
pub(super) struct Unfinished {
    sagas: Sagas,
    ledger: Ledger,
    counted: Family<OfStatus, Gauge>,
}

impl Unfinished {
    pub(super) fn register(sagas: Sagas, ledger: Ledger, registry: &mut Registry) -> Self {
        Self { sagas, ledger, counted: names::SAGAS.register_family(registry) }
    }

    pub(super) async fn refresh(&self) {
        for status in UNFINISHED {
            // A ledger that cannot be read now keeps its last numbers.
            if let Ok(count) = self.sagas.count(&self.ledger, status).await {
                self.counted.get_or_create(&OfStatus { status }).set(number(count));
            }
        }
    }
}
