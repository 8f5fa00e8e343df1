//! A TLS connection that is passed on as it is: to an endpoint of its service, the client's own handshake first. Nothing
//! of it is understood beyond the host that it asks for, and at its end it is one line in the access log.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::HeaderValue;
use mamparo_balance::Seen;
use mamparo_context::Moment;
use mamparo_tls::PrefixedIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Client, Seat};
use crate::forward::connect::{self, Next, Round};
use crate::limits::after;
use crate::metrics::PassMetrics;
use crate::pool::Turn;
use crate::problem::Problem;
use crate::route::Service;
use crate::tunnel::{self, Carried, Ended};
use crate::worker::{LocalSnapshot, Worker};

/// A connection that is to be passed on.
pub(super) struct Passage {
    pub(super) seat: Seat,
    pub(super) stream: PrefixedIo<TcpStream>,
    pub(super) client: Client,
    /// The host that it asks for.
    pub(super) host: String,
    /// The number of its service in `snapshot`.
    pub(super) service: usize,
    pub(super) snapshot: Rc<LocalSnapshot>,
}

impl Passage {
    /// Passes it on until it ends.
    pub(super) async fn run(self) {
        let Self { seat, stream, client, host, service, snapshot } = self;
        let worker = Rc::clone(&seat.worker);
        let Some(named) = snapshot.routing.services().get(service) else { return };
        let mut record = Record {
            started: worker.clock.now(),
            worker: Rc::clone(&worker),
            metrics: snapshot.services.get(service).and_then(|metrics| metrics.passed.clone()),
            service: Arc::clone(&named.name),
            client: client.address.clone(),
            host,
            carried: Carried::default(),
            code: "",
            complete: false,
        };
        let way = Way { worker: &worker, name: Arc::clone(&named.name), snapshot, tried: Vec::new() };
        match Box::pin(way.connect(&client)).await {
            Ok((to, turn)) => {
                let idle_time = worker.limits.tunnel_idle;
                match tunnel::carry(stream, to, &record.carried, idle_time).await {
                    Ended::Whole => record.complete = true,
                    Ended::Broken => {}
                    Ended::Idle => record.code = tunnel::IDLE,
                }
                drop(turn);
            }
            Err(problem) => record.code = problem.code(),
        }
        drop(seat);
    }
}

/// The way to an endpoint.
struct Way<'w> {
    worker: &'w Rc<Worker>,
    name: Arc<str>,
    snapshot: Rc<LocalSnapshot>,
    /// The endpoints that took no connection.
    tried: Vec<SocketAddr>,
}

impl Way<'_> {
    fn service(&self) -> Option<(usize, &Arc<Service>)> {
        let number = self.snapshot.routing.service_named(&self.name)?;
        Some((number, self.snapshot.routing.services().get(number)?))
    }

    /// A connection to an endpoint whose turn lasts as long as it does. A service that restarts is waited for as one is
    /// that is asked for an answer.
    async fn connect(mut self, client: &Client) -> Result<(TcpStream, Turn), Problem> {
        let mut round = Round::default();
        let began = self.worker.clock.now();
        loop {
            let now = self.worker.clock.now();
            let (_, service) = self.service().ok_or(Problem::NoEndpoint)?;
            let key = service.key.as_ref().and_then(|key| key.of_connection(&client.address));
            let pick = service.balancer.pick(key, &self.tried, Moment::from(now), &self.worker.random);
            let problem = match pick.map(|pick| Turn::new(pick, now)) {
                None => Problem::NoEndpoint,
                Some(mut turn) => match self.open(&mut turn).await {
                    Some(stream) => return Ok((stream, turn)),
                    None => Problem::Unreachable,
                },
            };
            let now = self.worker.clock.now();
            let (_, service) = self.service().ok_or(Problem::NoEndpoint)?;
            let endpoints = service.balancer.endpoints().len();
            let window = service.settings.connect_retry_window;
            let deadline = after(began, service.settings.request_timeout);
            match round.next(endpoints, now, window, deadline) {
                Next::GiveUp => return Err(problem),
                Next::Another => {}
                Next::Pause(pause) => {
                    sleep(pause).await;
                    self.tried.clear();
                    self.snapshot = self.worker.snapshot();
                }
            }
        }
    }

    async fn open(&mut self, turn: &mut Turn) -> Option<TcpStream> {
        let endpoint = turn.endpoint()?;
        let opened = timeout(self.worker.limits.connect_time, connect::tcp(endpoint)).await;
        let now = self.worker.clock.now();
        let metrics = self.service().and_then(|(number, _)| self.snapshot.services.get(number));
        if let Ok(Ok(stream)) = opened {
            turn.sees(Seen::Success, now);
            metrics.inspect(|metrics| _ = metrics.connects.inc());
            return Some(stream);
        }
        tracing::debug!(%endpoint, "an endpoint takes no connection");
        turn.sees(Seen::Failure, now);
        metrics.inspect(|metrics| _ = metrics.connect_failures.inc());
        self.tried.push(endpoint);
        None
    }
}

/// What is known of a passed connection: counted and logged once, however it ends.
struct Record {
    worker: Rc<Worker>,
    metrics: Option<PassMetrics>,
    service: Arc<str>,
    host: String,
    client: HeaderValue,
    started: Instant,
    carried: Carried,
    code: &'static str,
    complete: bool,
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.worker.clock.now().saturating_duration_since(self.started);
        let (received, sent) = (self.carried.received.get(), self.carried.sent.get());
        if let Some(metrics) = &self.metrics {
            metrics.record(self.complete, (received, sent));
        }
        let worker = &self.worker;
        if self.complete && worker.access_log.sample.is_some_and(|share| worker.random.unit() >= share) {
            return;
        }
        tracing::info!(
            target: "access",
            kind = "tcp",
            host = self.host,
            sent,
            received,
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            service = &*self.service,
            code = self.code,
            aborted = !self.complete,
            client = self.client.to_str().unwrap_or_default(),
        );
    }
}
