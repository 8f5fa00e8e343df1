//! HTTP/2 without TLS: one unary answer of gRPC, its status in trailers.

use std::convert::Infallible;
use std::net::TcpListener;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
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

async fn answer(
    request: Request<Incoming>,
    message: Bytes,
) -> Result<Response<impl http_body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    // The call is read whole before it is answered.
    let _ = request.into_body().collect().await;
    let status =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(message).with_trailers(async move { Some(Ok(status)) });
    Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}
