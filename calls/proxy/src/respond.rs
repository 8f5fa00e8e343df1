//! Last stop: the answer streams to the client, and when it has ended, or broken off, one line in the access log
//! says what became of the request.

mod body;
mod ticket;
mod timing;

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::response::Parts;
use http::{Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use mamparo_http_cache::Fill;
use tokio::task::spawn_local;

use crate::accept::Seat;
use crate::grpc;
use crate::hop_by_hop;
use crate::identify::X_REQUEST_ID;
use crate::pool::Lease;
use crate::problem::Problem;
use crate::route::Own;
use crate::tunnel::Tunnel;
use crate::upgrade::{self, Client};
pub(crate) use body::Body;
pub(crate) use ticket::{Held, Taken, Ticket};

/// What the body of an answer comes over, and by when it must have come.
pub(crate) struct Flow {
    pub(crate) lease: Lease,
    pub(crate) deadline: Instant,
}

/// Passes on the answer of a service.
pub(crate) fn service(
    ticket: Ticket,
    answer: Response<Incoming>,
    lease: Lease,
    deadline: Instant,
) -> Response<Body> {
    let (mut parts, incoming) = answer.into_parts();
    strip(&mut parts.headers, &incoming);
    stream(ticket, parts, (incoming, Flow { lease, deadline }), None)
}

/// Removes what the head of an answer says of the connection that it came over.
pub(crate) fn strip(headers: &mut HeaderMap, incoming: &Incoming) {
    if hop_by_hop::strip(headers).chunked {
        // Where both were said, this is the one that is not true.
        headers.remove(header::CONTENT_LENGTH);
    } else if let Some(length) = incoming.size_hint().exact().filter(|_| !incoming.is_end_stream()) {
        one_length(headers, length);
    }
}

/// Passes on the answer of a service, whose head is the client's by now; what comes goes to `fill`, too.
pub(crate) fn stream(
    mut ticket: Ticket,
    mut parts: Parts,
    (incoming, of): (Incoming, Flow),
    fill: Option<Fill>,
) -> Response<Body> {
    parts.version = Version::HTTP_11;
    ticket.write_head(&mut parts.headers);
    ticket.answered(parts.status);
    Response::from_parts(parts, Body::service((incoming, of), fill, ticket))
}

/// Passes on an answer that grants another protocol, and what follows it.
pub(crate) fn tunnel(
    mut ticket: Ticket,
    mut answer: Response<Incoming>,
    client: Client,
    lease: Lease,
) -> Response<Body> {
    let peer = Rc::clone(ticket.peer());
    let service = hyper::upgrade::on(&mut answer);
    let mut headers = std::mem::take(answer.headers_mut());
    hop_by_hop::strip(&mut headers);
    headers.insert(X_REQUEST_ID, ticket.request_id().clone());
    let status = upgrade::grant(peer.protocol, &mut headers);
    ticket.answered(status);
    let tunnel = Tunnel { client, service, seat: Seat::more(peer.worker()), ticket };
    spawn_local(async move {
        tunnel.run().await;
        // Only now: a connection whose handle is gone is closed.
        drop(lease);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Gives an answer that the configuration holds.
pub(crate) fn own(mut ticket: Ticket, own: Own<'_>) -> Response<Body> {
    let mut response = Response::new(Bytes::new());
    match own {
        Own::Answer(answer) => {
            *response.body_mut() = answer.body.clone();
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers.clone();
        }
        Own::Redirect { status, location } => {
            *response.status_mut() = status;
            response.headers_mut().insert(header::LOCATION, location);
        }
    }
    ticket.answered(response.status());
    finish(ticket, response)
}

/// Gives an answer that is at hand.
pub(crate) fn at_hand(mut ticket: Ticket, answer: Response<Bytes>) -> Response<Body> {
    ticket.answered(answer.status());
    finish(ticket, answer)
}

/// Tells the client why there is no other answer.
pub(crate) fn problem(mut ticket: Ticket, problem: Problem, allow: Option<HeaderValue>) -> Response<Body> {
    let trace = ticket.trace_text();
    let mut response = problem.response(std::str::from_utf8(&trace).unwrap_or_default(), allow);
    // Logs and metrics tell a call that failed from one that did not, whatever its client is told.
    ticket.answered(response.status());
    ticket.failed(problem.code());
    if let Some(call) = ticket.call {
        let message = format!("{}: {problem}", problem.code());
        let head = grpc::trailers_only(call, response.status(), &message);
        *response.status_mut() = head.status();
        response.headers_mut().extend(head.into_parts().0.headers);
        response.body_mut().clear();
    }
    finish(ticket, response)
}

/// Says the length once, where a service said it several times over.
fn one_length(headers: &mut HeaderMap, length: u64) {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lines.next().is_some_and(|line| line.as_bytes().contains(&b','));
    if first || lines.next().is_some() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn finish(ticket: Ticket, response: Response<Bytes>) -> Response<Body> {
    let (mut parts, bytes) = response.into_parts();
    ticket.write_head(&mut parts.headers);
    Response::from_parts(parts, Body::own(bytes, ticket))
}
