//! Fourth stop: the service. Finds a connection to an endpoint, sends the request, and sends it again only where
//! it is proven that nobody has seen it, or where it changes nothing.

mod mirror;
mod upload;

use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until, timeout};

use crate::admit;
use crate::limits::{BUFFER_BYTES, CONNECT_PAUSE, CONNECT_PAUSE_MAX, UNSENT_RETRIES, after};
use crate::pool::Lease;
use crate::problem::Problem;
use crate::route::{Service, Settings};
use crate::worker::{LocalSnapshot, Worker};
pub(crate) use mirror::mirror;
pub(crate) use upload::{Fate, Upload};

/// A request on its way to a service.
pub(crate) struct Errand<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) snapshot: Rc<LocalSnapshot>,
    /// The number of the service in `snapshot`.
    pub(crate) service: usize,
    pub(crate) settings: &'a Settings,
    pub(crate) deadline: Instant,
    pub(crate) fate: Option<Rc<Fate>>,
}

/// A connection that takes a request now.
struct Ready {
    connection: SendRequest<Upload>,
    endpoint: SocketAddr,
    opened: Instant,
}

impl Errand<'_> {
    /// Sends the request: the answer, and the connection that it still occupies.
    pub(crate) async fn send(
        mut self,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Lease), Problem> {
        let mut tries_left = UNSENT_RETRIES;
        let mut spare = self.spare(&request);
        let mut is_again = false;
        loop {
            let mut now = self.worker.clock.now();
            let turn = self.service()?.next();
            // What rests in the pool may have gone stale together: a second try takes a new connection.
            let pooled = turn.filter(|_| !is_again).and_then(|endpoint| self.pooled(endpoint, now));
            let Ready { mut connection, endpoint, opened } = match pooled {
                Some(ready) => ready,
                None => {
                    // Rare, and large: boxed, so that requests that need no new connection do not carry it.
                    let ready = Box::pin(self.connect(turn)).await?;
                    now = self.worker.clock.now();
                    ready
                }
            };
            admit::write_remaining(request.headers_mut(), self.deadline, now);
            let answer = self.answered(connection.try_send_request(request), now).await?;
            let mut error = match answer {
                Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(Problem::BadAnswer);
                }
                Ok(answer) => {
                    let pool = Rc::clone(&self.worker.pool);
                    return Ok((answer, Lease { connection, endpoint, opened, pool }));
                }
                Err(error) => error,
            };
            request = match (error.take_message(), spare.take()) {
                (Some(unsent), kept) if tries_left > 0 => {
                    tries_left -= 1;
                    spare = kept;
                    unsent
                }
                (None, Some(again)) if !error.error().is_parse() => again,
                _ => return Err(self.failure(&error.into_error())),
            };
            is_again = true;
            self.metrics(|metrics| metrics.retries.inc());
        }
    }

    /// A second copy of a request that changes nothing, however often it is made, and has no body.
    fn spare(&self, request: &Request<Upload>) -> Option<Request<Upload>> {
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        (is_safe && self.settings.repeat_safe && self.fate.is_none()).then(|| bare(request))
    }

    /// Waits for the header of the answer: as long as the route allows from the moment the request is sent whole,
    /// and not beyond the deadline.
    async fn answered<T>(&self, answer: impl Future<Output = T>, now: Instant) -> Result<T, Problem> {
        let mut until = self.deadline.min(after(now, self.settings.answer_timeout));
        let mut timer = pin!(sleep_until(until.into()));
        let mut answer = pin!(answer);
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

    fn failure(&self, error: &hyper::Error) -> Problem {
        tracing::debug!(error = error as &dyn std::error::Error, "a request to a service failed");
        match self.fate.as_ref().and_then(|fate| fate.failure()) {
            Some(problem) => problem,
            None if error.is_parse() => Problem::BadAnswer,
            None => Problem::BrokenOff,
        }
    }

    fn metrics<T>(&self, count: impl FnOnce(&crate::metrics::ServiceMetrics) -> T) {
        if let Some(metrics) = self.snapshot.services.get(self.service) {
            count(metrics);
        }
    }

    fn service(&self) -> Result<&Arc<Service>, Problem> {
        self.snapshot.routing.services().get(self.service).ok_or(Problem::NoEndpoint)
    }

    /// A connection that rests in the pool.
    fn pooled(&self, endpoint: SocketAddr, now: Instant) -> Option<Ready> {
        let (connection, opened) = self.worker.pool.take(endpoint, now)?;
        self.metrics(|metrics| metrics.reuses.inc());
        Some(Ready { connection, endpoint, opened })
    }

    /// A new connection, to the endpoint whose turn it is or to another. Where none takes a connection, waits for
    /// one to come back, as long as the route allows.
    async fn connect(&mut self, mut turn: Option<SocketAddr>) -> Result<Ready, Problem> {
        let mut round = Round::default();
        loop {
            let problem = match turn {
                None => Problem::NoEndpoint,
                Some(endpoint) => {
                    let now = self.worker.clock.now();
                    match self.open(endpoint, now).await {
                        Ok(connection) => {
                            self.metrics(|metrics| metrics.connects.inc());
                            return Ok(Ready { connection, endpoint, opened: now });
                        }
                        Err(error) => {
                            tracing::debug!(%error, %endpoint, "an endpoint takes no connection");
                            self.metrics(|metrics| metrics.connect_failures.inc());
                            Problem::Unreachable
                        }
                    }
                }
            };
            let now = self.worker.clock.now();
            if now >= self.deadline {
                return Err(Problem::Deadline);
            }
            let service = self.service()?;
            let window = self.settings.connect_retry_window;
            match round.next(service.endpoints().len(), now, window, self.deadline) {
                Next::GiveUp => return Err(problem),
                Next::Another => {}
                Next::Pause(pause) => {
                    let name = Arc::clone(&service.name);
                    sleep(pause).await;
                    self.refresh(&name);
                }
            }
            turn = self.service()?.next();
        }
    }

    /// Looks at the endpoints as they are now: a service that restarts may listen elsewhere.
    fn refresh(&mut self, name: &str) {
        let snapshot = self.worker.snapshot();
        if let Some(service) = snapshot.routing.service_named(name) {
            (self.snapshot, self.service) = (snapshot, service);
        }
    }

    async fn open(&self, endpoint: SocketAddr, now: Instant) -> Result<SendRequest<Upload>, OpenError> {
        let time = self.worker.limits.connect_time.min(self.deadline.saturating_duration_since(now));
        let stream = timeout(time, TcpStream::connect(endpoint)).await.map_err(|_| OpenError::Timeout)??;
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let mut client = http1::Builder::new();
        client.max_buf_size(BUFFER_BYTES.max(2 * self.worker.limits.header_bytes));
        let (connection, driver) = client.handshake(TokioIo::new(stream)).await?;
        spawn_local(async move {
            if let Err(error) = driver.await {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "a connection to a service broke");
            }
        });
        Ok(connection)
    }
}

/// A copy without the body.
fn bare(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::NONE);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("no answer in time")]
    Timeout,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// How often connecting has failed, and what to do next.
#[derive(Debug, Default)]
struct Round {
    first: Option<Instant>,
    failed: usize,
    pauses: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Another,
    Pause(Duration),
    GiveUp,
}

impl Round {
    /// Every endpoint once, then a pause, which doubles, within the window that began with the first failure.
    fn next(&mut self, endpoints: usize, now: Instant, window: Duration, deadline: Instant) -> Next {
        let first = *self.first.get_or_insert(now);
        self.failed += 1;
        if self.failed < endpoints {
            return Next::Another;
        }
        self.failed = 0;
        let pause = CONNECT_PAUSE.saturating_mul(1 << self.pauses.min(8)).min(CONNECT_PAUSE_MAX);
        self.pauses += 1;
        if now + pause > after(first, window).min(deadline) { Next::GiveUp } else { Next::Pause(pause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mamparo_context::Clock;

    #[test]
    fn every_endpoint_is_tried_before_a_pause_and_the_window_ends_it() {
        let start = Clock::manual().0.now();
        let ms = Duration::from_millis;
        let (window, deadline) = (ms(1000), start + ms(5000));
        let mut round = Round::default();
        let mut now = start;
        let mut pauses = Vec::new();
        loop {
            assert_eq!(round.next(2, now, window, deadline), Next::Another);
            match round.next(2, now, window, deadline) {
                Next::Pause(pause) => {
                    pauses.push(pause);
                    now += pause;
                }
                next => break assert_eq!(next, Next::GiveUp),
            }
        }
        assert_eq!(pauses, [ms(50), ms(100), ms(200), ms(400)]);
        assert_eq!(Round::default().next(1, start, window, start + ms(40)), Next::GiveUp);
        assert_eq!(Round::default().next(0, start, Duration::ZERO, deadline), Next::GiveUp);
    }
}
