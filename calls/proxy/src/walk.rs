//! The walk of one request past the stops: route, identify, admit, forward, respond. Each stop may turn it back.

use std::rc::Rc;

use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::accept::{Cut, Peer, Protocol};
use crate::forward::{Errand, Source, Upload};
use crate::hop_by_hop;
use crate::identify::X_REQUEST_ID;
use crate::interim::Interim;
use crate::problem::Problem;
use crate::respond::{Body, Ticket};
use crate::route::Own;
use crate::worker::LocalSnapshot;
use crate::{admit, cached, identify, quota, respond, route, transform, upgrade};

/// A request that was turned back.
#[derive(Debug)]
pub(crate) struct Turned {
    pub(crate) problem: Problem,
    /// The methods that would have been let through, where it was the method.
    pub(crate) allow: Option<HeaderValue>,
}

impl From<Problem> for Turned {
    fn from(problem: Problem) -> Self {
        Self { problem, allow: None }
    }
}

/// A request that was let through.
#[expect(clippy::large_enum_variant, reason = "it is moved once; a box would be an allocation per request")]
enum Onward<'a> {
    Service(Errand<'a>, Request<Upload>),
    Own(Own<'a>),
}

/// Answers one request of a connection. `cut` is told its deadline, where somebody else must keep it.
#[expect(clippy::manual_async_fn, reason = "an `async fn` would keep each of its arguments twice")]
pub(crate) fn walk(
    peer: Rc<Peer>,
    mut request: Request<Incoming>,
    cut: Option<Cut>,
) -> impl Future<Output = Response<Body>> {
    async move {
        let refusal = peer.wire.begin();
        let mut ticket = Ticket::new(&peer, &request);
        let snapshot = Rc::clone(&ticket.snapshot);
        let refusal = refusal.map(Problem::from).or_else(|| as_http1(&peer, &mut request).err());
        let client = upgrade::asked(&peer, &mut request);
        let (mut errand, mut request) = match past_the_stops(&peer, &snapshot, &mut ticket, request, refusal)
        {
            Ok(Onward::Service(errand, request)) => (errand, request),
            Ok(Onward::Own(own)) => {
                return respond::own(ticket, own);
            }
            Err(Turned { problem, allow }) => {
                return respond::problem(ticket, problem, allow);
            }
        };
        if let Some(cut) = &cut {
            cut.at(errand.deadline);
        }
        errand.upgrades = client.is_some();
        let by_connect = matches!(client, Some(upgrade::Client::Stream(_)));
        let settings = errand.settings;
        if let (Some(cache), None) = (&settings.cache, &client) {
            // Boxed: routes that keep nothing do not carry it.
            let answer = Box::pin(cached::walk(cache, ticket, errand, request)).await;
            return answer;
        }
        if let Some(policies) = &errand.settings.policies {
            match admit::enter(policies, &errand.context(&ticket.trace)).await {
                Ok(permit) => ticket.holds(permit),
                Err(problem) => {
                    return respond::problem(ticket, problem, None);
                }
            }
        }
        if ticket.transforming.is_some() {
            let as_asked = std::mem::take(&mut request);
            // Boxed: routes that change nothing do not carry it.
            match Box::pin(transform::onward(&mut ticket, &mut errand, as_asked)).await {
                Ok(changed) => request = changed,
                Err(stopped) => {
                    return respond::stopped(ticket, stopped);
                }
            }
        }
        let deadline = errand.deadline;
        ticket.asks_service();
        let answered = errand.send(request, &ticket.trace).await;
        ticket.hears_service();
        if let (Ok((answer, _)), Some(client)) = (&answered, client)
            && upgrade::is_granted(answer)
        {
            peer.wire.hand_over(true);
            return match answered {
                Ok((answer, lease)) => respond::tunnel(ticket, answer, client, lease),
                Err(problem) => respond::problem(ticket, problem, None),
            };
        }
        // What is well with a plain request would grant an extended `CONNECT`.
        if let Ok((answer, _)) = &answered
            && (answer.status() == StatusCode::SWITCHING_PROTOCOLS
                || by_connect && answer.status().is_success())
        {
            return respond::problem(ticket, Problem::BadAnswer, None);
        }
        ticket.came_of(&answered);
        match answered {
            Ok((answer, lease)) => respond::service(ticket, answer, lease, deadline).await,
            Err(problem) => respond::problem(ticket, problem, None),
        }
    }
}

/// A request of HTTP/2 names its host as one of HTTP/1.1 does, and is held to the same bounds.
fn as_http1(peer: &Peer, request: &mut Request<Incoming>) -> Result<(), Problem> {
    if peer.protocol == Protocol::Http1 {
        return Ok(());
    }
    let limits = &peer.worker().limits;
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > limits.uri_bytes) {
        return Err(Problem::UriTooLong);
    }
    if request.headers().len() > limits.header_count {
        return Err(Problem::HeaderTooLarge);
    }
    if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
        return Err(Problem::Host);
    }
    if !request.headers().contains_key(header::HOST) {
        let authority = request.uri().authority().ok_or(Problem::Host)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Problem::Host)?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

fn past_the_stops<'a>(
    peer: &'a Peer,
    snapshot: &'a Rc<LocalSnapshot>,
    ticket: &mut Ticket,
    mut request: Request<Incoming>,
    refusal: Option<Problem>,
) -> Result<Onward<'a>, Turned> {
    if let Some(refusal) = refusal {
        if peer.protocol == Protocol::Http1 {
            ticket.is_unread();
        }
        return Err(refusal.into());
    }
    identify::is_directed(peer, request.headers())?;
    let worker = peer.worker();
    identify::drop_claims(request.headers_mut());
    ticket.comes_from(snapshot.routing.origins().find(peer, request.headers_mut()));
    let mut way = route::find(&snapshot.routing, peer.door, &request, || worker.random.next_u64())?;
    way.stand_in(|service| snapshot.routing.has_endpoint(service));
    ticket.takes(way.taken);
    if way.settings.server_timing {
        ticket.is_timed();
    }
    if let Some(transform) = &way.settings.transform {
        ticket.is_transformed(transform, &request, std::mem::take(&mut way.captures));
    }
    quota::take(&way.settings.quotas, request.headers(), ticket.client(), &worker.clock)?;
    if let Some(transform) = &way.settings.transform
        && let Some(answer) = transform.preflight(request.method(), request.headers())
    {
        return Ok(Onward::Own(Own::Preflight(answer)));
    }
    identify::check(way.access)?;
    let Some(service) = way.service else {
        return way.own.map(Onward::Own).ok_or(Problem::NoRoute.into());
    };
    let deadline = admit::deadline(request.headers(), ticket.call, way.settings, ticket.started)?;
    let bound = admit::body_bound(request.body(), way.settings, &worker.limits)?;
    let criticality = admit::criticality(request.headers_mut(), way.taken, way.settings)?;

    let (mut parts, body) = request.into_parts();
    let stripped = hop_by_hop::strip(&mut parts.headers);
    let (body, is_grpc_web) = match &ticket.transforming {
        Some(transforming) => (transforming.body(body), transforming.is_grpc_web()),
        None => (Source::Plain(body), false),
    };
    let upload = Upload::new(body, bound, worker.limits.body_idle, &peer.wire, &worker.clock);
    let named = way.settings.cache.as_ref().and_then(|_| parts.headers.get(header::HOST).cloned());
    if let Some(host) = way.host {
        parts.headers.insert(header::HOST, host.clone());
    }
    admit::write_trace(&mut parts.headers, &ticket.trace, ticket.part_of.is_none());
    parts.headers.insert(X_REQUEST_ID, ticket.request_id().clone());
    // The client is told to continue when a connection to the service begins to take its body.
    parts.headers.remove(header::EXPECT);
    if stripped.chunked && upload.is_open_ended() {
        parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.uri = way.uri;
    let key = snapshot.routing.services().get(service).and_then(|service| service.key.as_ref());
    let takes_interim = peer.protocol == Protocol::Http1 && parts.version == Version::HTTP_11;
    let interim = (way.settings.early_hints && takes_interim).then(|| Interim::to(&peer.wire));
    let key = key.and_then(|key| key.of(&parts.headers, parts.uri.path(), ticket.client()));
    parts.version = Version::HTTP_11;
    parts.extensions.clear();

    let fate = upload.fate();
    ticket.uploads(fate.clone());
    let (upload, kept) = match way.settings.retry {
        Some(_) => upload.keep(way.settings.replay_bytes),
        None => (upload, None),
    };
    let errand = Errand {
        fate,
        kept,
        takes_trailers: stripped.takes_trailers || is_grpc_web,
        is_call: ticket.call.is_some(),
        mirror: way.mirror,
        failover: way.failover,
        interim,
        criticality,
        key,
        named: named.map(Box::new),
        ..Errand::to(worker, Rc::clone(snapshot), service, way.settings, deadline)
    };
    Ok(Onward::Service(errand, Request::from_parts(parts, upload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// Every connection at work holds one of these, and every request moves it once.
    #[test]
    fn what_a_request_occupies_stays_small() {
        let walk = size(walk);
        assert!(walk <= 4 * 1024, "{walk} bytes");
        assert!(size_of::<Ticket>() <= 352, "{} bytes", size_of::<Ticket>());
        assert!(size_of::<Body>() <= 592, "{} bytes", size_of::<Body>());
    }
}
