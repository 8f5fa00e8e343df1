//! One thread that serves: what it knows, what it shares with nobody, and how it ends.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Instant;
use std::{io, net};

use arc_swap::{ArcSwap, Cache};
use hyper::server::conn::http1;
use mamparo_context::{Clock, Random};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;

use crate::accept::{self, Sources};
use crate::access::{self, AccessLog};
use crate::health;
use crate::limits::{Limits, SWEEP_EVERY};
use crate::metrics::{Metrics, NO_ROUTE, RouteMetrics, ServiceMetrics};
use crate::options::{Door, Entry};
use crate::pool::Pool;
use crate::route::{Routing, Service};

/// A routing and the metric handles that belong to it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) routing: Routing,
    /// By the number of the route.
    pub(crate) routes: Vec<RouteMetrics>,
    /// By the number of the service: its connections, and the requests that reach it by its name.
    pub(crate) services: Vec<ServiceMetrics>,
    pub(crate) by_name: Vec<(Arc<str>, RouteMetrics)>,
    pub(crate) no_route: RouteMetrics,
}

impl Snapshot {
    pub(crate) fn new(routing: Routing, metrics: &Metrics) -> Self {
        Self {
            routes: routing.routes().iter().map(|route| metrics.route(&route.name)).collect(),
            services: of_services(&routing, metrics),
            by_name: routing.services().iter().map(|service| metrics.by_name(&service.name)).collect(),
            no_route: metrics.route(&NO_ROUTE.into()),
            routing,
        }
    }

    /// The same for a routing that follows on `before`: routes that stay keep their handles, and of thousands of routes
    /// a few are looked up.
    pub(crate) fn after(before: &Self, routing: Routing, metrics: &Metrics) -> Self {
        let names = before.routing.routes().iter().map(|route| &*route.name);
        let known: HashMap<&str, &RouteMetrics> = names.zip(&before.routes).collect();
        let route =
            |name: &Arc<str>| known.get(&**name).map_or_else(|| metrics.route(name), |own| (*own).clone());
        Self {
            routes: routing.routes().iter().map(|checked| route(&checked.name)).collect(),
            services: of_services(&routing, metrics),
            by_name: routing.services().iter().map(|service| metrics.by_name(&service.name)).collect(),
            no_route: before.no_route.clone(),
            routing,
        }
    }
}

fn of_services(routing: &Routing, metrics: &Metrics) -> Vec<ServiceMetrics> {
    let of = |(number, one): (usize, &Arc<Service>)| {
        metrics.service(&one.name, routing.entrance().leads_to(number))
    };
    routing.services().iter().enumerate().map(of).collect()
}

/// A snapshot as one worker holds it: its requests count their hold on it without atomics.
#[derive(Debug)]
pub(crate) struct LocalSnapshot(Arc<Snapshot>);

impl Deref for LocalSnapshot {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

/// What a worker is started with.
pub(crate) struct Start {
    pub(crate) limits: Limits,
    pub(crate) access_log: AccessLog,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) sockets: Vec<(net::TcpListener, Door, Entry)>,
    /// How many connections it has, for whoever looks.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Whether it asks endpoints for their health.
    pub(crate) probes: bool,
}

/// How far a proxy is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It serves.
    Serving,
    /// It serves and asks its clients to go elsewhere.
    Leaving { accepting: bool },
    /// It finishes what is under way, until then.
    Draining(Instant),
}

/// What the requests on one worker share.
pub(crate) struct Worker {
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) drain: Drain,
    pub(crate) http1: http1::Builder,
    pub(crate) sources: Sources,
    /// Copies of requests that are on their way.
    pub(crate) mirrors: Cell<usize>,
    pub(crate) access_log: AccessLog,
    /// Answers that are read or fetched for a cache alone.
    pub(crate) reads_behind: Cell<usize>,
    current: RefCell<Current>,
}

struct Current {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    /// What the cache held last.
    local: Rc<LocalSnapshot>,
}

/// How a worker comes to its end.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    leaving: Cell<bool>,
    closed: Cell<bool>,
    close: Notify,
    begun: Cell<bool>,
    begin: Notify,
    connections: Cell<usize>,
    /// The same number, for whoever looks.
    shown: Arc<AtomicUsize>,
    gone: Notify,
}

impl Drain {
    /// Whether answers ask their clients to go elsewhere.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    fn leave(&self, accepting: bool) {
        self.leaving.set(true);
        if !accepting {
            self.closed.set(true);
            self.close.notify_waiters();
        }
    }

    /// Resolves when the worker is to take no connection any more.
    pub(crate) async fn closes(&self) {
        let notified = self.close.notified();
        if !self.closed.get() {
            notified.await;
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// Resolves when the worker is to end.
    pub(crate) async fn begins(&self) {
        let notified = self.begin.notified();
        if !self.begun.get() {
            notified.await;
        }
    }

    fn begin(&self) {
        self.leave(false);
        self.begun.set(true);
        self.begin.notify_waiters();
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.get()
    }

    pub(crate) fn connection_begins(&self) {
        self.connections.set(self.connections.get() + 1);
        self.shown.store(self.connections.get(), Ordering::Relaxed);
    }

    pub(crate) fn connection_ends(&self) {
        self.connections.set(self.connections.get() - 1);
        self.shown.store(self.connections.get(), Ordering::Relaxed);
        if self.connections.get() == 0 {
            self.gone.notify_one();
        }
    }

    async fn connections_are_gone(&self) {
        while self.connections.get() > 0 {
            self.gone.notified().await;
        }
    }
}

impl Worker {
    fn new(start: Start) -> Self {
        let mut cache = Cache::new(start.snapshot);
        let local = Rc::new(LocalSnapshot(Arc::clone(cache.load())));
        Self {
            pool: Rc::new(Pool::new(&start.limits)),
            http1: accept::http1(&start.limits),
            sources: Sources::default(),
            limits: start.limits,
            clock: start.clock,
            random: start.random,
            metrics: start.metrics,
            drain: Drain { shown: start.connections, ..Drain::default() },
            mirrors: Cell::default(),
            access_log: start.access_log,
            reads_behind: Cell::default(),
            current: RefCell::new(Current { cache, local }),
        }
    }

    /// The routing as it is now, with its metrics.
    pub(crate) fn snapshot(&self) -> Rc<LocalSnapshot> {
        let mut current = self.current.borrow_mut();
        let Current { cache, local } = &mut *current;
        let newest = cache.load();
        if !Arc::ptr_eq(newest, &local.0) {
            *local = Rc::new(LocalSnapshot(Arc::clone(newest)));
        }
        Rc::clone(local)
    }
}

/// One of those things that a worker does at the same time with nobody waiting for them, which are so many at the most.
pub(crate) struct Place {
    worker: Rc<Worker>,
    taken: fn(&Worker) -> &Cell<usize>,
}

impl Place {
    /// A place, if fewer than `most` are taken by the count that `taken` leads to.
    pub(crate) fn take(worker: &Rc<Worker>, taken: fn(&Worker) -> &Cell<usize>, most: usize) -> Option<Self> {
        let count = taken(worker);
        (count.get() < most).then(|| {
            count.set(count.get() + 1);
            Self { worker: Rc::clone(worker), taken }
        })
    }

    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let count = (self.taken)(&self.worker);
        count.set(count.get().saturating_sub(1));
    }
}

/// Serves until it is told to stop: how many connections were cut. Says through `ready` whether it serves.
pub(crate) fn run(start: Start, ready: &SyncSender<io::Result<()>>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(access::flush)
        .build_local(tokio::runtime::LocalOptions::default());
    match runtime {
        Ok(runtime) => {
            let cut = runtime.block_on(serve(start, ready));
            // What is cut has a line, too.
            drop(runtime);
            access::flush();
            cut
        }
        Err(error) => {
            let _ = ready.send(Err(error));
            0
        }
    }
}

async fn serve(mut start: Start, ready: &SyncSender<io::Result<()>>) -> usize {
    let mut phase = start.phase.clone();
    let sockets = std::mem::take(&mut start.sockets);
    let probes = start.probes;
    let worker = Rc::new(Worker::new(start));
    let mut listening = Vec::with_capacity(sockets.len());
    for (socket, door, entry) in sockets {
        match TcpListener::from_std(socket) {
            Ok(socket) => {
                listening.push(spawn_local(accept::listen(Rc::clone(&worker), socket, door, entry)))
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return 0;
            }
        }
    }
    let _ = ready.send(Ok(()));
    spawn_local(sweep(Rc::clone(&worker)));
    if probes {
        spawn_local(health::watch(Rc::clone(&worker)));
    }
    let deadline = loop {
        let now = *phase.borrow_and_update();
        match now {
            Phase::Serving => {}
            Phase::Leaving { accepting } => worker.drain.leave(accepting),
            Phase::Draining(until) => break until,
        }
        // The proxy is gone: stop now.
        if phase.changed().await.is_err() {
            break worker.clock.now();
        }
    };
    worker.drain.begin();
    let ended = async {
        for listening in listening {
            let _ = listening.await;
        }
        worker.drain.connections_are_gone().await;
    };
    let _ = tokio::time::timeout_at(deadline.into(), ended).await;
    worker.drain.connections()
}

async fn sweep(worker: Rc<Worker>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        worker.pool.sweep(worker.clock.now());
    }
}
