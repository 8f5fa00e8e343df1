//! What a proxy shows of itself while it runs, for whoever looks at it: its services and its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use mamparo_balance::Description;
use mamparo_context::Clock;
use mamparo_http_cache::HttpCache;

use crate::worker::Snapshot;

/// A look at a proxy. Cheap to clone; it shows nothing any more once the proxy is gone.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) clock: Clock,
    /// By the number of the worker.
    pub(crate) connections: Vec<Arc<AtomicUsize>>,
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// Where its instances listen, and how they stand.
    pub balance: Description,
    /// Connections that were opened to it.
    pub connects: u64,
    /// Connections that could not be opened.
    pub connect_failures: u64,
    /// Requests that were sent on a connection that was open.
    pub reuses: u64,
    /// Requests that were sent again, being proven unsent.
    pub retries: u64,
}

impl View {
    /// Connections of clients, by worker.
    pub fn connections(&self) -> Vec<usize> {
        self.connections.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// The caches of the routes that have one, in the order of the routes.
    pub fn caches(&self) -> Vec<HttpCache> {
        self.snapshot.load().routing.caches()
    }

    /// The services, in the order in which they were given.
    pub fn upstreams(&self) -> Vec<UpstreamStatus> {
        let snapshot = self.snapshot.load();
        let services = snapshot.routing.services().iter().zip(&snapshot.services);
        services
            .map(|(service, metrics)| UpstreamStatus {
                name: service.name.to_string(),
                balance: service.balancer.describe(self.clock.moment()),
                connects: metrics.connects.get(),
                connect_failures: metrics.connect_failures.get(),
                reuses: metrics.reuses.get(),
                retries: metrics.retries.get(),
            })
            .collect()
    }
}
