//! The two parsers, and how they are held to their bounds.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::task::spawn_local;
use tokio::time::Sleep;

use super::keep::{self, Kept};
use super::wire::{Waiting, WireIo};
use super::{Peer, Protocol};
use crate::limits::{
    BUFFER_BYTES, H2_CONNECTION_WINDOW, H2_SEND_BUFFER, H2_STREAM_GRACE, H2_STREAM_WINDOW, H2_STREAMS,
    Limits, after,
};
use crate::respond::Body;
use crate::walk;

/// The parser of HTTP/1.1 within the bounds of a worker.
pub(crate) fn http1(limits: &Limits) -> http1::Builder {
    let mut parser = http1::Builder::new();
    // The keeper of the connection minds the time; the scanner minds the sizes, and these only follow it.
    parser.header_read_timeout(None);
    parser.max_buf_size(BUFFER_BYTES.max(limits.header_bytes.saturating_mul(2)));
    if limits.header_count > 100 {
        parser.max_headers(limits.header_count);
    }
    parser
}

fn http2(limits: &Limits, executor: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let mut parser = http2::Builder::new(executor);
    parser
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(H2_STREAM_WINDOW)
        // Larger than the window of a stream, so that one that is not read does not block the others.
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .enable_connect_protocol();
    parser
}

/// Serves one connection, of which `first` has been read.
pub(super) async fn connection<S>(peer: Rc<Peer>, socket: S, first: Vec<u8>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let worker = peer.worker();
    let (limits, wire, clock) = (&worker.limits, Rc::clone(&peer.wire), worker.clock.clone());
    match peer.protocol {
        Protocol::Http1 => {
            let io = WireIo::http1(socket, first, limits, wire, clock);
            Box::pin(connection1(&peer, io)).await;
        }
        Protocol::Http2 => {
            let io = TokioIo::new(WireIo::passing(socket, first, limits, wire, clock));
            let executor = StreamExecutor::default();
            let next = Rc::clone(&executor.next);
            let service = service_fn(|request| {
                let (peer, cut) = (Rc::clone(&peer), Cut::default());
                *next.borrow_mut() = Some(cut.clone());
                async move { Ok::<_, Infallible>(walk::walk(peer, request, Some(cut)).await) }
            });
            let mut serving = Box::pin(http2(limits, executor).serve_connection(io, service));
            keep::keep(&peer, &mut serving).await;
        }
    }
}

/// Serves a connection of HTTP/1.1 for as long as it lives; while nothing happens on it, it holds no buffers.
async fn connection1<S>(peer: &Rc<Peer>, mut io: WireIo<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    loop {
        let service = service_fn(|request| {
            let peer = Rc::clone(peer);
            // Boxed: hyper keeps room for one of these as long as the connection lives.
            Box::pin(async move {
                let mut answer = walk::walk(Rc::clone(&peer), request, None).await;
                peer.wire.answers();
                if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    // However it ended: no other protocol follows.
                    peer.wire.hand_over(false);
                    // Said in the head or not at all: a client that was not told may be sending just now.
                    if peer.worker().drain.is_leaving() {
                        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                }
                Ok::<_, Infallible>(answer)
            })
        });
        // Boxed, both: what rests does not carry them.
        let mut serving = Box::new(peer.worker().http1.serve_connection(TokioIo::new(io), service));
        let kept = Box::pin(keep::keep(peer, &mut *serving)).await;
        if kept == Kept::Broken {
            return;
        }
        io = given_up(*serving);
        if let Some(tunnel) = peer.wire.take_tunnel() {
            // Whoever asked for it may have given it up.
            let _ = tunnel.send(Box::new(io));
            return;
        }
        if kept == Kept::Ended || !rest(peer, &mut io).await {
            let _ = io.shutdown().await;
            return;
        }
    }
}

/// The socket of a connection that is not served any more. Nothing else of it stays: the buffer of the parser belongs to it
/// even when it is empty.
fn given_up<S, V>(serving: http1::Connection<TokioIo<WireIo<S>>, V>) -> WireIo<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: HttpService<Incoming, ResBody = Body>,
    V::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let http1::Parts { io, read_buf, .. } = serving.into_parts();
    let mut io = io.into_inner();
    io.unread(&read_buf);
    io
}

/// Waits until the client says something: whether it does before its time is over.
async fn rest<S: AsyncRead + Unpin>(peer: &Rc<Peer>, io: &mut WireIo<S>) -> bool {
    let worker = peer.worker();
    let since = match peer.wire.waiting() {
        Waiting::First(since) | Waiting::Next(since) => since,
        // Something is there already.
        Waiting::Head(_) | Waiting::Client(_) | Waiting::Work => return true,
    };
    let until = after(since, worker.limits.idle_time);
    worker.metrics.connections_resting.inc();
    let said = tokio::select! {
        biased;
        said = poll_fn(|cx| io.poll_said(cx)) => said,
        () = tokio::time::sleep_until(until.into()) => false,
        () = worker.drain.begins() => false,
    };
    worker.metrics.connections_resting.dec();
    said
}

/// Until when a stream may live, once that is known. A client that takes no bytes of an answer has nobody look at
/// the time of that answer; this does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Rc<Cell<Option<Instant>>>);

impl Cut {
    pub(crate) fn at(&self, deadline: Instant) {
        self.0.set(Some(after(deadline, H2_STREAM_GRACE)));
    }
}

/// Runs the streams of one connection on its thread, each until its end or until it is cut.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamExecutor {
    /// The cut of the stream that is given next.
    next: Rc<RefCell<Option<Cut>>>,
}

impl<F: Future<Output = ()> + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        match self.next.borrow_mut().take() {
            Some(cut) => spawn_local(until(stream, cut)),
            None => spawn_local(stream),
        };
    }
}

async fn until(stream: impl Future<Output = ()>, cut: Cut) {
    let mut stream = pin!(stream);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match (&mut timer, cut.0.get()) {
            (Some(timer), _) => timer.as_mut().poll(cx),
            (None, None) => Poll::Pending,
            (none, Some(at)) => none.insert(Box::pin(tokio::time::sleep_until(at.into()))).as_mut().poll(cx),
        }
    })
    .await;
}

/// Runs what belongs to a thread on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
