//! The walk of one request past the stops: route, identify, admit, forward, respond. Each stop may turn it back.

use std::rc::Rc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::Incoming;

use crate::accept::{Peer, Refusal};
use crate::forward::{Errand, Upload};
use crate::hop_by_hop::{self, Stripped};
use crate::identify::X_REQUEST_ID;
use crate::problem::Problem;
use crate::respond::{Body, Ticket};
use crate::route::Own;
use crate::worker::LocalSnapshot;
use crate::{admit, forward, identify, respond, route};

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

/// Answers one request of a connection.
pub(crate) async fn walk(peer: Rc<Peer>, request: Request<Incoming>) -> Response<Body> {
    let refusal = peer.wire.begin();
    let mut ticket = Ticket::new(&peer, &request);
    let snapshot = Rc::clone(&ticket.snapshot);
    let (errand, request) = match past_the_stops(&peer, &snapshot, &mut ticket, request, refusal) {
        Ok(Onward::Service(errand, request)) => (errand, request),
        Ok(Onward::Own(own)) => return respond::own(ticket, own),
        Err(Turned { problem, allow }) => return respond::problem(ticket, problem, allow),
    };
    if let Some(policies) = &errand.settings.policies {
        match admit::enter(policies, &ticket.trace, errand.deadline).await {
            Ok(permit) => ticket.holds(permit),
            Err(problem) => return respond::problem(ticket, problem, None),
        }
    }
    let deadline = errand.deadline;
    match errand.send(request).await {
        Ok((answer, lease)) => {
            ticket.came_to(|classify| classify.head(answer.status(), answer.headers()));
            respond::service(ticket, answer, lease, deadline)
        }
        Err(problem) => {
            if let Some(outcome) = problem.outcome() {
                ticket.came_to(|_| outcome);
            }
            respond::problem(ticket, problem, None)
        }
    }
}

fn past_the_stops<'a>(
    peer: &'a Peer,
    snapshot: &'a Rc<LocalSnapshot>,
    ticket: &mut Ticket,
    request: Request<Incoming>,
    refusal: Option<Refusal>,
) -> Result<Onward<'a>, Turned> {
    if let Some(refusal) = refusal {
        ticket.is_unread();
        return Err(Problem::from(refusal).into());
    }
    let worker = &peer.worker;
    let mut way = route::find(&snapshot.routing, peer.door, &request, || worker.random.next_u64())?;
    way.stand_in(|service| snapshot.routing.has_endpoint(service));
    ticket.takes(way.taken);
    identify::check(way.access)?;
    let Some(service) = way.service else {
        return way.own.map(Onward::Own).ok_or(Problem::NoRoute.into());
    };
    let deadline = admit::deadline(request.headers(), way.settings, ticket.started)?;
    let bound = admit::body_bound(request.body(), way.settings, &worker.limits)?;

    let (mut parts, body) = request.into_parts();
    let stripped = hop_by_hop::strip(&mut parts.headers);
    let upload = Upload::new(body, bound, worker.limits.body_idle, &peer.wire, &worker.clock);
    identify::replace_claims(&mut parts.headers, peer);
    if let Some(host) = way.host {
        parts.headers.insert(header::HOST, host.clone());
    }
    admit::write_trace(&mut parts.headers, &ticket.trace, ticket.part_of.is_none());
    parts.headers.insert(X_REQUEST_ID, ticket.request_id().clone());
    write_framing(&mut parts.headers, stripped, &upload);
    parts.uri = way.uri;
    parts.version = Version::HTTP_11;
    parts.extensions.clear();

    let fate = upload.fate();
    ticket.uploads(fate.clone());
    let errand =
        Errand { worker, snapshot: Rc::clone(snapshot), service, settings: way.settings, deadline, fate };
    let request = Request::from_parts(parts, upload);
    if let Some(mirror) = way.mirror {
        forward::mirror(&errand, mirror, &request);
    }
    Ok(Onward::Service(errand, request))
}

/// Says to the service how the body comes, and what it may send along with its own.
fn write_framing(headers: &mut HeaderMap, stripped: Stripped, upload: &Upload) {
    // The client is told to continue when a connection to the service begins to take its body.
    headers.remove(header::EXPECT);
    if stripped.chunked && upload.is_open_ended() {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if stripped.takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Every connection at work holds one of these, and every request moves it once.
    #[test]
    fn what_a_request_occupies_stays_small() {
        let walk = size(walk);
        assert!(walk <= 3 * 1024, "{walk} bytes");
        assert!(size_of::<Ticket>() <= 320, "{} bytes", size_of::<Ticket>());
        assert!(size_of::<Body>() <= 480, "{} bytes", size_of::<Body>());
    }
}
