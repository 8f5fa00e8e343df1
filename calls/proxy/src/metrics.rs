//! What is counted and timed. Labels are names of routes and services, which the configuration bounds; handles
//! are resolved when a routing is put to work, not per request.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::route::Routing;

/// The name under which requests are counted that no route takes.
pub(crate) const NO_ROUTE: &str = "none";
/// What precedes the name of a service where requests reach it by that name.
const BY_NAME: &str = "mesh/";

/// The classes of status, and what stands in their place where the client did not get the answer whole.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const ABORTED: &str = "aborted";

/// Upper bounds of the duration buckets, in seconds.
const DURATIONS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteStatus {
    route: Arc<str>,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRoute {
    route: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfService {
    service: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceEnd {
    service: Arc<str>,
    end: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceWay {
    service: Arc<str>,
    way: &'static str,
}

/// How connections end that are passed on, and the ways of their bytes.
const ENDS: [&str; 2] = ["complete", "aborted"];
const WAYS: [&str; 2] = ["received", "sent"];

/// The metrics of a proxy.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RouteStatus, Counter>,
    durations: Family<OfRoute, Histogram, fn() -> Histogram>,
    connects: Family<OfService, Counter>,
    connect_failures: Family<OfService, Counter>,
    reuses: Family<OfService, Counter>,
    retries: Family<OfService, Counter>,
    passed: Family<ServiceEnd, Counter>,
    passed_bytes: Family<ServiceWay, Counter>,
    /// Requests whose answer is not complete yet.
    pub(crate) in_flight: Gauge,
    /// Connections of clients.
    pub(crate) connections: Gauge,
    /// Those of them on which nothing happens, so that they hold no buffers.
    pub(crate) connections_resting: Gauge,
    /// Connections refused because a worker had its fill.
    pub(crate) connections_refused: Counter,
    /// Connections whose TLS handshake failed.
    pub(crate) handshake_failures: Counter,
    /// Requests whose hook could not be asked, or answered something else than a verdict.
    pub(crate) hook_failures: Counter,
    /// Connections of balancers that did not begin with who their client is.
    pub(crate) proxy_protocol_failures: Counter,
    /// Connections closed because their client asked and gave up too often.
    pub(crate) connections_abused: Counter,
}

/// The metrics of one route.
#[derive(Clone, Debug)]
pub(crate) struct RouteMetrics {
    by_class: [Counter; 5],
    aborted: Counter,
    duration: Histogram,
}

/// The metrics of the connections to one service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceMetrics {
    pub(crate) connects: Counter,
    pub(crate) connect_failures: Counter,
    pub(crate) reuses: Counter,
    pub(crate) retries: Counter,
    /// Where connections are passed on to it.
    pub(crate) passed: Option<PassMetrics>,
}

/// The metrics of the connections that are passed on to one service.
#[derive(Clone, Debug)]
pub(crate) struct PassMetrics {
    ends: [Counter; 2],
    bytes: [Counter; 2],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            connects: Family::default(),
            connect_failures: Family::default(),
            reuses: Family::default(),
            retries: Family::default(),
            passed: Family::default(),
            passed_bytes: Family::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_resting: Gauge::default(),
            connections_refused: Counter::default(),
            connections_abused: Counter::default(),
            hook_failures: Counter::default(),
            handshake_failures: Counter::default(),
            proxy_protocol_failures: Counter::default(),
        }
    }
}

impl Metrics {
    /// Names the metrics in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("mamparo_proxy");
        let requests = "Requests answered, by route and class of status";
        registry.register("requests", requests, self.requests.clone());
        let durations = "From the header of a request to the end of its answer";
        registry.register_with_unit("request_duration", durations, Unit::Seconds, self.durations.clone());
        let in_flight = "Requests whose answer is not complete";
        registry.register("requests_in_flight", in_flight, self.in_flight.clone());
        registry.register("connections", "Connections of clients", self.connections.clone());
        let resting = "Connections of clients that hold no buffers, for nothing happens on them";
        registry.register("connections_resting", resting, self.connections_resting.clone());
        let refused = "Connections refused because a worker had its fill";
        registry.register("connections_refused", refused, self.connections_refused.clone());
        let abused = "Connections closed because their client asked and gave up too often";
        registry.register("connections_abused", abused, self.connections_abused.clone());
        let failures = "Requests whose hook could not be asked, or gave no verdict";
        registry.register("hook_failures", failures, self.hook_failures.clone());
        let failures = "Connections whose TLS handshake failed";
        registry.register("handshake_failures", failures, self.handshake_failures.clone());
        let failures =
            "Connections of listed balancers closed because they did not begin with the PROXY protocol";
        registry.register("proxy_protocol_failures", failures, self.proxy_protocol_failures.clone());
        let passed = "Connections passed on without a look inside, by how they ended";
        registry.register("passed_connections", passed, self.passed.clone());
        let bytes = "Bytes of connections that were passed on, from clients and to them";
        registry.register("passed_bytes", bytes, self.passed_bytes.clone());
        let connects = "Connections opened to a service";
        registry.register("service_connects", connects, self.connects.clone());
        let failures = "Connections to a service that could not be opened";
        registry.register("service_connect_failures", failures, self.connect_failures.clone());
        let reuses = "Requests sent on a connection that was open";
        registry.register("service_reuses", reuses, self.reuses.clone());
        let retries = "Requests sent again, being proven unsent";
        registry.register("service_retries", retries, self.retries.clone());
    }

    pub(crate) fn route(&self, route: &Arc<str>) -> RouteMetrics {
        let counter =
            |status| self.requests.get_or_create_owned(&RouteStatus { route: Arc::clone(route), status });
        RouteMetrics {
            by_class: CLASSES.map(counter),
            aborted: counter(ABORTED),
            duration: self.durations.get_or_create_owned(&OfRoute { route: Arc::clone(route) }),
        }
    }

    /// Forgets the routes and services that are in `before` and not in `next`, so that names which come and go do not
    /// fill the memory.
    pub(crate) fn forget(&self, before: &Routing, next: &Routing) {
        let stay: HashSet<&str> = next.routes().iter().map(|route| &*route.name).collect();
        for gone in before.routes().iter().map(|route| &route.name).filter(|name| !stay.contains(&***name)) {
            self.forget_route(gone);
        }
        for service in before.services().iter().map(|service| &service.name) {
            if next.service_named(service).is_none() {
                self.forget_route(&format!("{BY_NAME}{service}").into());
                let of = OfService { service: Arc::clone(service) };
                for family in [&self.connects, &self.connect_failures, &self.reuses, &self.retries] {
                    family.remove(&of);
                }
            }
            if next.service_named(service).is_none_or(|number| !next.entrance().leads_to(number)) {
                for (end, way) in ENDS.into_iter().zip(WAYS) {
                    self.passed.remove(&ServiceEnd { service: Arc::clone(service), end });
                    self.passed_bytes.remove(&ServiceWay { service: Arc::clone(service), way });
                }
            }
        }
    }

    fn forget_route(&self, route: &Arc<str>) {
        for status in CLASSES.into_iter().chain([ABORTED]) {
            self.requests.remove(&RouteStatus { route: Arc::clone(route), status });
        }
        self.durations.remove(&OfRoute { route: Arc::clone(route) });
    }

    /// The metrics of requests that reach `service` by its name.
    pub(crate) fn by_name(&self, service: &str) -> (Arc<str>, RouteMetrics) {
        let name: Arc<str> = format!("{BY_NAME}{service}").into();
        let metrics = self.route(&name);
        (name, metrics)
    }

    /// The metrics of connections that are passed on to `service`.
    fn passed(&self, service: &Arc<str>) -> PassMetrics {
        let end = |end| ServiceEnd { service: Arc::clone(service), end };
        let way = |way| ServiceWay { service: Arc::clone(service), way };
        PassMetrics {
            ends: ENDS.map(|one| self.passed.get_or_create_owned(&end(one))),
            bytes: WAYS.map(|one| self.passed_bytes.get_or_create_owned(&way(one))),
        }
    }

    /// The metrics of `service`; `passes` says whether connections are passed on to it.
    pub(crate) fn service(&self, service: &Arc<str>, passes: bool) -> ServiceMetrics {
        let of = OfService { service: Arc::clone(service) };
        ServiceMetrics {
            connects: self.connects.get_or_create_owned(&of),
            connect_failures: self.connect_failures.get_or_create_owned(&of),
            reuses: self.reuses.get_or_create_owned(&of),
            retries: self.retries.get_or_create_owned(&of),
            passed: passes.then(|| self.passed(service)),
        }
    }
}

impl PassMetrics {
    /// A connection has ended, after so many bytes from its client and to it.
    pub(crate) fn record(&self, complete: bool, (received, sent): (u64, u64)) {
        let [whole, aborted] = &self.ends;
        if complete {
            whole.inc()
        } else {
            aborted.inc()
        };
        let [from_client, to_client] = &self.bytes;
        from_client.inc_by(received);
        to_client.inc_by(sent);
    }
}

impl RouteMetrics {
    /// A request came to its end. `aborted` says that its answer did not reach the client whole.
    pub(crate) fn record(&self, status: u16, aborted: bool, took: Duration) {
        let class = usize::from(status / 100).saturating_sub(1);
        match self.by_class.get(class) {
            Some(counter) if !aborted => counter.inc(),
            _ => self.aborted.inc(),
        };
        self.duration.observe(took.as_secs_f64());
    }
}
