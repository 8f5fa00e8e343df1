//! HTTP/2 without TLS: one unary answer of gRPC, its status in trailers.

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

/// Serves until the process ends.
pub(super) fn serve(socket: TcpListener, message: Bytes) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let socket = tokio::net::TcpListener::from_std(socket).unwrap();
        while let Ok((stream, _)) = socket.accept().await {
            stream.set_nodelay(true).unwrap();
            let message = message.clone();
            let service = service_fn(move |request| answer(request, message.clone()));
            let serving =
                http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                // A proxy that goes away is no failure.
                let _ = serving.await;
            });
        }
    });
}

async fn answer(request: Request<Incoming>, message: Bytes) -> Result<Response<Unary>, Infallible> {
    // The call is read whole before it is answered.
    let _ = request.into_body().collect().await;
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let body = Unary { message: Some(message), trailers: Some(HeaderMap::from_iter([status])) };
    Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}

/// A message, and then trailers; of a length that is not told before.
struct Unary {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Unary {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.message.take().map(Frame::data);
        Poll::Ready(frame.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}
