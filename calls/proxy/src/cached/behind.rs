//! What is done for a cache alone, no client waiting: a stale answer is fetched again, and an answer is read to its end
//! whose client is gone or has it already. How much of that is done at the same time is bounded; what comes beyond is
//! left, and the next request fetches.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use mamparo_context::{Criticality, TraceContext};
use mamparo_http_cache::{Fill, Verdict, When};
use tokio::task::spawn_local;
use tokio::time::timeout_at;

use crate::forward::{Errand, Upload};
use crate::limits::{READS_BEHIND_PER_WORKER, UNWANTED_BYTES, after};
use crate::problem::Problem;
use crate::respond::{Flow, Held, Taken};
use crate::worker::{Place, Worker};
use crate::{admit, forward, respond};

/// What is still to come of an answer, and who keeps it.
pub(crate) struct Rest {
    pub(crate) incoming: Incoming,
    pub(crate) of: Flow,
    /// Nothing where it is only read so that the connection can be used again.
    pub(crate) fill: Option<Fill>,
    /// What the request holds of the policies: the service is at work for it until the end.
    pub(crate) held: Option<Box<Held>>,
}

impl Rest {
    /// Reads it to its end, at the pace of the service. A worker that ends reads nothing.
    pub(crate) fn read(self, worker: &Rc<Worker>) {
        if self.incoming.is_end_stream() {
            return self.ends(worker);
        }
        if worker.drain.has_begun() {
            return;
        }
        if let Some(place) = Place::take(worker, |worker| &worker.reads_behind, READS_BEHIND_PER_WORKER) {
            spawn_local(async move { self.run(place.worker()).await });
        }
    }

    async fn run(mut self, worker: &Worker) {
        let mut unwanted_left = UNWANTED_BYTES;
        loop {
            let until = self.of.deadline.min(after(worker.clock.now(), worker.limits.body_idle));
            let next = poll_fn(|cx| Pin::new(&mut self.incoming).poll_frame(cx));
            let frame = match timeout_at(until.into(), next).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return self.ends(worker),
                // It broke off, or stands still: one of those who wait fetches in its place.
                Ok(Some(Err(_))) | Err(_) => return,
            };
            let Some(data) = frame.data_ref() else { continue };
            match &mut self.fill {
                Some(fill) => {
                    fill.push(data);
                    if !fill.is_open() {
                        return;
                    }
                }
                None => match unwanted_left.checked_sub(data.len()) {
                    Some(left) => unwanted_left = left,
                    None => return,
                },
            }
        }
    }

    fn ends(self, worker: &Worker) {
        if let Some(fill) = self.fill {
            fill.finish();
        }
        drop(self.held);
        self.of.lease.give_back(worker.clock.now());
    }
}

/// Fetches anew what was served stale. It passes the policies that are about the service; the rate limits counted the
/// request that was answered.
pub(super) fn fetch(
    taken: Taken,
    trace: &TraceContext,
    errand: &Errand<'_>,
    mut request: Request<Upload>,
    fill: Fill,
) {
    let Some(place) = Place::take(errand.worker, |worker| &worker.reads_behind, READS_BEHIND_PER_WORKER)
    else {
        return;
    };
    fill.write_conditions(request.headers_mut());
    // Nobody waits for it.
    let criticality = errand.criticality.min(Criticality::SheddablePlus);
    admit::write_criticality(request.headers_mut(), criticality);
    let snapshot = Rc::clone(&errand.snapshot);
    let (service, failover, key, trace) = (errand.service, errand.failover, errand.key, trace.clone());
    spawn_local(async move {
        let Some(settings) = snapshot.routing.settings(taken) else { return };
        let worker = place.worker();
        let deadline = after(worker.clock.now(), settings.request_timeout);
        let errand = Errand {
            failover,
            key,
            criticality,
            ..Errand::to(worker, Rc::clone(&snapshot), service, settings, deadline)
        };
        if let Err((fill, problem)) = refresh(errand, request, &trace, fill).await {
            tracing::debug!(%problem, "what was served stale could not be fetched");
            fill.fail(When::of(&worker.clock));
        }
    });
}

async fn refresh(
    errand: Errand<'_>,
    request: Request<Upload>,
    trace: &TraceContext,
    mut fill: Fill,
) -> Result<(), (Fill, Problem)> {
    let (worker, deadline) = (errand.worker, errand.deadline);
    let mut held = None;
    if let Some(policies) = &errand.settings.policies {
        match admit::enter_others(policies, None, &errand.context(trace)).await {
            Ok(permit) => held = Some(Box::new(Held::new(permit))),
            Err(problem) => return Err((fill, problem)),
        }
    }
    let sent = errand.send(request, trace).await;
    let outcome = forward::outcome(sent.as_ref().map_err(|problem| *problem));
    if let (Some(held), Some(outcome)) = (&mut held, outcome) {
        held.came_to(outcome);
    }
    let (answer, lease) = match sent {
        Ok(sent) => sent,
        Err(problem) => return Err((fill, problem)),
    };
    let (mut parts, incoming) = answer.into_parts();
    respond::strip(&mut parts.headers, &incoming);
    let verdict = fill.answer_head(parts.status, &mut parts.headers, When::of(&worker.clock));
    let fill = matches!(verdict, Verdict::Store | Verdict::StoreBehind(_)).then_some(fill);
    let rest = Rest { incoming, of: Flow { lease, deadline }, fill, held };
    if rest.incoming.is_end_stream() {
        rest.ends(worker)
    } else {
        rest.run(worker).await
    }
    Ok(())
}
