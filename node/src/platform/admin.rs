//! The admin port: health, metrics, the configuration in force and how it is served. It changes nothing, because it asks nobody who
//! calls; and it answers only to a host that is this machine, so that no page of another host can read it.

use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::face::{Face, PATHS, Shown};
use crate::failure::Failure;

/// Connections at the same time; one more is closed.
const CONNECTIONS_MAX: usize = 64;
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a client may take to send its headers.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// A port that is being served until it is dropped.
pub(crate) struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves `face` on `listener`.
pub(crate) fn serve(listener: TcpListener, face: Face) -> Result<Serving, Failure> {
    listener.set_nonblocking(true).map_err(Failure::other)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::other)?;
    Ok(Serving(tokio::spawn(accept(listener, face))))
}

async fn accept(listener: tokio::net::TcpListener, face: Face) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin port cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let face = face.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let face = face.clone();
                async move { Ok::<_, Infallible>(answer(&face, &request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIME)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "an admin connection broke");
            }
            drop(seat);
        });
    }
}

async fn answer(face: &Face, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    face.metrics.admin_requests.inc();
    if !is_this_machine(request.headers()) {
        return text(StatusCode::MISDIRECTED_REQUEST, "the admin port answers only to localhost\n".into());
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "the admin port is read-only\n".into());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    let segments: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
    if segments.is_empty() {
        return text(StatusCode::OK, PATHS.into());
    }
    match face.show(&segments).await {
        Some(Shown::Text(status, body)) => text(status, body),
        Some(Shown::Metrics(metrics)) => of_type(text(StatusCode::OK, metrics), METRICS_TYPE),
        Some(Shown::Json(json)) => of_type(text(StatusCode::OK, format!("{json:#}\n")), "application/json"),
        None => text(StatusCode::NOT_FOUND, format!("here are:\n{PATHS}")),
    }
}

fn is_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    of_type(response, "text/plain; charset=utf-8")
}

fn of_type(mut response: Response<Full<Bytes>>, kind: &'static str) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_answered() {
        for (host, answered) in [
            ("127.0.0.1:9900", true),
            ("[::1]:9900", true),
            ("localhost", true),
            ("LOCALHOST:9900", true),
            ("evil.example:9900", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.7:9900", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            assert_eq!(is_this_machine(&headers), answered, "{host}");
        }
        assert!(!is_this_machine(&HeaderMap::new()));
    }
}
