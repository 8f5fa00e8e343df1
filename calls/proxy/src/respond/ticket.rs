//! What is known of one request from its header to the end of its answer: counted and logged once, however it
//! ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use hyper::body::Incoming;
use mamparo_context::{Clock, SpanId, TraceContext};
use mamparo_policy::Outcome;
use mamparo_policy::stack::StackPermit;
use mamparo_telemetry::{Kind, Place, Span, is_recording, spans};
use mamparo_transform::Transform;

use super::timing::Timing;
use crate::accept::{Peer, Protocol};
use crate::access::{self, Line};
use crate::cached::Cached;
use crate::forward::{Answered, Fate};
use crate::grpc::Call;
use crate::metrics::{NO_ROUTE, RouteMetrics};
use crate::origin::Origin;
use crate::problem::Problem;
use crate::route::Captures;
use crate::transform::{Facts, Transforming};
use crate::worker::LocalSnapshot;
use crate::{admit, forward, identify};

/// Status in the log of a request whose client did not wait for the answer.
const CLIENT_GONE: u16 = 499;

/// What took the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing.
    Nothing,
    /// The route of this number, and the service that it chose, if it leads to services.
    Route(usize, Option<usize>),
    /// The service of this number, by its name.
    ByName(usize),
}

/// The record of one request.
pub(crate) struct Ticket {
    peer: Rc<Peer>,
    pub(crate) snapshot: Rc<LocalSnapshot>,
    pub(crate) started: Instant,
    /// Its own place in the trace.
    pub(crate) trace: TraceContext,
    /// The span of the client, if there is one.
    pub(crate) part_of: Option<SpanId>,
    id: HeaderValue,
    /// The client, where it is not simply the other end of the connection.
    origin: Option<Box<Origin>>,
    /// What it is spoken in where it is a call of gRPC.
    pub(crate) call: Option<Call>,
    method: Method,
    uri: Uri,
    taken: Taken,
    upload: Option<Rc<Fate>>,
    /// Nothing while there is no answer.
    status: Option<StatusCode>,
    code: &'static str,
    /// What the cache of its route did, if it has one.
    cached: Option<Cached>,
    sent: u64,
    complete: bool,
    /// Bytes that came through the tunnel that the request has become.
    tunnelled: Option<u64>,
    /// Of a route with policies: they are told what the request came to when its answer has ended.
    held: Option<Box<Held>>,
    /// Of a route that changes requests and answers.
    pub(crate) transforming: Option<Box<Transforming>>,
    /// Of a route that tells it.
    timing: Option<Box<Timing>>,
}

/// The permit of a request, and what it came to as far as anybody knows; the policies are told when it is dropped.
pub(crate) struct Held {
    permit: Option<StackPermit>,
    outcome: Option<Outcome>,
}

impl Held {
    pub(crate) fn new(permit: StackPermit) -> Self {
        Self { permit: Some(permit), outcome: None }
    }

    pub(crate) fn came_to(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Without an outcome, such as where the client's own body broke off, it is a sample for nobody.
        if let (Some(permit), Some(outcome)) = (self.permit.take(), &self.outcome) {
            permit.record(outcome);
        }
    }
}

impl Ticket {
    pub(crate) fn new(peer: &Rc<Peer>, request: &Request<Incoming>) -> Self {
        let worker = peer.worker();
        worker.metrics.in_flight.inc();
        let (trace, part_of) = admit::place(request.headers(), &worker.random);
        let id = identify::request_id(request.headers()).unwrap_or_else(|| {
            let text = admit::hex(trace.trace_id());
            HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("none"))
        });
        Self {
            peer: Rc::clone(peer),
            snapshot: worker.snapshot(),
            started: worker.clock.now(),
            trace,
            part_of,
            id,
            origin: None,
            call: Call::of(request.headers()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            taken: Taken::Nothing,
            upload: None,
            status: None,
            code: "",
            cached: None,
            sent: 0,
            complete: false,
            tunnelled: None,
            held: None,
            transforming: None,
            timing: None,
        }
    }

    pub(crate) fn comes_from(&mut self, origin: Option<Box<Origin>>) {
        self.origin = origin;
    }

    /// The address of the client, as far back as hops are trusted.
    pub(crate) fn client(&self) -> &HeaderValue {
        self.origin.as_ref().map_or(&self.peer.client.address, |origin| &origin.address)
    }

    /// Whether the client came over TLS, as far back as hops are trusted.
    pub(crate) fn came_over_tls(&self) -> bool {
        self.origin.as_ref().map_or(self.peer.client.tls.is_some(), |origin| origin.tls)
    }

    /// The host that the client asked, where a hop that is trusted says so.
    pub(crate) fn host(&self) -> Option<&HeaderValue> {
        self.origin.as_ref().and_then(|origin| origin.host.as_ref())
    }

    /// From now on it is looked at how long things take.
    pub(crate) fn is_timed(&mut self) {
        self.timing = Some(Box::default());
    }

    pub(crate) fn asks_service(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.asked = Some(self.peer.worker().clock.now());
        }
    }

    pub(crate) fn hears_service(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.answered = Some(self.peer.worker().clock.now());
        }
    }

    /// From now on answers are changed as the route says.
    pub(crate) fn is_transformed(
        &mut self,
        by: &Arc<Transform>,
        request: &Request<Incoming>,
        captures: Captures,
    ) {
        let origin = self.origin.as_deref();
        let connection = &self.peer.client;
        let facts = Facts {
            client: self.client().clone(),
            host: origin
                .map_or_else(|| request.headers().get(header::HOST), |origin| origin.host.as_ref())
                .cloned(),
            tls: origin.map_or(connection.tls.is_some(), |origin| origin.tls),
            uri: self.uri.clone(),
            id: self.id.clone(),
            route: self.taker_name(),
            captures,
        };
        self.transforming = Some(Box::new(Transforming::begin(by, request, facts)));
    }

    /// Changes the head of an answer of the proxy's own, where the route does.
    pub(super) fn own_answer(&self, headers: &mut HeaderMap) {
        if let Some(transforming) = &self.transforming {
            transforming.own_answer(headers);
        }
    }

    /// Writes into the head of the answer what every head says.
    pub(super) fn write_head(&self, headers: &mut HeaderMap) {
        headers.insert(identify::X_REQUEST_ID, self.id.clone());
        if let Some(timing) = &self.timing {
            timing.write(headers, self.started, self.peer.worker().clock.now());
        }
    }

    pub(crate) fn holds(&mut self, permit: StackPermit) {
        self.held = Some(Box::new(Held::new(permit)));
    }

    /// What it holds is another's from now on.
    pub(crate) fn releases(&mut self) -> Option<Box<Held>> {
        self.held.take()
    }

    /// The permit that it holds is exchanged for another.
    pub(crate) fn exchanges(&mut self) -> Option<StackPermit> {
        self.held.take().and_then(|mut held| held.permit.take())
    }

    /// What the request came to at its service; looked for only where policies want to know.
    pub(crate) fn came_of(&mut self, sent: &Result<Answered, Problem>) {
        if let Some(held) = &mut self.held
            && let Some(outcome) = forward::outcome(sent.as_ref().map_err(|problem| *problem))
        {
            held.came_to(outcome);
        }
    }

    /// What it came to, where that is known in another way.
    pub(crate) fn came_to(&mut self, outcome: Outcome) {
        if let Some(held) = &mut self.held {
            held.came_to(outcome);
        }
    }

    /// What it came to if nothing else is known.
    pub(crate) fn came_at_least_to(&mut self, outcome: Outcome) {
        if let Some(held) = &mut self.held {
            held.outcome.get_or_insert(outcome);
        }
    }

    pub(crate) fn peer(&self) -> &Rc<Peer> {
        &self.peer
    }

    pub(crate) fn request_id(&self) -> &HeaderValue {
        &self.id
    }

    pub(crate) fn trace_text(&self) -> [u8; 32] {
        admit::hex(self.trace.trace_id())
    }

    pub(crate) fn takes(&mut self, taken: Taken) {
        self.taken = taken;
    }

    /// What the request said is not known: it was refused before it could be read.
    pub(crate) fn is_unread(&mut self) {
        self.method = Method::from_bytes(b"-").unwrap_or_default();
        self.uri = Uri::from_static("*");
    }

    pub(crate) fn uploads(&mut self, fate: Option<Rc<Fate>>) {
        self.upload = fate;
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    pub(crate) fn failed(&mut self, code: &'static str) {
        self.code = code;
    }

    pub(crate) fn cached(&mut self, cached: Cached) {
        self.cached = Some(cached);
    }

    /// What the client asked for, as it wrote it.
    pub(crate) fn asked(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn taken(&self) -> Taken {
        self.taken
    }

    pub(crate) fn sends(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// What went through the tunnel that the request has become.
    pub(crate) fn carried(&mut self, received: u64, sent: u64) {
        (self.tunnelled, self.sent) = (Some(received), sent);
    }

    pub(crate) fn completes(&mut self) {
        self.complete = true;
    }

    fn taker_name(&self) -> Arc<str> {
        let name = match self.taken {
            Taken::Nothing => None,
            Taken::Route(number, _) => self.snapshot.routing.routes().get(number).map(|route| &route.name),
            Taken::ByName(number) => self.snapshot.by_name.get(number).map(|(name, _)| name),
        };
        name.map_or_else(|| NO_ROUTE.into(), Arc::clone)
    }

    /// The name of what took the request, its metrics, and the service it leads to.
    fn taker(&self) -> (&str, &RouteMetrics, &str) {
        let none = (NO_ROUTE, &self.snapshot.no_route, "");
        let routing = &self.snapshot.routing;
        let service_name = |number: usize| routing.services().get(number).map_or("", |service| &service.name);
        match self.taken {
            Taken::Nothing => none,
            Taken::Route(number, service) => {
                match (routing.routes().get(number), self.snapshot.routes.get(number)) {
                    (Some(route), Some(metrics)) => (&route.name, metrics, service.map_or("", service_name)),
                    _ => none,
                }
            }
            Taken::ByName(number) => match self.snapshot.by_name.get(number) {
                Some((name, metrics)) => (name, metrics, service_name(number)),
                None => none,
            },
        }
    }
}

impl Ticket {
    /// The request as a line of the access log.
    fn log(&self, took: Duration, status: u16, aborted: bool) {
        let worker = self.peer.worker();
        let log = &worker.access_log;
        let is_left_out = |share: f64| status < 500 && !aborted && worker.random.unit() >= share;
        if !tracing::enabled!(target: "access", tracing::Level::INFO) || log.sample.is_some_and(is_left_out) {
            return;
        }
        let (route, _, service) = self.taker();
        let (method, path) = (self.method.as_str(), self.uri.path());
        let received = self.tunnelled.unwrap_or_else(|| self.upload.as_ref().map_or(0, |fate| fate.bytes()));
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let (sent, code, protocol) = (self.sent, self.code, self.peer.protocol.as_str());
        let client = self.client().as_bytes();
        let cache = self.cached.map_or("", Cached::as_str);
        let Some(sink) = &log.sink else {
            let (trace, client) = (self.trace.trace_id(), String::from_utf8_lossy(client));
            tracing::info!(
                target: "access",
                method, path, status, sent, received, duration_us, route, service, code, aborted,
                %trace, protocol, %client, cache,
            );
            return;
        };
        let trace = &self.trace_text();
        let at = worker.clock.wall();
        let line = Line {
            at,
            method,
            path,
            status,
            sent,
            received,
            duration_us,
            route,
            service,
            code,
            aborted,
            trace,
            protocol,
            client,
            cache,
        };
        access::write(log, sink, &line);
    }

    /// The request as a span.
    #[cold]
    fn record(&self, clock: &Clock, took: Duration, status: u16) {
        let end = clock.wall().as_micros();
        let start = end.saturating_sub(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
        let place = Place {
            trace: *self.trace.trace_id().as_bytes(),
            span: *self.trace.span_id().as_bytes(),
            parent: self.part_of.map(|span| *span.as_bytes()),
        };
        let mut span = Span::begin(spans::REQUEST, Kind::Server, place, start);
        let (route, _, service) = self.taker();
        span.knows("http.request.method", self.method.as_str().to_owned());
        span.knows("url.path", self.uri.path().to_owned());
        span.knows("http.response.status_code", u32::from(status));
        span.knows("mamparo.route", route.to_owned());
        span.knows("mamparo.service", service.to_owned());
        if let Some(cached) = self.cached {
            span.knows("mamparo.cache", cached.as_str());
        }
        match (self.code, self.complete) {
            ("", true) if status < 500 => {}
            ("", true) => span.fails(format!("status {status}")),
            ("", false) => span.fails("broken off"),
            (code, _) if status >= 500 => span.fails(code),
            (code, _) => span.knows("error.type", code),
        }
        span.ends(end);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        drop(self.held.take());
        let worker = self.peer.worker();
        let now = worker.clock.now();
        let took = now.saturating_duration_since(self.started);
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        let aborted = !self.complete;
        let (_, metrics, _) = self.taker();
        metrics.record(status, aborted, took);
        worker.metrics.in_flight.dec();
        if aborted && self.code.is_empty() && self.peer.protocol == Protocol::Http2 {
            self.peer.wire.is_given_up(now);
        }
        self.peer.wire.end(now);
        self.log(took, status, aborted);
        if is_recording() && self.trace.is_sampled() {
            self.record(&worker.clock, took, status);
        }
    }
}
