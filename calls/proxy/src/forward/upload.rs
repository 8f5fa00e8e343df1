//! The body of a request on its way to the service: counted and timed, and held only where a route may have to send
//! it again, up to a bound.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use mamparo_context::Clock;
use mamparo_transform::{BodyError, RequestBody, Whole};
use tokio::time::Sleep;

use crate::accept::Wire;
use crate::limits::after;
use crate::problem::Problem;

/// The body of a request.
#[derive(Debug, Default)]
pub(crate) struct Upload(Sort);

#[derive(Debug, Default)]
enum Sort {
    #[default]
    None,
    /// At hand: of our own, or held.
    Whole(Bytes),
    /// The same with trailers. Boxed: it is rare.
    Trailed(Box<Whole>),
    Streaming(Box<Streaming>),
}

/// A body as it comes from the client.
#[derive(Debug)]
pub(crate) enum Source {
    Plain(Incoming),
    /// In words that the service does not know, and read on the way.
    GrpcWeb(Box<RequestBody<Incoming>>),
}

#[derive(Debug)]
struct Streaming {
    frames: Frames,
    watch: Watch,
}

#[derive(Debug)]
enum Frames {
    /// Sent once.
    Once(Source),
    /// Sent again perhaps; so many of the frames that were kept have been passed on this time.
    Kept(Rc<Kept>, usize),
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError<hyper::Error>>>>;

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        match self {
            Self::Plain(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Inner),
            Self::GrpcWeb(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::GrpcWeb(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::GrpcWeb(body) => body.size_hint(),
        }
    }
}

/// A body that may be sent again: what came of it so far is kept, up to a bound.
#[derive(Debug)]
pub(crate) struct Kept {
    source: RefCell<Source>,
    frames: RefCell<Vec<Bytes>>,
    /// How many more bytes are kept; nothing when more came, so that it cannot be sent again.
    left: Cell<Option<usize>>,
    length: SizeHint,
    fate: Rc<Fate>,
    /// With what the body is watched again.
    bounds: (u64, Duration),
    wire: Rc<Wire>,
    clock: Clock,
}

impl Kept {
    /// Whether all that came so far is kept.
    pub(crate) fn is_whole(&self) -> bool {
        self.left.get().is_some()
    }

    /// The same body from its beginning.
    pub(crate) fn again(self: &Rc<Self>) -> Upload {
        let (bound, idle) = self.bounds;
        let fate = Rc::clone(&self.fate);
        let watch = Watch::new(fate, bound, idle, &self.wire, &self.clock);
        Upload(Sort::Streaming(Box::new(Streaming { frames: Frames::Kept(Rc::clone(self), 0), watch })))
    }

    fn keep(&self, frame: &Frame<Bytes>) {
        let left = match (frame.data_ref(), self.left.get()) {
            (Some(data), Some(left)) if data.len() <= left => {
                self.frames.borrow_mut().push(data.clone());
                Some(left - data.len())
            }
            // Trailers, or more than is kept.
            _ => {
                self.frames.borrow_mut().clear();
                None
            }
        };
        self.left.set(left);
    }
}

impl Frames {
    /// The next frame, and whether it comes for the first time.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> (Polled, bool) {
        match self {
            Self::Once(source) => (source.poll_frame(cx), true),
            Self::Kept(kept, at) => {
                if let Some(data) = kept.frames.borrow().get(*at) {
                    *at += 1;
                    return (Poll::Ready(Some(Ok(Frame::data(data.clone())))), false);
                }
                let polled = kept.source.borrow_mut().poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &polled {
                    kept.keep(frame);
                    *at = kept.frames.borrow().len();
                }
                (polled, true)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Once(source) => source.is_end_stream(),
            Self::Kept(kept, at) => *at >= kept.frames.borrow().len() && kept.source.borrow().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Once(source) => source.size_hint(),
            // It is asked before the first frame.
            Self::Kept(kept, _) => kept.length,
        }
    }
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
    pub(crate) const NONE: Self = Self(Sort::None);

    /// A body that is at hand.
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self(Sort::Whole(bytes))
    }

    /// A body that was held.
    pub(crate) fn held(whole: Whole) -> Self {
        Self(match whole.trailers {
            Some(_) => Sort::Trailed(Box::new(whole)),
            None if whole.data.is_empty() => Sort::None,
            None => Sort::Whole(whole.data),
        })
    }

    /// Its bytes, where they are at hand.
    pub(crate) fn bytes(&self) -> Option<Bytes> {
        match &self.0 {
            Sort::None => Some(Bytes::new()),
            Sort::Whole(bytes) => Some(bytes.clone()),
            Sort::Trailed(whole) => Some(whole.data.clone()),
            Sort::Streaming(_) => None,
        }
    }

    /// The same, where it is at hand.
    pub(crate) fn copy(&self) -> Option<Self> {
        match &self.0 {
            Sort::None => Some(Self::NONE),
            Sort::Whole(bytes) => Some(Self(Sort::Whole(bytes.clone()))),
            Sort::Trailed(whole) => Some(Self(Sort::Trailed(whole.clone()))),
            Sort::Streaming(_) => None,
        }
    }

    pub(crate) fn new(source: Source, bound: u64, idle: Duration, wire: &Rc<Wire>, clock: &Clock) -> Self {
        if source.is_end_stream() {
            return Self::NONE;
        }
        let watch = Watch::new(Rc::default(), bound, idle, wire, clock);
        Self(Sort::Streaming(Box::new(Streaming { frames: Frames::Once(source), watch })))
    }

    /// Keeps up to `bytes` of the body, so that it can be sent again.
    pub(crate) fn keep(self, bytes: usize) -> (Self, Option<Rc<Kept>>) {
        let Sort::Streaming(streaming) = self.0 else { return (self, None) };
        let Streaming { frames, watch } = *streaming;
        let source = match frames {
            Frames::Once(source) if source.size_hint().lower() <= bytes as u64 => source,
            frames => return (Self(Sort::Streaming(Box::new(Streaming { frames, watch }))), None),
        };
        let length = source.size_hint();
        let kept = Rc::new(Kept {
            length,
            source: RefCell::new(source),
            frames: RefCell::default(),
            left: Cell::new(Some(bytes)),
            fate: Rc::clone(&watch.fate),
            bounds: (watch.bound, watch.idle),
            wire: Rc::clone(&watch.wire),
            clock: watch.clock.clone(),
        });
        let frames = Frames::Kept(Rc::clone(&kept), 0);
        (Self(Sort::Streaming(Box::new(Streaming { frames, watch }))), Some(kept))
    }

    /// What will become of the body; nothing where there is none.
    pub(crate) fn fate(&self) -> Option<Rc<Fate>> {
        match &self.0 {
            Sort::Streaming(body) => Some(Rc::clone(&body.watch.fate)),
            Sort::None | Sort::Whole(_) | Sort::Trailed(_) => None,
        }
    }

    /// Whether its length is not known in advance.
    pub(crate) fn is_open_ended(&self) -> bool {
        matches!(&self.0, Sort::Streaming(body) if body.frames.size_hint().exact().is_none())
    }
}

impl Watch {
    fn new(fate: Rc<Fate>, bound: u64, idle: Duration, wire: &Rc<Wire>, clock: &Clock) -> Self {
        let (wire, clock) = (Rc::clone(wire), clock.clone());
        Self { fate, wire, clock, bound, idle, timer: None, moved: false }
    }

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
        let body = match &mut self.0 {
            Sort::Streaming(body) => body,
            Sort::None => return Poll::Ready(None),
            Sort::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Sort::None;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Sort::Trailed(whole) if !whole.data.is_empty() => {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut whole.data)))));
            }
            Sort::Trailed(whole) => {
                let trailers = whole.trailers.take();
                self.0 = Sort::None;
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
        };
        let Streaming { frames, watch } = &mut **body;
        let (polled, is_new) = frames.poll_frame(cx);
        match polled {
            // What was kept has been counted before.
            Poll::Ready(Some(Ok(frame))) if !is_new => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Ok(frame))) => {
                let counted = watch.count(&frame, frames.is_end_stream());
                Poll::Ready(Some(counted.map(|()| frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let problem = if matches!(error, BodyError::Base64) {
                    Problem::Malformed("the text of a gRPC-Web request is not base64")
                } else if watch.wire.body_is_broken() {
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
        match &self.0 {
            Sort::None => true,
            Sort::Whole(_) | Sort::Trailed(_) => false,
            Sort::Streaming(body) => body.frames.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Sort::None => SizeHint::with_exact(0),
            Sort::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Sort::Trailed(whole) => SizeHint::with_exact(whole.data.len() as u64),
            Sort::Streaming(body) => body.frames.size_hint(),
        }
    }
}
