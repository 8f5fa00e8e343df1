//! The body of an answer, compressed on its way: only as fast as it is taken, never held but for what the coder
//! keeps, and flushed where nothing more comes for now, so that streams of events move.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::coder::Coder;
use crate::body::BodyError;
use crate::limits::{COMPRESS_HELD_BYTES, COMPRESS_POLL_BYTES, COMPRESS_STEP_BYTES};

pin_project! {
    /// A compressed body. Trailers are passed on.
    #[derive(Debug)]
    pub struct Compressed<B> {
        #[pin]
        inner: B,
        // Boxed, so that answers that are not compressed need not carry room for it.
        work: Box<Work>,
    }
}

#[derive(Debug)]
struct Work {
    /// Nothing once all is done.
    coder: Option<Coder>,
    /// What came, and was not given to the coder yet.
    input: Bytes,
    trailers: Option<HeaderMap>,
    /// Bytes that went in since the coder was flushed.
    held: usize,
    /// Whether it is flushed whenever nothing comes.
    is_stream: bool,
}

impl<B: Body> Compressed<B> {
    pub(super) fn new(coder: Coder, inner: B) -> io::Result<Self> {
        let is_stream = inner.size_hint().exact().is_none();
        let work = Work { coder: Some(coder), input: Bytes::new(), trailers: None, held: 0, is_stream };
        Ok(Self { inner, work: Box::new(work) })
    }
}

/// What is to be done next.
enum Step {
    Send(Bytes),
    Read,
    Yield,
}

impl Work {
    /// Gives what came to the coder, until enough has come out, or it was enough for once.
    fn feed(&mut self, fed: &mut usize) -> io::Result<Step> {
        let Some(coder) = &mut self.coder else { return Ok(Step::Read) };
        while !self.input.is_empty() {
            if *fed >= COMPRESS_POLL_BYTES {
                return Ok(Step::Yield);
            }
            let step = self.input.split_to(self.input.len().min(COMPRESS_STEP_BYTES));
            coder.write(&step)?;
            self.held += step.len();
            *fed += step.len();
            if coder.is_full() {
                return Ok(Step::Send(coder.take()));
            }
        }
        Ok(Step::Read)
    }

    /// Nothing comes for now: what the coder keeps is let out where somebody may wait for it.
    fn pause(&mut self) -> io::Result<Option<Bytes>> {
        let must_flush = self.held > 0 && (self.is_stream || self.held > COMPRESS_HELD_BYTES);
        let Some(coder) = self.coder.as_mut().filter(|_| must_flush) else { return Ok(None) };
        coder.flush()?;
        self.held = 0;
        Ok(Some(coder.take()).filter(|out| !out.is_empty()))
    }

    fn finish(&mut self) -> io::Result<Option<Bytes>> {
        let rest = self.coder.take().map(Coder::finish).transpose()?;
        Ok(rest.filter(|rest| !rest.is_empty()))
    }

    fn fail<E: std::error::Error>(&mut self, error: BodyError<E>) -> BodyError<E> {
        self.coder = None;
        self.trailers = None;
        self.input = Bytes::new();
        error
    }
}

impl<B> Body for Compressed<B>
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error + 'static,
{
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        let work = this.work;
        let mut fed = 0;
        while work.coder.is_some() {
            let out = match work.feed(&mut fed) {
                Ok(Step::Send(out)) => Ok(Some(out)),
                Ok(Step::Yield) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Step::Read) => match this.inner.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => {
                            work.input = data;
                            continue;
                        }
                        Err(frame) => {
                            work.trailers = frame.into_trailers().ok();
                            work.finish()
                        }
                    },
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Some(Err(work.fail(BodyError::Inner(error)))));
                    }
                    Poll::Ready(None) => work.finish(),
                    Poll::Pending => match work.pause() {
                        Ok(None) => return Poll::Pending,
                        out => out,
                    },
                },
                Err(error) => Err(error),
            };
            match out {
                Ok(None) => {}
                Ok(Some(out)) => return Poll::Ready(Some(Ok(Frame::data(out)))),
                Err(error) => return Poll::Ready(Some(Err(work.fail(BodyError::Coder(error))))),
            }
        }
        Poll::Ready(work.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.work.coder.is_none() && self.work.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
