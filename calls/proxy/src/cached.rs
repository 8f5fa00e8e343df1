//! Between the stops and the policies, on a route whose answers are kept: what is kept is the client's at once, what is
//! not is forwarded, and kept while it streams by. Where the service cannot be asked, an old answer may stand in.
//!
//! A request that is answered here passes the rate limits of its route and no other policy: those are about the service.
//! What is kept is known by the address that the client named, not by the one that the service is asked for, since what
//! is told to the service of the client, such as its host, may make a difference to the answer.

mod behind;

use std::rc::Rc;

use http::header::HeaderValue;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use mamparo_http_cache::{Answer, Begin, Bypass, Fill, HttpCache, RequestHead, Verdict, Waited, When};
use mamparo_policy::Outcome;
use tokio::time::timeout_at;

use crate::forward::{Answered, Errand, Upload};
use crate::limits::after;
use crate::problem::Problem;
use crate::respond::{Body, Flow, Ticket};
use crate::{admit, respond, route, transform};
pub(crate) use behind::Rest;

/// What a cache did with a request, in the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cached {
    /// It was answered with what is fresh.
    Hit,
    /// It was forwarded, to be kept.
    Miss,
    /// It was answered with what is stale.
    Stale,
    /// The service was asked, and says that what is kept has not changed.
    Revalidated,
    /// It was forwarded as it is.
    Bypass,
}

impl Cached {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Bypass => "bypass",
        }
    }
}

/// A request on a route that keeps answers.
struct Asked<'a> {
    ticket: Ticket,
    errand: Errand<'a>,
    request: Request<Upload>,
}

/// Answers a request with what is kept, or has it forwarded.
pub(crate) async fn walk(
    cache: &HttpCache,
    mut ticket: Ticket,
    mut errand: Errand<'_>,
    mut request: Request<Upload>,
) -> Response<Body> {
    if let Some(policies) = &errand.settings.policies {
        match admit::enter_quotas(policies, &errand.context(&ticket.trace)).await {
            Ok(permit) => ticket.holds(permit),
            Err(problem) => return respond::problem(ticket, problem, None),
        }
    }
    if ticket.transforming.is_some() {
        // What is kept is what the service was asked for, and nobody gets it who may not ask.
        match transform::onward(&mut ticket, &mut errand, request).await {
            Ok(changed) => request = changed,
            Err(stopped) => return respond::stopped(ticket, stopped),
        }
    }
    let mut asked = Asked { ticket, errand, request };
    let (mut waited, mut until) = (Waited::default(), None);
    loop {
        return match asked.begin(cache, waited) {
            Begin::Wait(waiter) => {
                let Errand { worker, deadline, .. } = &asked.errand;
                let until = *until
                    .get_or_insert_with(|| after(worker.clock.now(), cache.wait()).min(*deadline).into());
                waited = timeout_at(until, waiter).await.unwrap_or_else(|_| Waited::too_long());
                continue;
            }
            Begin::Hit(answer) => asked.answer(Cached::Hit, answer),
            Begin::Stale(answer) => asked.answer(Cached::Stale, answer),
            Begin::StaleServe { answer, revalidate } => {
                let Asked { ticket, errand, request } = asked;
                behind::fetch(ticket.taken(), &ticket.trace, &errand, request, revalidate);
                at_hand(ticket, Cached::Stale, answer)
            }
            Begin::Miss(fill) => asked.miss(fill).await,
            Begin::Bypass(bypass) => asked.bypass(bypass).await,
            Begin::OnlyIfCached => {
                asked.ticket.cached(Cached::Miss);
                respond::problem(asked.ticket, Problem::NotCached, None)
            }
        };
    }
}

impl Asked<'_> {
    fn begin(&self, cache: &HttpCache, waited: Waited) -> Begin {
        let Self { ticket, errand, request } = self;
        let uri = ticket.asked();
        let head = RequestHead {
            method: request.method(),
            scheme: if ticket.came_over_tls() { "https" } else { "http" },
            authority: ticket.host().or(errand.named.as_deref()).and_then(text).unwrap_or_default(),
            // It was found in this form, or the request would not be here.
            path: &route::normalize(uri.path()).unwrap_or_default(),
            query: uri.query(),
            headers: request.headers(),
            has_body: !request.body().is_end_stream(),
        };
        cache.begin(&head, When::of(&errand.worker.clock), waited)
    }

    /// Answers without the service.
    fn answer(self, cached: Cached, answer: Answer) -> Response<Body> {
        at_hand(self.ticket, cached, answer)
    }

    /// Forwards what is to be kept.
    async fn miss(mut self, fill: Fill) -> Response<Body> {
        self.ticket.cached(Cached::Miss);
        // It may have waited for another for as long as it can.
        if self.errand.worker.clock.now() >= self.errand.deadline {
            return self.failed(fill, Problem::Deadline);
        }
        fill.write_conditions(self.request.headers_mut());
        let Self { mut ticket, errand, request } = self;
        let (worker, deadline, settings) = (errand.worker, errand.deadline, errand.settings);
        let is_clients_own = deadline < after(ticket.started, settings.request_timeout);
        match send(&mut ticket, errand, request).await {
            Ok((answer, lease)) => arrived(fill, ticket, answer, Flow { lease, deadline }).await,
            Err(problem) => {
                let gives_up = problem == Problem::Deadline && is_clients_own;
                failed(fill, ticket, problem, gives_up, When::of(&worker.clock))
            }
        }
    }

    fn failed(self, fill: Fill, problem: Problem) -> Response<Body> {
        failed(fill, self.ticket, problem, true, When::of(&self.errand.worker.clock))
    }

    /// Forwards what the cache has nothing to do with; what it changes is forgotten.
    async fn bypass(self, bypass: Bypass) -> Response<Body> {
        let Self { mut ticket, errand, request } = self;
        ticket.cached(Cached::Bypass);
        let deadline = errand.deadline;
        match send(&mut ticket, errand, request).await {
            Ok((answer, lease)) => {
                let (mut parts, incoming) = answer.into_parts();
                respond::strip(&mut parts.headers, &incoming);
                bypass.answer_head(parts.status, &mut parts.headers);
                respond::stream(ticket, parts, (incoming, Flow { lease, deadline }), None).await
            }
            Err(problem) => respond::problem(ticket, problem, None),
        }
    }
}

/// Passes the policies that are about the service, and asks it.
async fn send(
    ticket: &mut Ticket,
    errand: Errand<'_>,
    request: Request<Upload>,
) -> Result<Answered, Problem> {
    if let Some(policies) = &errand.settings.policies {
        let quotas = ticket.exchanges();
        let cx = errand.context(&ticket.trace);
        ticket.holds(admit::enter_others(policies, quotas, &cx).await?);
    }
    ticket.asks_service();
    let sent = errand.send(request, &ticket.trace).await;
    ticket.hears_service();
    ticket.came_of(&sent);
    sent
}

/// The head of the answer has come.
async fn arrived(mut fill: Fill, mut ticket: Ticket, answer: Response<Incoming>, of: Flow) -> Response<Body> {
    let worker = Rc::clone(ticket.peer().worker());
    let (mut parts, incoming) = answer.into_parts();
    respond::strip(&mut parts.headers, &incoming);
    match fill.answer_head(parts.status, &mut parts.headers, When::of(&worker.clock)) {
        Verdict::Pass => respond::stream(ticket, parts, (incoming, of), None).await,
        Verdict::Store => respond::stream(ticket, parts, (incoming, of), Some(fill)).await,
        Verdict::StoreBehind(instead) => {
            Rest { incoming, of, fill: Some(fill), held: ticket.releases() }.read(&worker);
            at_hand(ticket, Cached::Miss, instead)
        }
        Verdict::Instead(instead) => {
            Rest { incoming, of, fill: None, held: ticket.releases() }.read(&worker);
            let has_not_changed = parts.status == StatusCode::NOT_MODIFIED;
            at_hand(ticket, if has_not_changed { Cached::Revalidated } else { Cached::Stale }, instead)
        }
    }
}

/// There is no answer, unless an old one is good enough.
fn failed(fill: Fill, ticket: Ticket, problem: Problem, gives_up: bool, when: When) -> Response<Body> {
    let instead = if gives_up { fill.give_up(when) } else { fill.fail(when) };
    match instead {
        Some(answer) => at_hand(ticket, Cached::Stale, answer),
        None => respond::problem(ticket, problem, None),
    }
}

/// An answer that is kept goes to the client.
fn at_hand(mut ticket: Ticket, cached: Cached, answer: Answer) -> Response<Body> {
    ticket.cached(cached);
    // Where the service was asked, its own outcome is known already.
    ticket.came_at_least_to(Outcome::Success);
    respond::at_hand(ticket, answer)
}

fn text(host: &HeaderValue) -> Option<&str> {
    host.to_str().ok()
}
