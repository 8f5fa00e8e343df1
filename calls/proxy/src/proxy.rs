//! A proxy from the outside: started, given another routing, drained. Each worker is a thread with a runtime of
//! its own; they share the sockets they accept from and the routing they read, nothing else.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, net, thread};

use arc_swap::ArcSwap;
use mamparo_balance::Endpoint;
use mamparo_context::{Clock, Random};
use socket2::SockRef;
use tokio::sync::{oneshot, watch};

use crate::limits::{BACKLOG, after};
use crate::metrics::Metrics;
use crate::options::{Door, Entry, Listener, Options};
use crate::route::{Routing, RoutingError};
use crate::view::View;
use crate::worker::{self, Phase, Snapshot};

/// A proxy that serves. Dropped, it stops at once; [`Proxy::drain`] stops it gently.
#[derive(Debug)]
pub struct Proxy {
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    clock: Clock,
    phase: watch::Sender<Phase>,
    workers: Vec<oneshot::Receiver<usize>>,
    connections: Vec<Arc<AtomicUsize>>,
}

/// Why a proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket could not be made ready.
    #[error("a listening socket cannot be used")]
    Socket(#[source] io::Error),
    /// A worker could not be started.
    #[error("a worker cannot be started")]
    Worker(#[source] io::Error),
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still at work at the deadline, and were cut.
    pub cut: usize,
}

impl Proxy {
    /// Starts serving on `listeners`.
    ///
    /// # Errors
    /// A socket cannot be used, or a thread cannot be started; nothing keeps running then.
    pub fn start(
        options: Options,
        listeners: Vec<Listener>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let first = Snapshot::new(options.routing.clone(), &metrics);
        let snapshot = Arc::new(ArcSwap::from_pointee(first));
        let mut proxy = Self {
            snapshot,
            metrics,
            clock: options.clock.clone(),
            phase: watch::Sender::new(Phase::Serving),
            workers: Vec::new(),
            connections: Vec::new(),
        };
        for listener in &listeners {
            listener.socket.set_nonblocking(true).map_err(StartError::Socket)?;
            // It listens already, perhaps with room for few only.
            SockRef::from(&listener.socket).listen(BACKLOG).map_err(StartError::Socket)?;
        }
        for number in 0..options.workers.get() {
            let sockets = listeners
                .iter()
                .map(|listener| Ok((listener.socket.try_clone()?, listener.door, listener.entry.clone())))
                .collect::<io::Result<Vec<_>>>()
                .map_err(StartError::Socket)?;
            let connections = Arc::<AtomicUsize>::default();
            let worker = proxy.spawn(number, &options, sockets, Arc::clone(&connections))?;
            proxy.workers.push(worker);
            proxy.connections.push(connections);
        }
        Ok(proxy)
    }

    fn spawn(
        &self,
        number: usize,
        options: &Options,
        sockets: Vec<(net::TcpListener, Door, Entry)>,
        connections: Arc<AtomicUsize>,
    ) -> Result<oneshot::Receiver<usize>, StartError> {
        let (done, worker) = oneshot::channel();
        let start = worker::Start {
            limits: options.limits.clone(),
            access_log: options.access_log.clone(),
            clock: options.clock.clone(),
            probes: number == 0,
            random: Random::seeded(options.random.next_u64()),
            metrics: Arc::clone(&self.metrics),
            snapshot: Arc::clone(&self.snapshot),
            sockets,
            connections,
            phase: self.phase.subscribe(),
        };
        let (ready, readiness) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name(format!("proxy-{number}"))
            .spawn(move || {
                let cut = worker::run(start, &ready);
                // Nobody listens where the proxy was dropped.
                let _ = done.send(cut);
            })
            .map_err(StartError::Worker)?;
        match readiness.recv() {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(error)) => Err(StartError::Worker(error)),
            Err(_) => Err(StartError::Worker(io::Error::other("it ended before it served"))),
        }
    }

    /// Puts another routing in place. Requests that are under way finish under the one they began with. Counters of
    /// routes and services that stay go on; those of the others are forgotten.
    pub fn reconfigure(&self, routing: Routing) {
        let before = self.snapshot.load();
        let routing = routing.after(&before.routing, self.clock.moment());
        let next = Arc::new(Snapshot::after(&before, routing, &self.metrics));
        let before = self.snapshot.swap(Arc::clone(&next));
        self.metrics.forget(&before.routing, &next.routing);
    }

    /// Gives the service `name` other endpoints, as [`Steering::set_endpoints`].
    ///
    /// # Errors
    /// As there.
    pub fn set_endpoints(&self, name: &str, endpoints: &[Endpoint]) -> Result<bool, RoutingError> {
        self.steering().set_endpoints(name, endpoints)
    }

    /// What steers it from elsewhere.
    pub fn steering(&self) -> Steering {
        let (snapshot, metrics) = (Arc::clone(&self.snapshot), Arc::clone(&self.metrics));
        Steering { snapshot, metrics, clock: self.clock.clone() }
    }

    /// A look at it, now and later.
    pub fn view(&self) -> View {
        View {
            snapshot: Arc::clone(&self.snapshot),
            clock: self.clock.clone(),
            connections: self.connections.clone(),
        }
    }

    /// Asks clients to go elsewhere: each answer says `connection: close`, and connections that rest are kept, so that
    /// no request meets one that is just being closed. New connections are taken as long as `accepting` says so.
    /// [`Proxy::drain`] ends it.
    pub fn leave(&self, accepting: bool) {
        self.phase.send_if_modified(|phase| {
            let serves = !matches!(phase, Phase::Draining(_));
            serves && std::mem::replace(phase, Phase::Leaving { accepting }) != *phase
        });
    }

    /// Stops gently: accepts nothing new, closes idle connections, says `connection: close` in the answers that
    /// are under way and waits for them, at most for `time`; what is still at work then is cut.
    ///
    /// Cancel safe: the drain goes on when this future is dropped.
    pub async fn drain(mut self, time: Duration) -> Drained {
        let workers = std::mem::take(&mut self.workers);
        self.phase.send_replace(Phase::Draining(after(self.clock.now(), time)));
        let mut cut = 0;
        for worker in workers {
            cut += worker.await.unwrap_or(0);
        }
        Drained { cut }
    }
}

/// Steers a proxy from elsewhere. Cheap to clone; it steers nothing any more once the proxy is gone.
#[derive(Clone, Debug)]
pub struct Steering {
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Steering {
    /// Gives the service `name` other endpoints: whether there is such a service. Requests that wait for it to
    /// come back find the new ones; what is known of those that stay is kept.
    ///
    /// # Errors
    /// There are more endpoints than a service may have, or one weighs too much; nothing has changed then.
    pub fn set_endpoints(&self, name: &str, endpoints: &[Endpoint]) -> Result<bool, RoutingError> {
        let now = self.clock.moment();
        let mut known = Ok(true);
        self.snapshot.rcu(|current| {
            match current.routing.with_endpoints(name, endpoints.to_vec(), now) {
                Ok(Some(routing)) => return Arc::new(Snapshot::after(current, routing, &self.metrics)),
                Ok(None) => known = Ok(false),
                Err(error) => known = Err(error),
            }
            Arc::clone(current)
        });
        known
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.phase.send_if_modified(|phase| {
            let serves = !matches!(phase, Phase::Draining(_));
            if serves {
                *phase = Phase::Draining(now);
            }
            serves
        });
    }
}
