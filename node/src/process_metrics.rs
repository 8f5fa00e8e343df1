//! What every process with a ledger counts of itself and of what stands on the ledger, for its admin socket.

mod flow;
mod ledger;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use flow::{Consumers, Outbox, Projections, Unfinished};
pub(crate) use ledger::LedgerMetrics;
use mamparo_broker::BoxFuture;
use mamparo_cache::CacheMetrics;
use mamparo_consumer::Statuses;
use mamparo_ledger::Ledger;
use mamparo_policy::stack::Stack;
use mamparo_projection::Handle;
use mamparo_relay::Status;
use mamparo_saga::Sagas;
use mamparo_telemetry::{Counter, Gauge, Registry, metrics as names, recorded};
use tokio::sync::watch;

/// Shows what caches have done among the metrics of others.
pub(crate) type Caches = Box<dyn FnOnce(&mut CacheMetrics) + Send>;

/// What is watched in a process.
pub(crate) struct Watched {
    pub(crate) ledger: Ledger,
    pub(crate) relay: Option<watch::Receiver<Status>>,
    pub(crate) consumer: Option<Statuses>,
    pub(crate) projections: Vec<Handle>,
    pub(crate) sagas: Option<Sagas>,
    pub(crate) stacks: Vec<Arc<Stack>>,
    pub(crate) caches: Option<Caches>,
}

impl Watched {
    /// A ledger, and nothing that stands on it.
    pub(crate) fn only(ledger: Ledger) -> Self {
        Self {
            ledger,
            relay: None,
            consumer: None,
            projections: Vec::new(),
            sagas: None,
            stacks: Vec::new(),
            caches: None,
        }
    }
}

/// The text of the metrics of this process in the OpenMetrics format, each time as they stand then.
pub(crate) fn text_of(watched: Watched) -> impl Fn() -> BoxFuture<'static, String> + Send + Sync + 'static {
    let metrics = Arc::new(ProcessMetrics::new(watched));
    move || {
        let metrics = Arc::clone(&metrics);
        Box::pin(async move { metrics.text().await })
    }
}

struct ProcessMetrics {
    registry: Mutex<Registry>,
    own: Own,
    ledger: LedgerMetrics,
    outbox: Option<Outbox>,
    consumers: Option<Consumers>,
    projections: Option<Projections>,
    sagas: Option<Unfinished>,
    caches: Option<CacheMetrics>,
}

impl ProcessMetrics {
    fn new(watched: Watched) -> Self {
        let Watched { ledger, relay, consumer, projections, sagas, stacks, caches } = watched;
        let mut registry = Registry::default();
        let to = &mut registry;
        if !stacks.is_empty() {
            mamparo_policy::metrics::register(to, move || stacks.clone());
        }
        let clock = ledger.clock().clone();
        Self {
            own: Own::register(to),
            outbox: relay.map(|relay| Outbox::register(relay, clock, to)),
            consumers: consumer.map(|consumer| Consumers::register(consumer, to)),
            projections: (!projections.is_empty()).then(|| Projections::register(projections, to)),
            sagas: sagas.map(|sagas| Unfinished::register(sagas, ledger.clone(), to)),
            caches: caches.map(|watch| watched_caches(watch, to)),
            ledger: LedgerMetrics::register(ledger, to),
            registry: Mutex::new(registry),
        }
    }

    async fn text(&self) -> String {
        if let Some(sagas) = &self.sagas {
            sagas.refresh().await;
        }
        self.own.refresh();
        self.ledger.refresh();
        self.outbox.as_ref().map(Outbox::refresh);
        self.consumers.as_ref().map(Consumers::refresh);
        self.projections.as_ref().map(Projections::refresh);
        self.caches.as_ref().map(CacheMetrics::refresh);
        encoded(&self.registry)
    }
}

fn watched_caches(watch: Caches, registry: &mut Registry) -> CacheMetrics {
    let mut metrics = CacheMetrics::register(registry);
    watch(&mut metrics);
    metrics
}

/// What a process counts that has no ledger, too.
pub(crate) struct Own {
    resident: Gauge,
    spans_taken: Counter,
    spans_dropped: Counter,
}

impl Own {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        Self {
            resident: names::PROCESS_RESIDENT.register(registry),
            spans_taken: names::SPANS_TAKEN.register(registry),
            spans_dropped: names::SPANS_DROPPED.register(registry),
        }
    }

    pub(crate) fn refresh(&self) {
        self.resident.set(resident_bytes());
        let spans = recorded();
        stands_at(&self.spans_taken, spans.taken);
        stands_at(&self.spans_dropped, spans.dropped);
    }
}

/// The metrics of `registry` in the OpenMetrics format.
pub(crate) fn encoded(registry: &Mutex<Registry>) -> String {
    let mut text = String::new();
    let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
    // Writing to a string does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

/// A counter of what is counted elsewhere.
fn stands_at(counter: &Counter, total: u64) {
    counter.inner().store(total, Ordering::Relaxed);
}

pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Memory of this process that is in use; 0 where the system does not tell.
fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<i64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}
