//! A copy of a request for a service whose answer nobody waits for: what it costs is bounded, what it comes to is
//! counted at the service and nowhere else. A request with a body is not copied, for bodies are never held.

use std::pin::Pin;
use std::rc::Rc;

use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use mamparo_context::TraceContext;
use tokio::task::spawn_local;
use tokio::time::timeout_at;

use super::{Errand, Upload, spare};
use crate::limits::MIRRORS_PER_WORKER;
use crate::worker::Place;

/// Sends a copy of `request` to this service too, unless enough copies are on their way already.
pub(super) fn mirror(errand: &Errand<'_>, service: usize, request: &Request<Upload>, trace: &TraceContext) {
    if !request.body().is_end_stream() {
        return;
    }
    let Some(place) = Place::take(errand.worker, |worker| &worker.mirrors, MIRRORS_PER_WORKER) else {
        return;
    };
    let (snapshot, deadline, copy) = (Rc::clone(&errand.snapshot), errand.deadline, spare::bare(request));
    let (takes_trailers, is_call, trace) = (errand.takes_trailers, errand.is_call, trace.clone());
    spawn_local(async move {
        let Some(settings) = snapshot.routing.services().get(service).map(|service| &service.settings) else {
            return;
        };
        let snapshot = Rc::clone(&snapshot);
        let errand = Errand {
            takes_trailers,
            is_call,
            ..Errand::to(place.worker(), snapshot, service, settings, deadline)
        };
        let Ok((answer, lease)) = errand.send(copy, &trace).await else { return };
        // Read to its end, so that the connection can be used again.
        if timeout_at(deadline.into(), read(answer.into_body())).await == Ok(true) {
            lease.give_back(place.worker().clock.now());
        }
    });
}

/// Whether it came to its end.
async fn read(mut body: Incoming) -> bool {
    loop {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(_)) => {}
            end => return end.is_none(),
        }
    }
}
