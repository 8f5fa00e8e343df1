//! The body of a request on its way to the service: counted, timed, and never held.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use mamparo_context::Clock;
use tokio::time::Sleep;

use crate::accept::Wire;
use crate::limits::after;
use crate::problem::Problem;

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Upload(Option<Box<Streaming>>);

#[derive(Debug)]
struct Streaming {
    incoming: Incoming,
    watch: Watch,
}

#[derive(Debug)]
struct Watch {
    fate: Rc<Fate>,
    wire: Rc<Wire>,
    clock: Clock,
    bound: u64,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether bytes came since the timer was set.
    moved: bool,
}

/// What became of the body, for the stops that wait for the answer.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    bytes: Cell<u64>,
    failure: Cell<Option<Problem>>,
    sent: Cell<Option<Instant>>,
}

impl Fate {
    /// Bytes that came so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Why the body was given up, if it was.
    pub(crate) fn failure(&self) -> Option<Problem> {
        self.failure.get()
    }

    /// When all of it had been read.
    pub(crate) fn sent(&self) -> Option<Instant> {
        self.sent.get()
    }
}

impl Upload {
    /// No body.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn new(
        incoming: Incoming,
        bound: u64,
        idle: Duration,
        wire: &Rc<Wire>,
        clock: &Clock,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self::NONE;
        }
        let watch = Watch {
            fate: Rc::default(),
            wire: Rc::clone(wire),
            clock: clock.clone(),
            bound,
            idle,
            timer: None,
            moved: false,
        };
        Self(Some(Box::new(Streaming { incoming, watch })))
    }

    /// What will become of the body; nothing where there is none.
    pub(crate) fn fate(&self) -> Option<Rc<Fate>> {
        self.0.as_ref().map(|body| Rc::clone(&body.watch.fate))
    }

    /// Whether its length is not known in advance.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.0.as_ref().is_some_and(|body| body.incoming.size_hint().exact().is_none())
    }
}

impl Watch {
    fn fail(&self, problem: Problem) -> Problem {
        self.fate.failure.set(Some(problem));
        problem
    }

    fn count(&mut self, frame: &Frame<Bytes>, is_last: bool) -> Result<(), Problem> {
        self.moved = true;
        if let Some(data) = frame.data_ref() {
            let bytes = self.fate.bytes.get() + data.len() as u64;
            self.fate.bytes.set(bytes);
            if bytes > self.bound {
                return Err(self.fail(Problem::BodyTooLarge));
            }
        }
        if is_last || frame.is_trailers() {
            self.fate.sent.set(Some(self.clock.now()));
        }
        Ok(())
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Problem> {
        let idle = self.idle;
        let timer = match &mut self.timer {
            Some(timer) => {
                if self.moved {
                    timer.as_mut().reset(after(self.clock.now(), idle).into());
                }
                timer
            }
            none => none.insert(Box::pin(tokio::time::sleep(idle))),
        };
        self.moved = false;
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(self.fail(Problem::BodyTimeout))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Problem;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Problem>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let Streaming { incoming, watch } = &mut **body;
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let counted = watch.count(&frame, incoming.is_end_stream());
                Poll::Ready(Some(counted.map(|()| frame)))
            }
            Poll::Ready(Some(Err(_))) => {
                let problem = if watch.wire.body_is_broken() {
                    Problem::Framing("a chunk of the body is malformed")
                } else {
                    Problem::BodyBroken
                };
                Poll::Ready(Some(Err(watch.fail(problem))))
            }
            Poll::Ready(None) => {
                watch.fate.sent.set(Some(watch.clock.now()));
                Poll::Ready(None)
            }
            Poll::Pending => watch.wait(cx).map(|problem| Some(Err(problem))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.incoming.size_hint())
    }
}
