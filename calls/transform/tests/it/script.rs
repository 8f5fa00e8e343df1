//! A body that follows a script: pieces, pauses, trailers, an end or a failure; and someone who reads it whole.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) enum Line {
    Data(Bytes),
    Pause,
    Trailers(HeaderMap),
    Fail,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

#[derive(Debug)]
pub(crate) struct Script {
    lines: VecDeque<Line>,
    knows_length: bool,
    /// Frames that were taken.
    pub(crate) taken: Arc<AtomicUsize>,
}

impl Script {
    pub(crate) fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        Self { lines: lines.into_iter().collect(), knows_length: false, taken: Arc::default() }
    }

    pub(crate) fn of_known_length(mut self) -> Self {
        self.knows_length = true;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(line) = self.lines.pop_front() else { return Poll::Ready(None) };
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(match line {
            Line::Data(data) => Ok(Frame::data(data)),
            Line::Trailers(trailers) => Ok(Frame::trailers(trailers)),
            Line::Fail => Err(Broken),
            Line::Pause => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.lines.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |line: &Line| if let Line::Data(data) = line { data.len() as u64 } else { 0 };
        match self.knows_length {
            true => SizeHint::with_exact(self.lines.iter().map(length).sum()),
            false => SizeHint::default(),
        }
    }
}

/// What came out of a body.
#[derive(Debug)]
pub(crate) struct Read<E> {
    pub(crate) data: Vec<u8>,
    pub(crate) frames: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) failure: Option<E>,
}

#[derive(Debug, Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads a body to its end. A body that waits without having somebody wake it hangs a server: that is a failure.
pub(crate) fn read<B: Body<Data = Bytes>>(body: B) -> Read<B::Error> {
    let mut read = Read { data: Vec::new(), frames: Vec::new(), trailers: None, failure: None };
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut body = pin!(body);
    loop {
        let before = woken.0.load(Ordering::Relaxed);
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Pending => assert!(woken.0.load(Ordering::Relaxed) > before, "nobody wakes it"),
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(error))) => {
                read.failure = Some(error);
                break;
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    assert!(read.trailers.is_none(), "data after trailers");
                    read.data.extend_from_slice(&data);
                    read.frames.push(data);
                }
                Err(frame) => read.trailers = frame.into_trailers().ok(),
            },
        }
    }
    assert!(read.failure.is_some() || body.is_end_stream() || read.trailers.is_none());
    read
}

/// The same bytes, cut and paused in any way.
pub(crate) fn cut(bytes: &[u8], cuts: &[(usize, bool)]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    for &(length, pauses) in cuts {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        lines.push(Line::Data(Bytes::copy_from_slice(piece)));
        rest = after;
        if pauses {
            lines.push(Line::Pause);
        }
    }
    lines.push(Line::Data(Bytes::copy_from_slice(rest)));
    lines
}

pub(crate) fn cuts(longest: usize) -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0..longest, any::<bool>()), 0..12)
}

pub(crate) fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("1"));
    trailers
}
