//! The body of an answer on its way to the client: passed on frame by frame, only as fast as the client takes it, and
//! told to the ticket of its request, which ends with it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use mamparo_transform::AnswerBody;

use super::Ticket;
use super::stream::{BrokenOff, Left, Stream, Tail};
use crate::transform;

/// The body of an answer.
pub(crate) struct Body {
    content: Content,
    /// Nothing where something else minds the request to its end.
    ticket: Option<Ticket>,
}

#[expect(clippy::large_enum_variant, reason = "a box would be an allocation per request")]
enum Content {
    Own(Option<Bytes>),
    Service(Stream),
    /// What a service sends, in other words.
    Changed(Pin<Box<AnswerBody<Tail>>>, Option<Left>),
}

impl Body {
    /// Nothing, of an answer that is not the end of its request.
    pub(crate) fn empty() -> Self {
        Self { content: Content::Own(None), ticket: None }
    }

    /// A body that is at hand.
    pub(crate) fn own(bytes: Bytes, mut ticket: Ticket) -> Self {
        ticket.completes();
        Self { content: Content::Own((!bytes.is_empty()).then_some(bytes)), ticket: Some(ticket) }
    }

    /// The body that a service sends.
    pub(crate) fn service(stream: Stream, ticket: Ticket) -> Self {
        Self::new(Content::Service(stream), ticket)
    }

    /// The same in other words; where it may be read on without the client, what that holds is left there.
    pub(crate) fn changed(body: Pin<Box<AnswerBody<Tail>>>, left: Option<Left>, ticket: Ticket) -> Self {
        Self::new(Content::Changed(body, left), ticket)
    }

    fn new(content: Content, mut ticket: Ticket) -> Self {
        if content.is_end_stream() {
            ticket.completes();
        }
        Self { content, ticket: Some(ticket) }
    }
}

impl Drop for Body {
    /// The client is gone before the end: what is being kept is read on without it.
    fn drop(&mut self) {
        let Some(ticket) = &mut self.ticket else { return };
        match &self.content {
            Content::Changed(_, Some(left)) => left.set(ticket.releases()),
            Content::Service(stream) if stream.is_kept() => {
                if let Content::Service(stream) = std::mem::replace(&mut self.content, Content::Own(None)) {
                    stream.read_on(ticket.releases());
                }
            }
            Content::Own(_) | Content::Service(_) | Content::Changed(_, None) => {}
        }
    }
}

impl Content {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Service(stream) => Pin::new(stream).poll_frame(cx),
            Self::Changed(body, _) => body.as_mut().poll_frame(cx).map_err(transform::broken_off),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Service(stream) => stream.is_end_stream(),
            Self::Changed(body, _) => body.is_end_stream(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        let Some(ticket) = &mut this.ticket else { return Poll::Ready(None) };
        let frame = ready!(this.content.poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    ticket.sends(data.len());
                }
                if frame.is_trailers() || this.content.is_end_stream() {
                    ticket.completes();
                }
            }
            Some(Err(error)) => ticket.failed(error.code()),
            None => ticket.completes(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Service(stream) => stream.size_hint(),
            Content::Changed(body, _) => body.size_hint(),
        }
    }
}
