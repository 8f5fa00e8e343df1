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
        kind: RequestKind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = RequestProjection]
    enum RequestKind<B> {
        Plain { #[pin] body: Content<B> },
        GrpcWeb { #[pin] body: grpc_web::RequestBody<Content<B>> },
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

pin_project! {
    // A body in the words that the client understands, before it is compressed.
    #[derive(Debug)]
    #[project = ToldProjection]
    enum Told<B> {
        Plain { #[pin] body: Content<B> },
        GrpcWeb { #[pin] body: grpc_web::AnswerBody<Content<B>> },
    }
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    pub(super) fn new(call: Option<Call>, body: Content<B>) -> Self {
        let kind = match call {
            None => RequestKind::Plain { body },
            Some(call) => RequestKind::GrpcWeb { body: grpc_web::RequestBody::new(call, body) },
        };
        Self { kind }
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
            None => Told::Plain { body },
            Some(form) => Told::GrpcWeb { body: grpc_web::AnswerBody::new(form, body) },
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
        match self.project().kind.project() {
            RequestProjection::Plain { body } => told(body.poll_frame(cx)),
            RequestProjection::GrpcWeb { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            RequestKind::Plain { body } => body.is_end_stream(),
            RequestKind::GrpcWeb { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            RequestKind::Plain { body } => body.size_hint(),
            RequestKind::GrpcWeb { body } => body.size_hint(),
        }
    }
}

impl<B> Body for Told<B>
where
    B: Body<Data = Bytes>,
    B::Error: Error + 'static,
{
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B::Error> {
        match self.project() {
            ToldProjection::Plain { body } => told(body.poll_frame(cx)),
            ToldProjection::GrpcWeb { body } => body.poll_frame(cx),
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
