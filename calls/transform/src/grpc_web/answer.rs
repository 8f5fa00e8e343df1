//! The body of a gRPC answer on its way to a client of gRPC-Web: messages pass as they come, trailers become the last
//! message, and in the text form all of it is base64.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::base64::Encoder;
use super::{AnswerForm, Form, GRPC_STATUS};
use crate::body::BodyError;
use crate::limits::GRPC_TRAILERS_BYTES_MAX;

/// The first byte of a message that holds trailers, not compressed.
const TRAILERS: u8 = 0x80;

/// What a client is told where a service said nothing of how a call ended: `UNKNOWN`, as the protocol asks.
const NO_STATUS: &[u8] = b"grpc-status: 2\r\ngrpc-message: the service ended the call without a status\r\n";

pin_project! {
    /// The body of an answer by gRPC-Web.
    #[derive(Debug)]
    pub struct AnswerBody<B> {
        #[pin]
        inner: B,
        encoder: Option<Encoder>,
        has_status: bool,
        ended: bool,
    }
}

impl<B: Body> AnswerBody<B> {
    /// The body of an answer whose head was turned by [`answer`](super::answer()).
    pub fn new(form: AnswerForm, inner: B) -> Self {
        let encoder = (form.form == Form::Text).then(Encoder::default);
        // An answer of trailers only has its status in the head, and no body (PROTOCOL-WEB, message framing 4).
        let ended = form.has_status && inner.is_end_stream();
        Self { inner, encoder, has_status: form.has_status, ended }
    }
}

impl<B> Body for AnswerBody<B>
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
        while !*this.ended {
            let encoder = this.encoder.as_mut();
            let out = match this.inner.as_mut().poll_frame(cx) {
                Poll::Pending => {
                    // What waits for the rest of its group would keep back the end of a message.
                    return match encoder.and_then(Encoder::flush) {
                        Some(text) => Poll::Ready(Some(Ok(Frame::data(text.into())))),
                        None => Poll::Pending,
                    };
                }
                Poll::Ready(Some(Err(error))) => {
                    *this.ended = true;
                    return Poll::Ready(Some(Err(BodyError::Inner(error))));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => match encoder {
                        Some(encoder) => encoder.encode(&data).into(),
                        None => data,
                    },
                    Err(frame) => {
                        *this.ended = true;
                        match frame.into_trailers().map(|trailers| block(&trailers, *this.has_status)) {
                            Ok(Some(block)) => last(&block, encoder),
                            Ok(None) => return Poll::Ready(Some(Err(BodyError::Trailers))),
                            Err(_) => continue,
                        }
                    }
                },
                Poll::Ready(None) => {
                    *this.ended = true;
                    let block = if *this.has_status { None } else { Some(NO_STATUS) };
                    match (block, encoder) {
                        (Some(block), encoder) => last(block, encoder),
                        (None, encoder) => encoder.and_then(Encoder::flush).unwrap_or_default().into(),
                    }
                }
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        if self.ended { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

/// Trailers as lines; nothing where they are too long.
fn block(trailers: &HeaderMap, has_status: bool) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    for (name, value) in trailers {
        block.extend_from_slice(name.as_str().as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\r\n");
        if block.len() > GRPC_TRAILERS_BYTES_MAX {
            return None;
        }
    }
    if !has_status && !trailers.contains_key(GRPC_STATUS) {
        block.extend_from_slice(NO_STATUS);
    }
    Some(block)
}

/// The last message, in the form of the answer.
fn last(block: &[u8], encoder: Option<&mut Encoder>) -> Bytes {
    let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
    let mut message = BytesMut::with_capacity(5 + block.len());
    message.put_u8(TRAILERS);
    message.put_u32(length);
    message.put_slice(block);
    match encoder {
        Some(encoder) => {
            let mut text = encoder.encode(&message);
            text.extend(encoder.flush());
            text.into()
        }
        None => message.freeze(),
    }
}
