//! Bodies as all that a route changes leaves them: one type each, whatever is configured.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::compress::{Coding, Compress, Compressed};
use crate::grpc_web::{self, AnswerForm, Call};
use crate::{BodyError, Content};

pin_project! {
    /// The body of a request on its way to the service.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        body: InWords<Content<B>, grpc_web::RequestBody<Content<B>>>,
    }
}

pin_project! {
    /// The body of an answer on its way to the client.
    #[derive(Debug)]
    pub struct AnswerBody<B> {
        #[pin]
        kind: AnswerKind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = AnswerProjection]
    enum AnswerKind<B> {
        Plain { #[pin] body: Told<B> },
        Compressed { #[pin] body: Compressed<Told<B>> },
    }
}

/// What the client is told, before it is compressed.
type Told<B> = InWords<Content<B>, grpc_web::AnswerBody<Content<B>>>;

pin_project! {
    // A body as it is, or in the words that its reader understands.
    #[derive(Debug)]
    #[project = InWordsProjection]
    enum InWords<P, G> {
        Plain { #[pin] body: P },
        GrpcWeb { #[pin] body: G },
    }
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    pub(super) fn new(call: Option<Call>, body: Content<B>) -> Self {
        let body = match call {
            None => InWords::Plain { body },
            Some(call) => InWords::GrpcWeb { body: grpc_web::RequestBody::new(call, body) },
        };
        Self { body }
    }
}

impl<B> AnswerBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Error + 'static,
{
    pub(super) fn new(
        form: Option<AnswerForm>,
        coding: Option<(Coding, &Compress)>,
        body: Content<B>,
    ) -> io::Result<Self> {
        let body = match form {
            None => InWords::Plain { body },
            Some(form) => InWords::GrpcWeb { body: grpc_web::AnswerBody::new(form, body) },
        };
        let kind = match coding {
            None => AnswerKind::Plain { body },
            Some((coding, compress)) => AnswerKind::Compressed { body: compress.body(coding, body)? },
        };
        Ok(Self { kind })
    }
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, BodyError<E>>>>;

/// The same frame, its error told as one of ours.
fn told<E: Error + 'static>(frame: Poll<Option<Result<Frame<Bytes>, E>>>) -> Polled<E> {
    frame.map(|frame| frame.map(|frame| frame.map_err(BodyError::Inner)))
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Error + 'static,
{
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B::Error> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<P, G> Body for InWords<P, G>
where
    P: Body<Data = Bytes>,
    P::Error: Error + 'static,
    G: Body<Data = Bytes, Error = BodyError<P::Error>>,
{
    type Data = Bytes;
    type Error = BodyError<P::Error>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<P::Error> {
        match self.project() {
            InWordsProjection::Plain { body } => told(body.poll_frame(cx)),
            InWordsProjection::GrpcWeb { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain { body } => body.is_end_stream(),
            Self::GrpcWeb { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain { body } => body.size_hint(),
            Self::GrpcWeb { body } => body.size_hint(),
        }
    }
}

impl<B> Body for AnswerBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Error + 'static,
{
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B::Error> {
        match self.project().kind.project() {
            AnswerProjection::Plain { body } => body.poll_frame(cx),
            AnswerProjection::Compressed { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(BodyError::flatten)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            AnswerKind::Plain { body } => body.is_end_stream(),
            AnswerKind::Compressed { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            AnswerKind::Plain { body } => body.size_hint(),
            AnswerKind::Compressed { body } => body.size_hint(),
        }
    }
}
