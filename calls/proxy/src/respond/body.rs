//! The body of an answer on its way to the client: passed on frame by frame, only as fast as the client takes it,
//! and not beyond the deadline.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use mamparo_http_cache::Fill;
use tokio::time::Sleep;

use super::{Flow, Ticket};
use crate::cached::Rest;
use crate::limits::after;
use crate::pool::Lease;

/// The body of an answer.
pub(crate) struct Body {
    content: Content,
    /// Nothing where something else minds the request to its end.
    ticket: Option<Ticket>,
}

enum Content {
    Own(Option<Bytes>),
    Service(Stream),
}

struct Stream {
    incoming: Incoming,
    /// The connection that the answer occupies, until it has been read whole.
    lease: Option<Lease>,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether bytes came since the timer was set.
    moved: bool,
    /// Who keeps what comes.
    fill: Option<Fill>,
}

/// Why the body of an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenOff {
    #[error("the service broke off its answer")]
    Service(#[source] hyper::Error),
    #[error("the answer stood still, or the deadline passed")]
    Late,
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
    pub(crate) fn service(
        (incoming, Flow { lease, deadline }): (Incoming, Flow),
        fill: Option<Fill>,
        ticket: Ticket,
    ) -> Self {
        let stream = Stream { incoming, lease: Some(lease), deadline, timer: None, moved: false, fill };
        let mut body = Self { content: Content::Service(stream), ticket: Some(ticket) };
        body.end_if_ended();
        body
    }

    fn end_if_ended(&mut self) {
        if matches!(&self.content, Content::Service(stream) if http_body::Body::is_end_stream(&stream.incoming))
        {
            self.end();
        }
    }

    /// All of it has been read: the connection to the service is free.
    fn end(&mut self) {
        let Some(ticket) = &mut self.ticket else { return };
        ticket.completes();
        let Content::Service(Stream { lease, fill, .. }) = &mut self.content else { return };
        if let Some(fill) = fill.take() {
            fill.finish();
        }
        if let Some(lease) = lease.take() {
            lease.give_back(ticket.peer().worker().clock.now());
        }
    }
}

impl Drop for Body {
    /// The client is gone before the end: what is being kept is read on without it.
    fn drop(&mut self) {
        if !matches!(&self.content, Content::Service(Stream { fill: Some(_), .. })) {
            return;
        }
        let content = std::mem::replace(&mut self.content, Content::Own(None));
        if let (Content::Service(stream), Some(ticket)) = (content, &mut self.ticket) {
            let Stream { incoming, lease: Some(lease), deadline, fill, .. } = stream else { return };
            let (worker, held) = (Rc::clone(ticket.peer().worker()), ticket.releases());
            Rest { incoming, of: Flow { lease, deadline }, fill, held }.read(&worker);
        }
    }
}

impl Stream {
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
    fn wait(&mut self, cx: &mut Context<'_>, ticket: &Ticket) -> Poll<()> {
        let worker = ticket.peer().worker();
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

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        let Some(ticket) = &mut this.ticket else { return Poll::Ready(None) };
        let stream = match &mut this.content {
            Content::Own(bytes) => {
                let frame = bytes.take().map(|bytes| {
                    ticket.sends(bytes.len());
                    Ok(Frame::data(bytes))
                });
                return Poll::Ready(frame);
            }
            Content::Service(stream) => stream,
        };
        match Pin::new(&mut stream.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                stream.moved = true;
                if let Some(data) = frame.data_ref() {
                    ticket.sends(data.len());
                    stream.keep(data);
                }
                if frame.is_trailers() {
                    this.end()
                } else {
                    this.end_if_ended()
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                ticket.failed("service-broke-off");
                stream.fill = None;
                Poll::Ready(Some(Err(BrokenOff::Service(error))))
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Pending => stream.wait(cx, ticket).map(|()| {
                ticket.failed("service-timeout");
                stream.fill = None;
                Some(Err(BrokenOff::Late))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(bytes) => bytes.is_none(),
            Content::Service(stream) => http_body::Body::is_end_stream(&stream.incoming),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Service(stream) => http_body::Body::size_hint(&stream.incoming),
        }
    }
}
