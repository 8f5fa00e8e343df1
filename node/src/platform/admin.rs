//! The admin port: health, metrics and the configuration in force. It changes nothing, because it asks nobody who
//! calls; and it answers only to a host that is this machine, so that no page of another host can read it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mamparo_admin::limits::SOCKET_NAME;
use mamparo_admin::{Client, Found};
use mamparo_config::Config;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::metrics::Metrics;
use super::reload::Standing;
use crate::failure::Failure;

/// Connections at the same time; one more is closed.
const CONNECTIONS_MAX: usize = 64;
/// What precedes the name of an application whose metrics are asked for.
const METRICS_OF: &str = "/metrics/";
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a client may take to send its headers.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// What the port shows.
#[derive(Clone)]
pub(crate) struct Face {
    config: watch::Receiver<Arc<Standing>>,
    /// The sockets of the other processes of this data folder, by name.
    others: Arc<BTreeMap<String, PathBuf>>,
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
}

impl Face {
    pub(crate) fn new(
        config: &Config,
        data: &Path,
        metrics: Arc<Metrics>,
        ready: Arc<AtomicBool>,
        standing: watch::Receiver<Arc<Standing>>,
    ) -> Self {
        let names = config.applications.keys();
        let others = names.map(|name| (name.clone(), data.join(name).join(SOCKET_NAME))).collect();
        Self { config: standing, others: Arc::new(others), metrics, ready }
    }

    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.config.borrow())
    }

    /// The metrics of another process of this data folder.
    async fn metrics_of(&self, name: &str) -> Response<Full<Bytes>> {
        let Some(socket) = self.others.get(name) else {
            let known: Vec<&str> = self.others.keys().map(String::as_str).collect();
            let help = format!("there is no application {name}; there are: {}\n", known.join(", "));
            return text(StatusCode::NOT_FOUND, help);
        };
        let found = Found { service: name.to_owned(), socket: socket.clone() };
        match Client::new(found).get("/metrics").await {
            Ok(Value::String(metrics)) => of_type(text(StatusCode::OK, metrics), METRICS_TYPE),
            Ok(_) => text(StatusCode::BAD_GATEWAY, format!("{name} answered with something else\n")),
            Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        }
    }
}

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
    match request.uri().path() {
        "/" => text(
            StatusCode::OK,
            "/healthz\n/readyz\n/metrics\n/metrics/<application>\n/config\n/config/problems\n".into(),
        ),
        "/healthz" => text(StatusCode::OK, "ok\n".into()),
        "/readyz" if face.ready.load(Ordering::Relaxed) => text(StatusCode::OK, "ready\n".into()),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
        "/metrics" => of_type(text(StatusCode::OK, face.metrics.text().await), METRICS_TYPE),
        "/config" => json(&json!(face.standing().config)),
        "/config/problems" => json(&face.standing().report()),
        path if path.starts_with(METRICS_OF) => face.metrics_of(&path[METRICS_OF.len()..]).await,
        _ => text(StatusCode::NOT_FOUND, "/healthz, /readyz, /metrics and /config are here\n".into()),
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

fn json(value: &Value) -> Response<Full<Bytes>> {
    of_type(text(StatusCode::OK, format!("{value:#}\n")), "application/json")
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
