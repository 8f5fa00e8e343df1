//! First stop: bytes become requests. Takes connections while there is room for them, looks at every head before
//! the parser does, and gives up connections on which nothing happens.

mod scan;
mod wire;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use http::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::limits::{ACCEPT_PAUSE, BUFFER_BYTES, LOOK_MIN, Limits, after};
use crate::options::Door;
use crate::problem::Problem;
use crate::walk;
use crate::worker::Worker;
pub(crate) use scan::Refusal;
pub(crate) use wire::Wire;
use wire::{Waiting, WireIo};

/// What the requests on one connection share.
pub(crate) struct Peer {
    pub(crate) worker: Rc<Worker>,
    pub(crate) wire: Rc<Wire>,
    /// Its address, as a header says it.
    pub(crate) address: HeaderValue,
    pub(crate) door: Door,
}

/// Takes connections until the worker drains.
pub(crate) async fn listen(worker: Rc<Worker>, socket: TcpListener, door: Door) {
    let parser = Rc::new(parser(&worker.limits));
    let mut closing = pin!(worker.drain.closes());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut closing => break,
        };
        match accepted {
            Ok((stream, address)) => take(&worker, &parser, stream, address, door),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever connected before the socket closes is still served.
    while let Some((stream, address)) = poll_fn(|cx| match socket.poll_accept(cx) {
        Poll::Ready(Ok(accepted)) => Poll::Ready(Some(accepted)),
        Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
    })
    .await
    {
        take(&worker, &parser, stream, address, door);
    }
}

fn parser(limits: &Limits) -> http1::Builder {
    let mut parser = http1::Builder::new();
    // The keeper of the connection minds the time; the scanner minds the sizes, and these only follow it.
    parser.header_read_timeout(None);
    parser.max_buf_size(BUFFER_BYTES.max(limits.header_bytes.saturating_mul(2)));
    if limits.header_count > 100 {
        parser.max_headers(limits.header_count);
    }
    parser
}

fn take(
    worker: &Rc<Worker>,
    parser: &Rc<http1::Builder>,
    stream: TcpStream,
    address: std::net::SocketAddr,
    door: Door,
) {
    if worker.drain.connections() >= worker.limits.connections_per_worker {
        worker.metrics.connections_refused.inc();
        let _ = stream.try_write(Problem::TooManyConnections.raw().as_bytes());
        return;
    }
    // Without it small answers wait for acknowledgements; a failure costs time, not correctness.
    let _ = stream.set_nodelay(true);
    let address = HeaderValue::try_from(address.ip().to_canonical().to_string());
    let peer = Rc::new(Peer {
        worker: Rc::clone(worker),
        wire: Rc::new(Wire::new(worker.clock.now())),
        address: address.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        door,
    });
    worker.drain.connection_begins();
    worker.metrics.connections.inc();
    spawn_local(connection(Open(peer), Rc::clone(parser), stream));
}

/// A connection that is counted.
struct Open(Rc<Peer>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.worker.metrics.connections.dec();
        self.0.worker.drain.connection_ends();
    }
}

/// Serves one connection, and keeps its times.
async fn connection(open: Open, parser: Rc<http1::Builder>, stream: TcpStream) {
    let peer = &open.0;
    let (worker, wire) = (&peer.worker, &peer.wire);
    let io = WireIo::new(stream, &worker.limits, Rc::clone(wire), worker.clock.clone());
    let service = service_fn(|request| {
        let peer = Rc::clone(peer);
        async move { Ok::<_, Infallible>(walk::walk(peer, request).await) }
    });
    let mut serving = pin!(parser.serve_connection(TokioIo::new(io), service));
    let mut drain = pin!(worker.drain.begins());
    // No wait begins unnoticed that may end sooner than the next look.
    let look = worker.limits.idle_time.max(LOOK_MIN);
    let mut timer = pin!(tokio::time::sleep(worker.limits.header_time.min(look)));
    // Both wake this task whenever they resolve, so they are polled once and then only looked at.
    let (mut armed, mut watching, mut closing) = (false, false, false);
    poll_fn(|cx| {
        loop {
            // One that rests is closed after its next answer: the client may be sending just now.
            let at_work = matches!(wire.waiting(), Waiting::Work | Waiting::Client(_));
            if !closing && at_work && worker.drain.is_leaving() {
                closing = true;
                serving.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(served) = serving.as_mut().poll(cx) {
                if let Err(error) = served {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
                }
                return Poll::Ready(());
            }
            if !closing && (worker.drain.has_begun() || (!watching && drain.as_mut().poll(cx).is_ready())) {
                closing = true;
                serving.as_mut().graceful_shutdown();
                continue;
            }
            watching = true;
            if wire.take_sooner() || timer.is_elapsed() {
                let now = worker.clock.now();
                let until = until(wire.waiting(), now, &worker.limits);
                if until <= now {
                    match wire.waiting() {
                        Waiting::Head(_) => wire.head_is_late(),
                        Waiting::Client(_) => return Poll::Ready(()),
                        _ => serving.as_mut().graceful_shutdown(),
                    }
                    timer.as_mut().reset(after(now, look).into());
                    armed = false;
                    continue;
                }
                timer.as_mut().reset(until.min(after(now, look)).into());
                armed = false;
            }
            if !armed && timer.as_mut().poll(cx).is_ready() {
                continue;
            }
            armed = true;
            return Poll::Pending;
        }
    })
    .await;
}

/// Until when a connection may go on waiting for what it waits for.
fn until(waiting: Waiting, now: Instant, limits: &Limits) -> Instant {
    match waiting {
        Waiting::First(since) | Waiting::Head(since) => after(since, limits.header_time),
        Waiting::Next(since) => after(since, limits.idle_time),
        Waiting::Client(since) => after(since, limits.body_idle),
        // Requests and bodies keep their own time; look again later.
        Waiting::Work => after(now, limits.idle_time.max(LOOK_MIN)),
    }
}
