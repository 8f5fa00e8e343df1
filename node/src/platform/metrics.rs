//! What the platform node counts, and its text for Prometheus.

mod config;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use config::ConfigMetrics;
use mamparo_broker::Queue;
use mamparo_http_cache::HttpCache;
use mamparo_hub::Hub;
use mamparo_ledger::Ledger;
use mamparo_policy::stack::Stack;
use mamparo_proxy::ClientQuota;
use mamparo_telemetry::{Counter, EncodeLabelSet, Family, Gauge, Registry, metrics as names};

use crate::process_metrics::{LedgerMetrics, Own, encoded, number};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfQueue {
    queue: String,
}

/// What clients of a route may ask for: the route, how they are told apart, and what was done.
pub(crate) type Quota = (String, String, Arc<ClientQuota>);

/// The metrics of the platform node.
pub(crate) struct Metrics {
    pub(crate) proxy: Arc<mamparo_proxy::Metrics>,
    registry: Mutex<Registry>,
    own: Own,
    /// Requests of the admin port.
    pub(crate) admin_requests: Counter,
    pub(crate) config: ConfigMetrics,
    policies: Arc<Mutex<Vec<Arc<Stack>>>>,
    quotas: Arc<Mutex<Vec<Quota>>>,
    caches: Arc<Mutex<Vec<HttpCache>>>,
    hub: OnceLock<WatchedHub>,
}

struct WatchedHub {
    hub: Hub,
    ledger: LedgerMetrics,
    ready: Family<OfQueue, Gauge>,
    delayed: Family<OfQueue, Gauge>,
    leased: Family<OfQueue, Gauge>,
    dead: Family<OfQueue, Gauge>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let proxy = Arc::new(mamparo_proxy::Metrics::default());
        proxy.register(&mut registry);
        let own = Own::register(&mut registry);
        let admin_requests = names::ADMIN_REQUESTS.register(&mut registry);
        let config = ConfigMetrics::register(&mut registry);
        let policies = Arc::<Mutex<Vec<Arc<Stack>>>>::default();
        let watched = Arc::clone(&policies);
        mamparo_policy::metrics::register(&mut registry, move || {
            watched.lock().unwrap_or_else(PoisonError::into_inner).clone()
        });
        let quotas = Arc::<Mutex<Vec<Quota>>>::default();
        let watched = Arc::clone(&quotas);
        mamparo_policy::metrics::register_keyed(&mut registry, move || {
            let quotas = watched.lock().unwrap_or_else(PoisonError::into_inner);
            quotas.iter().map(|(route, by, quota)| (route.clone(), by.clone(), quota.counted())).collect()
        });
        let caches = Arc::<Mutex<Vec<HttpCache>>>::default();
        let watched = Arc::clone(&caches);
        mamparo_http_cache::metrics::register(&mut registry, move || {
            watched.lock().unwrap_or_else(PoisonError::into_inner).clone()
        });
        let registry = Mutex::new(registry);
        Self { proxy, registry, own, admin_requests, config, policies, quotas, caches, hub: OnceLock::new() }
    }

    /// Shows what these policies of routes do, in place of those it showed.
    pub(crate) fn watch_policies(&self, stacks: Vec<Arc<Stack>>) {
        *self.policies.lock().unwrap_or_else(PoisonError::into_inner) = stacks;
    }

    /// Shows what these rate limits of clients do, in place of those it showed.
    pub(crate) fn watch_quotas(&self, quotas: Vec<Quota>) {
        *self.quotas.lock().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// Shows what these caches of routes do, in place of those it showed.
    pub(crate) fn watch_caches(&self, caches: Vec<HttpCache>) {
        *self.caches.lock().unwrap_or_else(PoisonError::into_inner) = caches;
    }

    /// Shows how `hub` and its ledger stand, too.
    pub(crate) fn watch_hub(&self, hub: Hub, ledger: Ledger) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.hub.get_or_init(|| WatchedHub {
            hub,
            ledger: LedgerMetrics::register(ledger, &mut registry),
            ready: names::QUEUE_READY.register_family(&mut registry),
            delayed: names::QUEUE_DELAYED.register_family(&mut registry),
            leased: names::QUEUE_LEASED.register_family(&mut registry),
            dead: names::QUEUE_DEAD.register_family(&mut registry),
        });
    }

    /// All of it in the OpenMetrics text format, gauges as they stand now.
    pub(crate) async fn text(&self) -> String {
        self.own.refresh();
        if let Some(watched) = self.hub.get() {
            watched.refresh().await;
        }
        encoded(&self.registry)
    }
}

impl WatchedHub {
    async fn refresh(&self) {
        self.ledger.refresh();
        // A hub that is too busy to count keeps its last numbers.
        let Ok(queues) = self.hub.queues().await else { return };
        for queue in queues {
            let of = OfQueue { queue: queue.name };
            self.ready.get_or_create(&of).set(number(queue.ready));
            self.delayed.get_or_create(&of).set(number(queue.delayed));
            self.leased.get_or_create(&of).set(number(queue.leased));
            self.dead.get_or_create(&of).set(number(queue.dead));
        }
    }
}
