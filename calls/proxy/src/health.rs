//! Whether the endpoints of a service work, as far as asking them tells. One worker asks, for all of them; when is
//! decided by the balancer.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use mamparo_balance::health::{Check, HealthConfig};
use mamparo_context::Moment;
use mamparo_transform::gather;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::forward::Upload;
use crate::forward::connect::{self, Opened};
use crate::limits::{PROBE_BODY_BYTES, PROBE_LOOK, PROBES_AT_ONCE};
use crate::transport::Transport;
use crate::worker::{LocalSnapshot, Worker};

/// Asks all that are due, for as long as the worker lives.
pub(crate) async fn watch(worker: Rc<Worker>) {
    loop {
        let snapshot = worker.snapshot();
        let now = worker.clock.moment();
        let mut next: Option<Moment> = None;
        for (number, service) in snapshot.routing.services().iter().enumerate() {
            let balancer = &service.balancer;
            for endpoint in balancer.due_checks(now, PROBES_AT_ONCE, &worker.random) {
                spawn_local(probe(Rc::clone(&worker), Rc::clone(&snapshot), number, endpoint));
            }
            next = [next, balancer.next_check()].into_iter().flatten().min();
        }
        // Whatever is configured next is noticed soon.
        let pause = next.map_or(PROBE_LOOK, |next| next.since(worker.clock.moment()).min(PROBE_LOOK));
        sleep(pause.max(Duration::from_millis(1))).await;
    }
}

async fn probe(worker: Rc<Worker>, snapshot: Rc<LocalSnapshot>, number: usize, endpoint: SocketAddr) {
    let Some(service) = snapshot.routing.services().get(number) else { return };
    let Some(config) = &service.balancer.config().health else { return };
    let passed =
        timeout(config.timeout, passes(&worker, config, &service.transport, &service.name, endpoint));
    let passed = passed.await.unwrap_or(false);
    let now = worker.clock.moment();
    if let Some(transition) = service.balancer.record_check(endpoint, passed, now) {
        tracing::info!(service = &*service.name, %endpoint, ?transition, "the health of an endpoint has changed");
    }
}

async fn passes(
    worker: &Rc<Worker>,
    config: &HealthConfig,
    transport: &Transport,
    host: &str,
    endpoint: SocketAddr,
) -> bool {
    let request = match &config.check {
        Check::Tcp => return connect::tcp(endpoint).await.is_ok(),
        Check::Http(check) => request(transport, Method::GET, host, &check.path, Upload::NONE),
        Check::Grpc { service } => {
            let body = Upload::whole(grpc_ask(service));
            request(transport, Method::POST, host, "/grpc.health.v1.Health/Check", body).map(|mut request| {
                let grpc = HeaderValue::from_static("application/grpc");
                request.headers_mut().insert(header::CONTENT_TYPE, grpc);
                request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
                request
            })
        }
    };
    let Ok(request) = request else { return false };
    let answer = match connect::open(worker, endpoint, transport, config.timeout).await {
        Ok(Opened::Http1(mut connection)) => connection.sender.send_request(request).await,
        Ok(Opened::Http2(mut connection, _)) => connection.send_request(request).await,
        Err(_) => return false,
    };
    match (answer, &config.check) {
        (Ok(answer), Check::Http(check)) => check.status.contains(answer.status().as_u16()),
        (Ok(answer), Check::Grpc { .. }) => {
            answer.status() == StatusCode::OK
                && gather(answer.into_body(), PROBE_BODY_BYTES)
                    .await
                    .is_ok_and(|whole| is_serving(&whole.data))
        }
        _ => false,
    }
}

fn request(
    transport: &Transport,
    method: Method,
    host: &str,
    path: &str,
    body: Upload,
) -> Result<Request<Upload>, http::Error> {
    let request = Request::builder().method(method).header(header::USER_AGENT, "mamparo-health");
    match transport.speaks {
        crate::transport::Speaks::Http1 => request.uri(path).header(header::HOST, host).body(body),
        crate::transport::Speaks::Http2 => {
            let scheme = if transport.is_secure() { "https" } else { "http" };
            request.uri(format!("{scheme}://{host}{path}")).body(body)
        }
    }
}

/// `grpc.health.v1.HealthCheckRequest`, whose one field is the name of the service.
fn grpc_ask(service: &str) -> Bytes {
    let service = &service.as_bytes()[..service.len().min(127)];
    let mut message = Vec::with_capacity(7 + service.len());
    let field = if service.is_empty() { 0 } else { 2 + service.len() };
    message.extend_from_slice(&[0, 0, 0, 0, u8::try_from(field).unwrap_or(u8::MAX)]);
    if let (Ok(length), false) = (u8::try_from(service.len()), service.is_empty()) {
        message.extend_from_slice(&[0x0a, length]);
        message.extend_from_slice(service);
    }
    message.into()
}

/// Whether a `grpc.health.v1.HealthCheckResponse` says `SERVING`.
fn is_serving(message: &[u8]) -> bool {
    matches!(message, [0, 0, 0, 0, 2, 0x08, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_health_service_of_grpc_is_asked_and_understood() {
        assert_eq!(&grpc_ask("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&grpc_ask("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        for other in [&[][..], &[0, 0, 0, 0, 0], &[0, 0, 0, 0, 2, 8, 2], &[1, 0, 0, 0, 2, 8, 1]] {
            assert!(!is_serving(other), "{other:?}");
        }
    }
}
