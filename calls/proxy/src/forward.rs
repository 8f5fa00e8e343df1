//! Fourth stop: the service. Finds a connection to an endpoint, sends the request, and sends it again where it is
//! proven that nobody has seen it, where it changes nothing, or where the route says so.

pub(crate) mod connect;
mod detour;
mod hearing;
mod hedge;
mod mirror;
mod spare;
mod upload;

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HeaderValue;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use mamparo_balance::Seen;
use mamparo_context::{Context, Criticality, Deadline, Moment, TraceContext};
use mamparo_policy::retry::{Again, End, Tries};
use mamparo_policy::{Health, Outcome, http::ClassifyHttp};
use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until, timeout_at};

use crate::admit;
use crate::interim::Interim;
use crate::limits::{REST_LOOK, UNSENT_RETRIES, after};
use crate::pool::{Alone, Lease, Line, Place, StreamSeat, Taken, Turn};
use crate::problem::Problem;
use crate::route::{Service, Settings};
use crate::transport::Speaks;
use crate::upgrade;
use crate::worker::{LocalSnapshot, Worker};
use connect::{Next, Opened, Round};
use detour::Detour;
pub(crate) use hearing::Hearing;
use mirror::mirror;
use spare::Spare;
pub(crate) use upload::{Fate, Kept, Source, Upload};

/// An answer, and the connection that it still occupies.
pub(crate) type Answered = (Response<Incoming>, Lease);

/// What became of a request, as policies see it; nothing where that is about the client and not about the service.
pub(crate) fn outcome(sent: Result<&Answered, Problem>) -> Option<Outcome> {
    match sent {
        Ok((answer, _)) => Some(ClassifyHttp::default().head(answer.status(), answer.headers())),
        Err(problem) => problem.outcome(),
    }
}

/// A request on its way to a service.
#[derive(Clone)]
pub(crate) struct Errand<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) snapshot: Rc<LocalSnapshot>,
    /// The number of the service in `snapshot`.
    pub(crate) service: usize,
    pub(crate) settings: &'a Settings,
    pub(crate) deadline: Instant,
    pub(crate) fate: Option<Rc<Fate>>,
    /// The body, where it can be sent again.
    pub(crate) kept: Option<Rc<Kept>>,
    /// Whether the client takes trailers.
    pub(crate) takes_trailers: bool,
    /// Whether it asks for another protocol.
    pub(crate) upgrades: bool,
    /// Whether it is a call of gRPC, whose service is told the deadline in its words too.
    pub(crate) is_call: bool,
    /// The service that gets a copy.
    pub(crate) mirror: Option<usize>,
    /// The service that stands in for the first.
    pub(crate) failover: Option<usize>,
    /// How much it matters.
    pub(crate) criticality: Criticality,
    /// What it has in common with others that are to reach the same endpoint.
    pub(crate) key: Option<u64>,
    /// The host that the client named, where its route keeps answers.
    pub(crate) named: Option<Box<HeaderValue>>,
    /// Whether it is sent once more for nothing where a connection turns out to be closed; said from the beginning of one
    /// that changes nothing, whatever its method says.
    pub(crate) is_free: bool,
    /// What the service says before its answer, where that goes on to the client.
    pub(crate) interim: Option<Interim>,
    /// The endpoints that did not take it.
    pub(crate) tried: Vec<SocketAddr>,
    /// What happens before it is simply sent.
    pub(crate) detour: Option<Detour<'a>>,
    /// The endpoints at which the same request is under way beside this one.
    pub(crate) beside: Option<Rc<RefCell<Vec<SocketAddr>>>>,
}

impl<'a> Errand<'a> {
    /// A request with nothing special about it: without a body that is watched or kept, of nobody's connection, for this
    /// service and no other.
    pub(crate) fn to(
        worker: &'a Rc<Worker>,
        snapshot: Rc<LocalSnapshot>,
        service: usize,
        settings: &'a Settings,
        deadline: Instant,
    ) -> Self {
        Self {
            worker,
            snapshot,
            service,
            settings,
            deadline,
            fate: None,
            kept: None,
            takes_trailers: false,
            upgrades: false,
            is_call: false,
            mirror: None,
            failover: None,
            criticality: Criticality::default(),
            key: None,
            named: None,
            is_free: false,
            interim: None,
            tried: Vec::new(),
            detour: Detour::of(settings),
            beside: None,
        }
    }
}

/// A request without an answer.
struct Failed {
    problem: Problem,
    /// The request itself, where nothing of it was sent.
    unsent: Option<Request<Upload>>,
    /// Whether the service has certainly not acted on it.
    unseen: bool,
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self { problem, unsent: None, unseen: false }
    }
}

impl Errand<'_> {
    /// What policies are to know of it.
    pub(crate) fn context(&self, trace: &TraceContext) -> Context {
        let cx = Context::from_trace(trace.clone()).with_deadline(Deadline::at(self.deadline));
        cx.with_criticality(self.criticality)
    }

    /// Sends the request: the answer, and the connection that it still occupies. What the route does to requests on
    /// purpose, and that it sends slow ones twice, happens here.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` would keep each of its arguments twice")]
    pub(crate) fn send(
        mut self,
        mut request: Request<Upload>,
        trace: &TraceContext,
    ) -> impl Future<Output = Result<Answered, Problem>> {
        async move {
            if let Some(service) = self.mirror.take() {
                mirror(&self, service, &request, trace);
            }
            if let Some(detour) = self.detour.take() {
                return detour.send(self, request, trace).await;
            }
            let mut spare = Spare::of(&request, &self);
            self.is_free = spare.as_ref().is_some_and(Spare::is_for_free);
            let mut tries = Tries::default();
            let mut unsent_left = UNSENT_RETRIES;
            let mut is_again = false;
            loop {
                let mut sent = self.attempt(request, is_again).await;
                is_again = true;
                request = match &mut sent {
                    Err(Failed { unsent, .. }) if unsent_left > 0 && unsent.is_some() => {
                        unsent_left -= 1;
                        match unsent.take() {
                            Some(unsent) => unsent,
                            None => return sent.map_err(|failed| failed.problem),
                        }
                    }
                    Err(failed) if spare.as_mut().is_some_and(|spare| spare.is_free(failed)) => {
                        match spare.as_mut().and_then(Spare::take) {
                            Some(again) => again,
                            None => return sent.map_err(|failed| failed.problem),
                        }
                    }
                    _ => match self.again(&sent, &mut tries, spare.as_mut(), trace) {
                        Some((again, pause)) => {
                            // The connection, and what is left of the answer on it, goes before the pause.
                            drop(sent);
                            sleep(pause).await;
                            again
                        }
                        None => return sent.map_err(|failed| failed.problem),
                    },
                };
                self.metrics(|metrics| metrics.retries.inc());
            }
        }
    }

    /// Whether the retry policy of the route has it sent again, and after which pause.
    fn again(
        &self,
        sent: &Result<Answered, Failed>,
        tries: &mut Tries,
        spare: Option<&mut Spare>,
        trace: &TraceContext,
    ) -> Option<(Request<Upload>, Duration)> {
        let retry = self.settings.retry.as_ref()?;
        let mut outcome = outcome(sent.as_ref().map_err(|failed| failed.problem))?;
        let spare = spare?;
        let unseen = matches!(sent, Err(Failed { unseen: true, .. }));
        if let (Outcome::Failure(fault), true) = (&mut outcome, unseen || spare.is_idempotent()) {
            fault.indeterminate = false;
        }
        // An answer that came before the request was sent whole is not one to this attempt alone.
        let is_sent = self.fate.as_ref().is_none_or(|fate| fate.sent().is_some());
        if outcome == Outcome::Success {
            retry.succeeded(tries);
            return None;
        }
        if sent.is_ok() && !is_sent || !spare.is_there() {
            return None;
        }
        let worker = self.worker;
        let end = End {
            now: worker.clock.moment(),
            until: Some(Moment::from(self.deadline)),
            minimum: Duration::ZERO,
            refused: false,
        };
        let cx = spare.context(Context::from_trace(trace.clone()));
        match retry.next(tries, &outcome, &cx, end, || worker.random.unit()) {
            Again::After(pause) => spare.again().map(|request| (request, pause)),
            Again::No | Again::GaveUp(_) | Again::Shadow => None,
        }
    }

    /// Sends it once.
    #[expect(clippy::manual_async_fn, reason = "as above")]
    fn attempt(
        &mut self,
        mut request: Request<Upload>,
        is_again: bool,
    ) -> impl Future<Output = Result<Answered, Failed>> {
        async move {
            let mut now = self.worker.clock.now();
            let pooled = match self.pooled(is_again, now)? {
                // Rare: boxed, as below.
                Ok((lease, rested)) if !self.is_free && rested > REST_LOOK => {
                    Box::pin(look_again(lease)).await
                }
                pooled => pooled.map(|(lease, _)| lease),
            };
            let mut lease = match pooled {
                Ok(lease) => {
                    self.metrics(|metrics| metrics.reuses.inc());
                    lease
                }
                Err(turn) => {
                    // Rare, and large: boxed, so that requests that need no new connection do not carry it.
                    let lease = Box::pin(self.connect(turn, is_again)).await?;
                    now = self.worker.clock.now();
                    lease
                }
            };
            admit::write_remaining(request.headers_mut(), self.is_call, self.deadline, now);
            let answer = match &mut lease.line {
                Line::Alone(alone) => {
                    spare::fit_http1(&mut request, self.takes_trailers, self.upgrades);
                    if let Some(interim) = &self.interim {
                        interim.listen(&mut request);
                    }
                    alone.connection.hearing.begin(self.worker.limits.answer_head_bytes());
                    let sent = alone.connection.sender.try_send_request(request);
                    let answer = self.answered(sent, now).await;
                    alone.connection.hearing.end();
                    answer
                }
                // Rare: boxed, as above.
                Line::Stream(seat) if self.upgrades => Box::pin(self.over_stream(seat, request)).await,
                Line::Stream(seat) => {
                    let is_secure = self.service()?.transport.is_secure();
                    spare::fit_http2(&mut request, self.takes_trailers, is_secure)?;
                    let mut sender = seat.sender();
                    let sent = sender.try_send_request(request);
                    self.answered(sent, now).await
                }
            };
            let now = self.worker.clock.now();
            match answer {
                Ok(Ok(answer)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS && !self.upgrades => {
                    lease.turn.sees(Seen::Failure, now);
                    Err(Problem::BadAnswer.into())
                }
                Ok(Ok(answer)) => {
                    let outcome = ClassifyHttp::default().head(answer.status(), answer.headers());
                    match outcome.health() {
                        Health::Good => lease.turn.sees(Seen::Success, now),
                        Health::Bad => lease.turn.sees(Seen::Failure, now),
                        Health::Unknown => {}
                    }
                    Ok((answer, lease))
                }
                Ok(Err(error)) => {
                    let failed = self.failed(error);
                    // What was never sent, or broke off because the client did, says nothing about the endpoint.
                    if failed.unsent.is_none() && failed.problem.outcome().is_some() {
                        lease.turn.sees(Seen::Failure, now);
                    }
                    self.tried.extend(lease.turn.endpoint());
                    Err(failed)
                }
                Err(problem) => {
                    if problem == Problem::UpstreamTimeout {
                        lease.turn.sees(Seen::Failure, now);
                    }
                    self.tried.extend(lease.turn.endpoint());
                    Err(problem.into())
                }
            }
        }
    }

    /// Sends a request for a WebSocket as a stream of HTTP/2, if the service takes it; else as one for what it may be
    /// besides.
    async fn over_stream(
        &self,
        seat: &StreamSeat,
        mut request: Request<Upload>,
    ) -> Result<Result<Response<Incoming>, TrySendError<Request<Upload>>>, Problem> {
        let takes = timeout_at(self.deadline.into(), seat.takes_websockets()).await;
        let takes = takes.map_err(|_| Problem::Deadline)?;
        // The service is not to pay for that wait.
        let now = self.worker.clock.now();
        admit::write_remaining(request.headers_mut(), self.is_call, self.deadline, now);
        let key = if takes { upgrade::as_connect(&mut request) } else { None };
        spare::fit_http2(&mut request, self.takes_trailers, self.service()?.transport.is_secure())?;
        let mut sender = seat.sender();
        let mut answer = self.answered(sender.try_send_request(request), now).await?;
        if let (Ok(answer), true) = (&mut answer, takes) {
            upgrade::of_connect(answer, key.as_ref());
        }
        Ok(answer)
    }

    /// Waits for the header of the answer: as long as the route allows from the moment the request is sent whole,
    /// and not beyond the deadline.
    async fn answered<T>(&self, answer: impl Future<Output = T>, now: Instant) -> Result<T, Problem> {
        let mut until = self.deadline.min(after(now, self.settings.answer_timeout));
        let mut timer = pin!(sleep_until(until.into()));
        let mut answer = pin!(answer);
        let mut answer = poll_fn(|cx| {
            if let Some(interim) = &self.interim {
                interim.pass_on(cx);
            }
            answer.as_mut().poll(cx)
        });
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer),
                () = &mut timer => {}
            }
            if until >= self.deadline {
                return Err(Problem::Deadline);
            }
            let now = self.worker.clock.now();
            let sent = match &self.fate {
                None => return Err(Problem::UpstreamTimeout),
                // While the body is still being sent, its own idle time is what counts.
                Some(fate) => fate.sent().unwrap_or(now),
            };
            until = self.deadline.min(after(sent, self.settings.answer_timeout));
            if until <= now {
                return Err(Problem::UpstreamTimeout);
            }
            timer.as_mut().reset(until.into());
        }
    }

    fn failed(&self, mut error: TrySendError<Request<Upload>>) -> Failed {
        let unsent = error.take_message().map(upgrade::as_asked).map(spare::unfit_http2);
        let error = error.into_error();
        tracing::debug!(error = &error as &dyn std::error::Error, "a request to a service failed");
        let problem = match self.fate.as_ref().and_then(|fate| fate.failure()) {
            Some(problem) => problem,
            None if error.is_parse() || hearing::TooLong::is_in(&error) => Problem::BadAnswer,
            None => Problem::BrokenOff,
        };
        Failed { problem, unseen: unsent.is_some() || spare::is_refused(&error), unsent }
    }

    fn metrics<T>(&self, count: impl FnOnce(&crate::metrics::ServiceMetrics) -> T) {
        if let Some(metrics) = self.snapshot.services.get(self.service) {
            count(metrics);
        }
    }

    fn service(&self) -> Result<&Arc<Service>, Problem> {
        self.snapshot.routing.services().get(self.service).ok_or(Problem::NoEndpoint)
    }

    /// The turn of an endpoint; of the service that stands in, where the first has none to give.
    fn turn(&mut self, now: Instant) -> Option<Turn> {
        loop {
            if let Some(beside) = &self.beside {
                self.tried.extend(beside.borrow().iter());
            }
            let balancer = &self.service().ok()?.balancer;
            if let Some(pick) = balancer.pick(self.key, &self.tried, Moment::from(now), &self.worker.random) {
                if let Some(beside) = &self.beside {
                    beside.borrow_mut().push(pick.address());
                }
                return Some(Turn::new(pick, now));
            }
            self.service = self.failover.take()?;
        }
    }

    /// A connection that rests in the pool, and for how long; the turn alone where there is none. What rests in the
    /// pool may have gone stale together: a second try takes a new connection.
    fn pooled(
        &mut self,
        is_again: bool,
        now: Instant,
    ) -> Result<Result<(Lease, Duration), Option<Turn>>, Problem> {
        let Some(turn) = self.turn(now) else { return Ok(Err(None)) };
        let (pool, transport) = (&self.worker.pool, &self.service()?.transport);
        let lane = turn.endpoint().map(|endpoint| transport.lane(endpoint));
        let lane = lane.filter(|lane| !is_again && lane.speaks == Speaks::Http1);
        let safe = !self.is_free;
        let Some((lane, taken)) = lane.and_then(|lane| Some((lane, pool.take(lane, now, safe)?))) else {
            return Ok(Err(Some(turn)));
        };
        let Taken { connection, opened, rested } = taken;
        let line = Line::Alone(Alone { connection, lane, opened, pool: Rc::clone(pool) });
        Ok(Ok((Lease { line, turn }, rested)))
    }

    /// A connection, to the endpoint whose turn it is or to another. Where none takes a connection, waits for one to
    /// come back, as long as the route allows.
    async fn connect(&mut self, mut turn: Option<Turn>, fresh: bool) -> Result<Lease, Problem> {
        let mut round = Round::default();
        loop {
            let problem = match turn {
                None => Problem::NoEndpoint,
                Some(mut turn) => match self.open(turn.endpoint(), fresh).await {
                    Ok(line) => return Ok(Lease { line, turn }),
                    Err(error) => {
                        let endpoint = turn.endpoint();
                        tracing::debug!(%error, ?endpoint, "an endpoint takes no connection");
                        self.metrics(|metrics| metrics.connect_failures.inc());
                        turn.sees(Seen::Failure, self.worker.clock.now());
                        self.tried.extend(endpoint);
                        Problem::Unreachable
                    }
                },
            };
            let now = self.worker.clock.now();
            if now >= self.deadline {
                return Err(Problem::Deadline);
            }
            let endpoints = self.service()?.balancer.endpoints().len();
            let window = self.settings.connect_retry_window;
            match round.next(endpoints, now, window, self.deadline) {
                Next::GiveUp => match self.failover.take() {
                    None => return Err(problem),
                    Some(other) => (self.service, round) = (other, Round::default()),
                },
                Next::Another => {}
                Next::Pause(pause) => {
                    let name = Arc::clone(&self.service()?.name);
                    self.tried.clear();
                    sleep(pause).await;
                    self.refresh(&name);
                }
            }
            turn = self.turn(self.worker.clock.now());
        }
    }

    /// Looks at the endpoints as they are now: a service that restarts may listen elsewhere.
    fn refresh(&mut self, name: &str) {
        let snapshot = self.worker.snapshot();
        let Some(service) = snapshot.routing.service_named(name) else { return };
        // The service that stands in has its number in the other snapshot.
        let other = self.failover.and_then(|number| self.snapshot.routing.services().get(number));
        self.failover = other.and_then(|other| snapshot.routing.service_named(&other.name));
        (self.snapshot, self.service) = (snapshot, service);
    }

    async fn open(&self, endpoint: Option<SocketAddr>, fresh: bool) -> Result<Line, connect::OpenError> {
        let (Some(endpoint), Ok(service)) = (endpoint, self.service()) else {
            return Err(connect::OpenError::Timeout);
        };
        let (transport, pool) = (&service.transport, &self.worker.pool);
        let lane = transport.lane(endpoint);
        let mut opening = None;
        if transport.speaks == Speaks::Http2 {
            opening = loop {
                match pool.shared.turn(lane, fresh, self.worker.clock.now()).await {
                    Place::Seat(seat) => {
                        self.metrics(|metrics| metrics.reuses.inc());
                        return Ok(Line::Stream(seat));
                    }
                    Place::Open(opening) => break Some(opening),
                    Place::Again => {}
                }
            };
        }
        let now = self.worker.clock.now();
        let time = self.worker.limits.connect_time.min(self.deadline.saturating_duration_since(now));
        let opened = connect::open(self.worker, endpoint, transport, time).await?;
        let now = self.worker.clock.now();
        self.metrics(|metrics| metrics.connects.inc());
        match (opened, opening) {
            (Opened::Http1(connection), _) => {
                let pool = Rc::clone(pool);
                Ok(Line::Alone(Alone { connection, lane, opened: now, pool }))
            }
            (Opened::Http2(sender, said), Some(opening)) => Ok(Line::Stream(opening.done(sender, said, now))),
            (Opened::Http2(..), None) => Err(connect::OpenError::Timeout),
        }
    }
}

/// Hears first what the socket of a connection has to tell that has rested: that the endpoint has closed it.
async fn look_again(lease: Lease) -> Result<Lease, Option<Turn>> {
    yield_now().await;
    if lease.has_ended() { Err(Some(lease.turn)) } else { Ok(lease) }
}
