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
use crate::limits::{LOOK_MIN, Limits, REST_AFTER, after};
use crate::respond::Body;

/// A connection that is being served, whatever is spoken on it.
pub(super) trait Serving {
    /// Whether what it holds can be given up while it rests.
    const RESTS: bool;

    fn serve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>>;
    /// Takes no more requests, and ends when those that are under way have ended.
    fn close_gently(&mut self);
}

impl<T, S> Serving for http1::Connection<TokioIo<T>, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = Body> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    const RESTS: bool = true;

    fn serve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.poll_without_shutdown(cx)
    }

    fn close_gently(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<T, S> Serving for Pin<Box<http2::Connection<TokioIo<T>, S, StreamExecutor>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    StreamExecutor: Http2ServerConnExec<S::Future, Body>,
{
    const RESTS: bool = false;

    fn serve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.as_mut().poll(cx)
    }

    fn close_gently(&mut self) {
        self.as_mut().graceful_shutdown();
    }
}

/// How the keeping of a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All has been said.
    Ended,
    /// Nothing happens on it: what it holds can be given up until something does.
    Rests,
    /// It broke, or is given up.
    Broken,
}

/// Serves a connection, and keeps its times.
pub(super) async fn keep<S: Serving>(peer: &Peer, serving: &mut S) -> Kept {
    let (worker, wire) = (peer.worker(), &peer.wire);
    let limits = &worker.limits;
    let mut drain = pin!(worker.drain.begins());
    // No wait begins unnoticed that may end sooner than the next look.
    let mut look = limits.idle_time.max(LOOK_MIN);
    if S::RESTS {
        look = look.min(REST_AFTER);
    }
    // Since when the last request has ended, where that was long enough ago.
    let mut resting: Option<Instant> = None;
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
                serving.close_gently();
            }
            if let Poll::Ready(served) = serving.serve(cx) {
                if let Err(error) = served {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
                    return Poll::Ready(Kept::Broken);
                }
                // Unless a request came in the last moment: its answer has said that nothing follows.
                let rests = resting.is_some_and(|since| wire.waiting() == Waiting::Next(since));
                return Poll::Ready(if rests { Kept::Rests } else { Kept::Ended });
            }
            if closing.is_none()
                && (worker.drain.has_begun() || (!watching && drain.as_mut().poll(cx).is_ready()))
            {
                let now = worker.clock.now();
                closing = Some(now);
                serving.close_gently();
                timer.as_mut().reset(after(now, limits.linger_time).into());
                armed = false;
                continue;
            }
            watching = true;
            if wire.take_sooner() || timer.is_elapsed() {
                if wire.is_abused() {
                    worker.metrics.connections_abused.inc();
                    return Poll::Ready(Kept::Broken);
                }
                let now = worker.clock.now();
                let mut until = until(wire.waiting(), now, limits);
                if let (Some(begun), Waiting::First(since) | Waiting::Next(since)) = (closing, wire.waiting())
                {
                    // Nothing is under way, and the other end does not close.
                    until = after(begun.max(since), limits.linger_time);
                    if until <= now {
                        return Poll::Ready(Kept::Broken);
                    }
                }
                if let (None, Waiting::Next(since)) = (closing, wire.waiting())
                    && S::RESTS
                    && now >= after(since, REST_AFTER)
                    && until > now
                {
                    (closing, resting) = (Some(now), Some(since));
                    serving.close_gently();
                    timer.as_mut().reset(after(now, look).into());
                    armed = false;
                    continue;
                }
                if until <= now {
                    match wire.waiting() {
                        Waiting::Head(_) => wire.head_is_late(),
                        Waiting::Client(_) => return Poll::Ready(Kept::Broken),
                        _ => {
                            closing = Some(now);
                            serving.close_gently();
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
    .await
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
