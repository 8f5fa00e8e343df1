//! Last stop: the answer streams to the client, and when it has ended, or broken off, one line in the access log
//! says what became of the request.

mod body;
mod stream;
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

use crate::grpc::{self, Call};
use crate::hop_by_hop;
use crate::identify::X_REQUEST_ID;
use crate::pool::Lease;
use crate::problem::Problem;
use crate::route::Own;
use crate::transform::{Changed, Stopped};
use crate::tunnel::Tunnel;
use crate::upgrade::{self, Client};
pub(crate) use body::Body;
pub(crate) use stream::{BrokenOff, Left, Stream, Tail};
pub(crate) use ticket::{Held, Taken, Ticket};

/// What the body of an answer comes over, and by when it must have come.
pub(crate) struct Flow {
    pub(crate) lease: Lease,
    pub(crate) deadline: Instant,
}

/// Passes on the answer of a service.
pub(crate) async fn service(
    ticket: Ticket,
    answer: Response<Incoming>,
    lease: Lease,
    deadline: Instant,
) -> Response<Body> {
    let (mut parts, incoming) = answer.into_parts();
    strip(&mut parts.headers, &incoming);
    let of = (incoming, Flow { lease, deadline });
    match ticket.transforming {
        None => plain(ticket, parts, of),
        // Boxed: routes that change nothing do not carry it.
        Some(_) => Box::pin(stream(ticket, parts, of, None)).await,
    }
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

/// Passes on the answer of a service, whose head is that of the connection to the client by now, as the route has it
/// changed; what comes goes to `fill`, too.
pub(crate) async fn stream(
    ticket: Ticket,
    parts: Parts,
    of: (Incoming, Flow),
    fill: Option<Fill>,
) -> Response<Body> {
    let stream = Stream::new(of, fill, ticket.peer().worker());
    let told = match &ticket.transforming {
        Some(transforming) => transforming.told(parts, stream).await,
        None => Ok((parts, Changed::Plain(stream))),
    };
    pass_on(ticket, told)
}

/// The same, where the route changes nothing.
fn plain(ticket: Ticket, parts: Parts, of: (Incoming, Flow)) -> Response<Body> {
    let stream = Stream::new(of, None, ticket.peer().worker());
    pass_on(ticket, Ok((parts, Changed::Plain(stream))))
}

fn pass_on(mut ticket: Ticket, told: Result<(Parts, Changed), Problem>) -> Response<Body> {
    match told {
        Ok((mut parts, body)) => {
            parts.version = Version::HTTP_11;
            ticket.write_head(&mut parts.headers);
            ticket.answered(parts.status);
            Response::from_parts(parts, body.with(ticket))
        }
        Err(told) => {
            if let Some(outcome) = told.outcome() {
                ticket.came_to(outcome);
            }
            problem(ticket, told, None)
        }
    }
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
    if let Some(transforming) = &ticket.transforming {
        transforming.granted(&mut headers);
    }
    headers.insert(X_REQUEST_ID, ticket.request_id().clone());
    let status = upgrade::grant(peer.protocol, &mut headers);
    ticket.answered(status);
    let tunnel = Tunnel { client, service, ticket };
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
        // It says all that there is to say.
        Own::Preflight(answer) => {
            let (parts, ()) = answer.into_parts();
            ticket.answered(parts.status);
            return finish(ticket, Response::from_parts(parts, Bytes::new()));
        }
    }
    ticket.own_answer(response.headers_mut());
    ticket.answered(response.status());
    finish(ticket, response)
}

/// Gives an answer that is at hand, as the route has it changed.
pub(crate) fn at_hand(ticket: Ticket, answer: Response<Bytes>) -> Response<Body> {
    let (parts, bytes) = answer.into_parts();
    let told = match &ticket.transforming {
        Some(transforming) => transforming.told_at_hand(parts, bytes),
        None => Ok((parts, Changed::Whole(bytes))),
    };
    pass_on(ticket, told)
}

/// Tells the client why there is no other answer.
pub(crate) fn problem(mut ticket: Ticket, problem: Problem, allow: Option<HeaderValue>) -> Response<Body> {
    let trace = ticket.trace_text();
    let mut response = problem.response(std::str::from_utf8(&trace).unwrap_or_default(), allow);
    // Logs and metrics tell a call that failed from one that did not, whatever its client is told.
    ticket.answered(response.status());
    ticket.failed(problem.code());
    if let Some(call) = ticket.call {
        as_call(call, &mut response, &format!("{}: {problem}", problem.code()));
    }
    ticket.own_answer(response.headers_mut());
    finish(ticket, response)
}

/// Says why a request goes no further.
pub(crate) fn stopped(ticket: Ticket, stopped: Stopped) -> Response<Body> {
    match stopped {
        Stopped::Problem(told) => problem(ticket, told, None),
        Stopped::Denied(response) => denial(ticket, *response),
    }
}

/// Gives the answer of whoever decides about requests, which is no.
fn denial(mut ticket: Ticket, mut response: Response<Bytes>) -> Response<Body> {
    ticket.answered(response.status());
    ticket.failed("hook-denied");
    if let Some(call) = ticket.call {
        let message = String::from_utf8_lossy(response.body()).into_owned();
        as_call(call, &mut response, &message);
    }
    ticket.own_answer(response.headers_mut());
    finish(ticket, response)
}

/// Tells a failure in the words of gRPC.
fn as_call(call: Call, response: &mut Response<Bytes>, message: &str) {
    let head = grpc::trailers_only(call, response.status(), message);
    *response.status_mut() = head.status();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.extend(head.into_parts().0.headers);
    response.body_mut().clear();
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
