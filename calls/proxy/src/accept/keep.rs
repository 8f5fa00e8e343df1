//! Who keeps the times of a connection: it is served as long as something happens on it, closed gently where
//! nothing does, and dropped where the other end does not even take that.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::serve::StreamExecutor;
use super::wire::Waiting;
use super::{Peer, Protocol};
use crate::limits::{LOOK_MIN, Limits, after};
use crate::respond::Body;

/// A connection that is being served, whatever is spoken on it.
pub(super) trait Serving {
    fn serve(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>>;
    /// Takes no more requests, and ends when those that are under way have ended.
    fn close_gently(self: Pin<&mut Self>);
}

impl<T, S> Serving for http1::UpgradeableConnection<TokioIo<T>, S>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn serve(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.poll(cx)
    }

    fn close_gently(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<T, S> Serving for http2::Connection<TokioIo<T>, S, StreamExecutor>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    StreamExecutor: Http2ServerConnExec<S::Future, Body>,
{
    fn serve(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.poll(cx)
    }

    fn close_gently(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves a connection, and keeps its times.
pub(super) async fn keep(peer: &Peer, mut serving: Pin<&mut impl Serving>) {
    let (worker, wire) = (peer.worker(), &peer.wire);
    let limits = &worker.limits;
    let mut drain = pin!(worker.drain.begins());
    // No wait begins unnoticed that may end sooner than the next look.
    let look = limits.idle_time.max(LOOK_MIN);
    let mut timer = pin!(tokio::time::sleep(limits.header_time.min(look)));
    // Both wake this task whenever they resolve, so they are polled once and then only looked at.
    let (mut armed, mut watching) = (false, false);
    // Since when it is being closed.
    let mut closing: Option<Instant> = None;
    poll_fn(|cx| {
        loop {
            // One of HTTP/1.1 ends with an answer that says so. One of HTTP/2 that rests is left alone until then, too.
            let at_work = matches!(wire.waiting(), Waiting::Work | Waiting::Client(_));
            let leaves = peer.protocol == Protocol::Http2 && worker.drain.is_leaving();
            if closing.is_none() && at_work && leaves {
                closing = Some(worker.clock.now());
                serving.as_mut().close_gently();
            }
            if let Poll::Ready(served) = serving.as_mut().serve(cx) {
                if let Err(error) = served {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
                }
                return Poll::Ready(());
            }
            if closing.is_none()
                && (worker.drain.has_begun() || (!watching && drain.as_mut().poll(cx).is_ready()))
            {
                let now = worker.clock.now();
                closing = Some(now);
                serving.as_mut().close_gently();
                timer.as_mut().reset(after(now, limits.linger_time).into());
                armed = false;
                continue;
            }
            watching = true;
            if wire.take_sooner() || timer.is_elapsed() {
                if wire.is_abused() {
                    worker.metrics.connections_abused.inc();
                    return Poll::Ready(());
                }
                let now = worker.clock.now();
                let mut until = until(wire.waiting(), now, limits);
                if let (Some(begun), Waiting::First(since) | Waiting::Next(since)) = (closing, wire.waiting())
                {
                    // Nothing is under way, and the other end does not close.
                    until = after(begun.max(since), limits.linger_time);
                    if until <= now {
                        return Poll::Ready(());
                    }
                }
                if until <= now {
                    match wire.waiting() {
                        Waiting::Head(_) => wire.head_is_late(),
                        Waiting::Client(_) => return Poll::Ready(()),
                        _ => {
                            closing = Some(now);
                            serving.as_mut().close_gently();
                        }
                    }
                    timer.as_mut().reset(after(now, look.min(limits.linger_time.max(LOOK_MIN))).into());
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
