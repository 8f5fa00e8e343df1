//! Bodies that are held whole, up to a bound, and bodies that pass; and why one that is transformed breaks off.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// Why a body that is transformed on its way breaks off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E: Error + 'static> {
    /// The body itself did.
    #[error(transparent)]
    Inner(E),
    /// What was sent as base64 is none.
    #[error("the text of a gRPC-Web request is not base64")]
    Base64,
    /// The trailers of a gRPC answer are longer than [`GRPC_TRAILERS_BYTES_MAX`](crate::limits::GRPC_TRAILERS_BYTES_MAX).
    #[error("the trailers of a gRPC answer are too long")]
    Trailers,
    /// A coder failed, which happens only where memory ends.
    #[error("an answer cannot be compressed")]
    Coder(#[source] io::Error),
}

impl<E: Error + 'static> BodyError<BodyError<E>> {
    /// The error of the inner body, where it is one of these itself.
    pub fn flatten(self) -> BodyError<E> {
        match self {
            Self::Inner(inner) => inner,
            Self::Base64 => BodyError::Base64,
            Self::Trailers => BodyError::Trailers,
            Self::Coder(error) => BodyError::Coder(error),
        }
    }
}

/// A body that is held whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// Its bytes.
    pub data: Bytes,
    /// Its trailers, if it has any.
    pub trailers: Option<HeaderMap>,
}

/// Why a body could not be held.
#[derive(Debug, thiserror::Error)]
pub enum GatherError<E: Error + 'static> {
    /// The body itself broke off.
    #[error(transparent)]
    Inner(E),
    /// It is longer than it may be: 413 for a request, 502 for an answer.
    #[error("the body has more than {max} bytes")]
    TooLarge {
        /// How long it may be, in bytes.
        max: usize,
    },
}

pin_project! {
    /// Reads a body to its end, as long as it is not longer than it may be. A future; dropping it drops the body.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Gather<B> {
        #[pin]
        inner: B,
        max: usize,
        first: Bytes,
        // Used from the second piece on: one that comes alone is not copied.
        more: BytesMut,
    }
}

/// Reads `body` to its end, if it has at most `max` bytes. A length that is known in advance is refused at once.
pub fn gather<B: Body<Data = Bytes>>(body: B, max: usize) -> Gather<B> {
    Gather { inner: body, max, first: Bytes::new(), more: BytesMut::new() }
}

impl<B> Future for Gather<B>
where
    B: Body<Data = Bytes>,
    B::Error: Error + 'static,
{
    type Output = Result<Whole, GatherError<B::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let too_large = Poll::Ready(Err(GatherError::TooLarge { max: *this.max }));
        let mut trailers = None;
        loop {
            let held = this.first.len() + this.more.len();
            let left = (*this.max).saturating_sub(held);
            if this.inner.size_hint().lower() > left as u64 {
                return too_large;
            }
            let data = match ready!(this.inner.as_mut().poll_frame(cx)) {
                None => break,
                Some(Err(error)) => return Poll::Ready(Err(GatherError::Inner(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(frame) => {
                        trailers = frame.into_trailers().ok();
                        break;
                    }
                },
            };
            if data.len() > left {
                return too_large;
            }
            if this.first.is_empty() {
                *this.first = data;
            } else {
                this.more.extend_from_slice(&data);
            }
        }
        let first = std::mem::take(this.first);
        let data = if this.more.is_empty() {
            first
        } else {
            let mut all = BytesMut::with_capacity(first.len() + this.more.len());
            all.extend_from_slice(&first);
            all.extend_from_slice(&this.more.split());
            all.freeze()
        };
        Poll::Ready(Ok(Whole { data, trailers }))
    }
}

pin_project! {
    /// A body that passes, or one that was held.
    #[derive(Debug)]
    pub struct Content<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjection]
    enum Kind<B> {
        Stream { #[pin] body: B },
        Whole { body: Whole },
    }
}

impl<B> Content<B> {
    /// A body that passes.
    pub fn stream(body: B) -> Self {
        Self { kind: Kind::Stream { body } }
    }

    /// A body that was held.
    pub fn whole(body: Whole) -> Self {
        Self { kind: Kind::Whole { body } }
    }
}

impl<B: Body<Data = Bytes>> Body for Content<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Stream { body } => body.poll_frame(cx),
            KindProjection::Whole { body } if !body.data.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut body.data)))))
            }
            KindProjection::Whole { body } => {
                Poll::Ready(body.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Stream { body } => body.is_end_stream(),
            Kind::Whole { body } => body.data.is_empty() && body.trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Stream { body } => body.size_hint(),
            Kind::Whole { body } => SizeHint::with_exact(body.data.len() as u64),
        }
    }
}
