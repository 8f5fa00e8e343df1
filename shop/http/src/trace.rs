//! The spans of requests that are served and calls that are made, and which headers carry them on.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use mamparo_context::{Clock, Random, SpanId, TraceContext};
use mamparo_telemetry::{Kind, Place, Span, is_recording, samples, spans};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Whoever asks how a service is asks all the time, and has no trace.
const UNTRACED: [&str; 2] = ["/healthz", "/readyz"];

/// A span under way. One that is dropped without an outcome was given up.
pub(crate) struct Traced {
    span: Option<Span>,
    trace: TraceContext,
    clock: Clock,
}

impl Traced {
    fn begin(
        name: &'static str,
        kind: Kind,
        own: TraceContext,
        parent: Option<SpanId>,
        clock: Clock,
    ) -> Self {
        let place = Place {
            trace: *own.trace_id().as_bytes(),
            span: *own.span_id().as_bytes(),
            parent: parent.map(|span| *span.as_bytes()),
        };
        let mut span = Span::begin(name, kind, place, clock.wall().as_micros());
        span.fails("given up");
        Self { span: Some(span), trace: own, clock }
    }

    /// A call that is made in `parent`; nothing where no spans are recorded.
    pub(crate) fn call(parent: &TraceContext, clock: &Clock) -> Option<Self> {
        let wanted = is_recording() && parent.is_sampled();
        wanted.then(|| {
            let own = parent.child(&Random::system());
            Self::begin(spans::CALL, Kind::Client, own, Some(parent.span_id()), clock.clone())
        })
    }

    /// Its own place in the trace.
    pub(crate) fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// One thing more is known of it.
    pub(crate) fn knows(&mut self, key: &'static str, value: impl Into<mamparo_telemetry::Value>) {
        if let Some(span) = &mut self.span {
            span.knows(key, value);
        }
    }

    /// It has ended with this status, or for this reason without any.
    pub(crate) fn ends(mut self, status: Result<http::StatusCode, String>) {
        if let Some(span) = &mut self.span {
            span.error = match status {
                Ok(status) => {
                    span.knows("http.response.status_code", u32::from(status.as_u16()));
                    status.is_server_error().then(|| format!("status {}", status.as_u16()).into())
                }
                Err(why) => Some(why.into()),
            };
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            span.ends(self.clock.wall().as_micros());
        }
    }
}

/// Where a request stands in its trace, and what it is part of, if it says so as the standard demands.
fn place(headers: &HeaderMap, random: &Random) -> (TraceContext, Option<SpanId>) {
    let brought =
        headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse::<TraceContext>().ok());
    match brought {
        Some(brought) => (brought.child(random), Some(brought.span_id())),
        None => (TraceContext::root(random, samples(|| random.next_u64())), None),
    }
}

/// Serves a request as a span of its own: what it does is part of it, because it finds it in its headers.
pub(crate) async fn serve(mut request: Request, next: Next) -> Response {
    if UNTRACED.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let (own, parent) = place(request.headers(), &Random::system());
    if parent.is_none() {
        request.headers_mut().remove(TRACESTATE);
    }
    if let Ok(value) = HeaderValue::try_from(own.to_string()) {
        request.headers_mut().insert(TRACEPARENT, value);
    }
    if !own.is_sampled() {
        return next.run(request).await;
    }
    let mut span = Traced::begin(spans::SERVE, Kind::Server, own, parent, Clock::system());
    span.knows("http.request.method", request.method().as_str().to_owned());
    span.knows("url.path", request.uri().path().to_owned());
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        span.knows("http.route", route.as_str().to_owned());
    }
    let response = next.run(request).await;
    span.ends(Ok(response.status()));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_part_of_what_it_says_and_else_begins_a_trace() {
        let random = Random::seeded(1);
        let mut headers = HeaderMap::new();
        assert_eq!(place(&headers, &random).1, None);
        headers.insert(TRACEPARENT, HeaderValue::from_static("junk"));
        assert_eq!(place(&headers, &random).1, None);
        let client = TraceContext::root(&random, false);
        headers.insert(TRACEPARENT, client.to_string().parse().unwrap());
        let (own, parent) = place(&headers, &random);
        assert_eq!((own.trace_id(), parent), (client.trace_id(), Some(client.span_id())));
        assert!(own.span_id() != client.span_id() && !own.is_sampled());
    }
}
