//! What a service sends, as it comes: not beyond the deadline, and the connection is free once all of it was read.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use mamparo_http_cache::Fill;
use tokio::time::Sleep;

use super::{Flow, Held};
use crate::cached::Rest;
use crate::limits::after;
use crate::pool::Lease;
use crate::problem::Problem;
use crate::worker::Worker;

/// The body that a service sends.
pub(crate) struct Stream {
    incoming: Incoming,
    worker: Rc<Worker>,
    /// The connection that the answer occupies, until it has been read whole.
    lease: Option<Lease>,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether bytes came since the timer was set.
    moved: bool,
    /// Who keeps what comes.
    fill: Option<Fill>,
}

/// A stream whose end somebody else sees to: where it is dropped before, what is being kept is read on.
pub(crate) struct Tail {
    /// Nothing once it is dropped.
    stream: Option<Stream>,
    /// What the request holds of the policies, from the moment that its client is gone.
    left: Left,
}

/// Where a request leaves what it holds.
pub(crate) type Left = Rc<Cell<Option<Box<Held>>>>;

/// Why the body of an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenOff {
    #[error("the service broke off its answer")]
    Service(#[source] hyper::Error),
    #[error("the answer stood still, or the deadline passed")]
    Late,
    #[error("the answer cannot be told in the words of its client")]
    Untold(#[source] mamparo_transform::BodyError<std::convert::Infallible>),
}

impl BrokenOff {
    /// What it is called in the log.
    pub(crate) const fn code(&self) -> &'static str {
        self.problem().code()
    }

    /// What a client is told that has heard nothing of the answer yet.
    pub(crate) const fn problem(&self) -> Problem {
        match self {
            Self::Service(_) => Problem::BrokenOff,
            Self::Late => Problem::UpstreamTimeout,
            Self::Untold(_) => Problem::AnswerTemplate,
        }
    }
}

impl Stream {
    pub(crate) fn new(
        (incoming, Flow { lease, deadline }): (Incoming, Flow),
        fill: Option<Fill>,
        worker: &Rc<Worker>,
    ) -> Self {
        let (worker, lease) = (Rc::clone(worker), Some(lease));
        let mut stream = Self { incoming, worker, lease, deadline, timer: None, moved: false, fill };
        if stream.incoming.is_end_stream() {
            stream.end();
        }
        stream
    }

    /// All of it has been read: the connection to the service is free.
    fn end(&mut self) {
        if let Some(fill) = self.fill.take() {
            fill.finish();
        }
        if let Some(lease) = self.lease.take() {
            lease.give_back(self.worker.clock.now());
        }
    }

    /// Whether somebody keeps it, and it has not come to its end.
    pub(crate) const fn is_kept(&self) -> bool {
        self.fill.is_some()
    }

    /// Reads on what is being kept, without the client.
    pub(super) fn read_on(self, held: Option<Box<Held>>) {
        let Self { incoming, worker, lease: Some(lease), deadline, fill, .. } = self else { return };
        Rest { incoming, of: Flow { lease, deadline }, fill, held }.read(&worker);
    }

    /// A piece has come: it is kept, too, as long as it is not too much.
    fn keep(&mut self, data: &Bytes) {
        if let Some(fill) = &mut self.fill {
            fill.push(data);
            if !fill.is_open() {
                self.fill = None;
            }
        }
    }

    /// Nothing is there: how long that may last.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let worker = &self.worker;
        let until = || self.deadline.min(after(worker.clock.now(), worker.limits.body_idle)).into();
        let timer = match &mut self.timer {
            Some(timer) => {
                if self.moved {
                    timer.as_mut().reset(until());
                }
                timer
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(until()))),
        };
        self.moved = false;
        timer.as_mut().poll(cx)
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.moved = true;
                if let Some(data) = frame.data_ref() {
                    self.keep(data);
                }
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.fill = None;
                Poll::Ready(Some(Err(BrokenOff::Service(error))))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => self.wait(cx).map(|()| {
                self.fill = None;
                Some(Err(BrokenOff::Late))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Tail {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: Some(stream), left: Left::default() }
    }

    pub(crate) fn left(&self) -> Left {
        Rc::clone(&self.left)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take().filter(Stream::is_kept) {
            stream.read_on(self.left.take());
        }
    }
}

impl Body for Tail {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
