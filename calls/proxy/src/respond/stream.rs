//! What a service sends, as it comes: not beyond the deadline, and the connection is free once all of it was read.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

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
}

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
    pub(crate) fn new(incoming: Incoming, lease: Lease, deadline: Instant, worker: &Rc<Worker>) -> Self {
        let worker = Rc::clone(worker);
        let mut stream = Self { incoming, worker, lease: Some(lease), deadline, timer: None, moved: false };
        if stream.incoming.is_end_stream() {
            stream.end();
        }
        stream
    }

    /// All of it has been read: the connection to the service is free.
    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back(self.worker.clock.now());
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
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BrokenOff::Service(error)))),
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => self.wait(cx).map(|()| Some(Err(BrokenOff::Late))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
