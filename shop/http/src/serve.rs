//! Serves a router over HTTP/1.1: bounded connections, bounded headers, bounded waiting, and a drain at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::Problem;
use crate::limits::{CONNECTIONS_MAX, DRAIN, HEADERS_BYTES_MAX, HEADERS_WITHIN};

/// How long the listener rests after the system refused it a connection (no more file handles, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Whether the service takes requests: set once it has started, cleared when it stops.
pub type Ready = watch::Receiver<bool>;

/// The routes by which a supervisor asks how the service is: `/healthz` (it lives), `/readyz` (it takes requests).
pub fn health(service: &'static str, ready: Ready) -> Router {
    Router::new()
        .route("/healthz", get(async move || axum::Json(json!({"service": service, "status": "ok"}))))
        .route("/readyz", get(readiness))
        .with_state(ready)
}

async fn readiness(State(ready): State<Ready>) -> Response {
    if *ready.borrow() {
        axum::Json(json!({"status": "ready"})).into_response()
    } else {
        Problem::unavailable("not-ready", "it is starting or stopping", Duration::from_secs(1))
            .into_response()
    }
}

/// Serves until `shutdown` ends, then lets the requests it has finish for [`DRAIN`] at most. Each request is a span
/// where spans are recorded by then.
///
/// Dropped at any await, all connections are closed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let router = match mamparo_telemetry::is_recording() {
        true => router.layer(axum::middleware::from_fn(crate::trace::serve)),
        false => router,
    };
    let (stop, stopped) = watch::channel(false);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let permit = tokio::select! {
            biased;
            () = &mut shutdown => break,
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    stop.send_replace(true);
    let drained =
        tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(open = connections.len(), "connections closed with requests under way");
    }
}

async fn connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay not set");
    }
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = async { _ = stopped.wait_for(|stopped| *stopped).await } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn talk(stream: &mut TcpStream, request: &[u8]) -> String {
        // The server may answer and close before it has read all of a request that is too large.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn it_answers_refuses_large_headers_and_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, is_ready) = watch::channel(false);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, health("orders", is_ready), async {
            let _ = stopped.await;
        }));
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        for (request, status) in [
            (get("/healthz").into_bytes(), "HTTP/1.1 200"),
            (get("/readyz").into_bytes(), "HTTP/1.1 503"),
            (
                [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'x'; 1024 * 1024], b"\r\n\r\n"].concat(),
                "HTTP/1.1 431",
            ),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let answer = talk(&mut stream, &request).await;
            // A reset may overtake the answer to headers that are far too large.
            assert!(answer.starts_with(status) || (status.ends_with("431") && answer.is_empty()), "{answer}");
        }
        ready.send_replace(true);
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(talk(&mut stream, get("/readyz").as_bytes()).await.starts_with("HTTP/1.1 200"));
        let idle = TcpStream::connect(address).await.unwrap();
        stop.send(()).unwrap();
        server.await.unwrap();
        drop(idle);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
