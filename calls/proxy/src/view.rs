//! What a proxy shows of itself while it runs, for whoever looks at it: its services and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use crate::worker::Snapshot;

/// A look at a proxy. Cheap to clone; it shows nothing any more once the proxy is gone.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// By the number of the worker.
    pub(crate) connections: Vec<Arc<AtomicUsize>>,
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// Where its instances listen.
    pub endpoints: Vec<EndpointStatus>,
    /// Connections that were opened to it.
    pub connects: u64,
    /// Connections that could not be opened.
    pub connect_failures: u64,
    /// Requests that were sent on a connection that was open.
    pub reuses: u64,
    /// Requests that were sent again, being proven unsent.
    pub retries: u64,
}

/// How one endpoint stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether requests are sent there; `None` where nobody looks after it.
    pub healthy: Option<bool>,
    /// Requests under way; `None` where they are not counted for each endpoint.
    pub in_flight: Option<usize>,
}

impl View {
    /// Connections of clients, by worker.
    pub fn connections(&self) -> Vec<usize> {
        self.connections.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// The services, in the order in which they were given.
    pub fn upstreams(&self) -> Vec<UpstreamStatus> {
        let snapshot = self.snapshot.load();
        let services = snapshot.routing.services().iter().zip(&snapshot.services);
        services
            .map(|(service, metrics)| UpstreamStatus {
                name: service.name.to_string(),
                endpoints: service.endpoints().iter().map(|address| EndpointStatus::at(*address)).collect(),
                connects: metrics.connects.get(),
                connect_failures: metrics.connect_failures.get(),
                reuses: metrics.reuses.get(),
                retries: metrics.retries.get(),
            })
            .collect()
    }
}

impl EndpointStatus {
    const fn at(address: SocketAddr) -> Self {
        Self { address, healthy: None, in_flight: None }
    }
}
