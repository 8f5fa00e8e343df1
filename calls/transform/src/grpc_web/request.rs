//! The body of a request by gRPC-Web on its way to the service: its base64 is read piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::base64::{Decoder, Malformed};
use super::{Call, Form};
use crate::body::BodyError;

pin_project! {
    /// The body of a gRPC request.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        // Nothing where the body is binary.
        decoder: Option<Decoder>,
        failed: bool,
    }
}

impl<B: Body> RequestBody<B> {
    /// The body of a request of this call.
    pub fn new(call: Call, inner: B) -> Self {
        let decoder = (call.request == Form::Text).then(Decoder::default);
        Self { inner, decoder, failed: false }
    }
}

impl<B> Body for RequestBody<B>
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
        if *this.failed {
            return Poll::Ready(None);
        }
        loop {
            let frame = ready!(this.inner.as_mut().poll_frame(cx));
            let Some(decoder) = this.decoder else {
                return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Inner)));
            };
            let decoded = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(text) => match decoder.decode(&text) {
                        // no group has come to its end
                        Ok(bytes) if bytes.is_empty() => continue,
                        Ok(bytes) => Ok(Some(Frame::data(bytes))),
                        Err(malformed) => Err(malformed),
                    },
                    Err(trailers) => decoder.finish().map(|()| Some(trailers)),
                },
                Some(Err(error)) => {
                    *this.failed = true;
                    return Poll::Ready(Some(Err(BodyError::Inner(error))));
                }
                None => decoder.finish().map(|()| None),
            };
            return Poll::Ready(match decoded {
                Ok(frame) => frame.map(Ok),
                Err(Malformed) => {
                    *this.failed = true;
                    Some(Err(BodyError::Base64))
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.decoder {
            None => self.inner.is_end_stream(),
            Some(decoder) => self.failed || (self.inner.is_end_stream() && decoder.finish().is_ok()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.decoder {
            None => self.inner.size_hint(),
            Some(_) if self.is_end_stream() => SizeHint::with_exact(0),
            Some(_) => SizeHint::default(),
        }
    }
}
