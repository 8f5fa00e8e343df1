//! A server's stack before a service that takes HTTP requests, as a tower layer: what is refused, or too late, is
//! answered as HTTP has words for it, so that the service's errors stay its own (`Infallible`, with axum).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use http::{HeaderMap, Request, Response};
use http_body::Body;
use mamparo_context::{Carrier, Context, Deadline, Moment};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Stack;
use super::error::Cause;
use super::permit::{Entering, StackPermit};
use crate::body::Held;
use crate::operation::{Carry, Oneshot};
use crate::time::{Sleep, sleep_until};
use crate::{Classify, Outcome, Refusal};

/// Puts a server's stack before a service. Requests bring their context among their extensions or in their headers;
/// one whose headers cannot be read is served as if it had brought none.
#[derive(Clone, Debug)]
pub struct ServeLayer<C> {
    stack: Arc<Stack>,
    classify: C,
}

impl<C> ServeLayer<C> {
    /// `stack` before a service whose answers `classify` understands, such as
    /// [`ClassifyHttp`](crate::http::ClassifyHttp).
    pub fn new(stack: Arc<Stack>, classify: C) -> Self {
        Self { stack, classify }
    }
}

impl<C: Clone, S> Layer<S> for ServeLayer<C> {
    type Service = ServeService<C, S>;

    fn layer(&self, service: S) -> Self::Service {
        ServeService { stack: Arc::clone(&self.stack), classify: self.classify.clone(), service }
    }
}

/// A service behind a server's stack. Clones share the stack.
#[derive(Clone, Debug)]
pub struct ServeService<C, S> {
    stack: Arc<Stack>,
    classify: C,
    service: S,
}

impl<C, S, Q, B> Service<Request<Q>> for ServeService<C, S>
where
    C: Classify<Result<Response<B>, S::Error>> + Clone,
    S: Service<Request<Q>, Response = Response<B>> + Clone,
    B: Body + Default,
{
    type Response = Response<Held<B, Serving>>;
    type Error = S::Error;
    type Future = ServeFuture<C, S, Q>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let clock = &self.stack.clock;
        let cx = match request.context() {
            Some(cx) => cx.clone(),
            None => mamparo_context::http::read(clock, &Headers(request.headers_mut()))
                .unwrap_or_else(|_| Context::root()),
        };
        let started = clock.moment();
        let until = self.stack.timeout.overall_until(&cx, started);
        let cx = match until {
            Some(until) => cx.with_deadline(Deadline::at(until.instant())),
            None => cx,
        };
        let stage = match self.stack.timeout.attempt_until(until, started) {
            Ok(_) => Stage::Enters { entering: self.stack.enter(&cx) },
            Err(refusal) => Stage::Refused { refusal },
        };
        self.stack.counts.called();
        request.carry(cx);
        ServeFuture {
            stage,
            classify: self.classify.clone(),
            stack: Arc::clone(&self.stack),
            started,
            whole: until,
            until,
            call: Some(Oneshot::new(self.service.clone(), request)),
            timer: None,
        }
    }
}

enum Stage {
    Enters { entering: Entering },
    Served { permit: StackPermit },
    Refused { refusal: Refusal },
    Over,
}

pin_project! {
    /// A request behind a server's stack. Dropped, it is cancelled, and is no sample.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct ServeFuture<C, S: Service<Request<Q>>, Q> {
        // Before the permit: whoever works for it stops before its place is given away.
        #[pin]
        call: Option<Oneshot<S, Request<Q>>>,
        stage: Stage,
        classify: C,
        stack: Arc<Stack>,
        started: Moment,
        whole: Option<Moment>,
        // The earlier of the whole and of its own time from its turn on.
        until: Option<Moment>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<C, S, Q, B> Future for ServeFuture<C, S, Q>
where
    C: Classify<Result<Response<B>, S::Error>>,
    S: Service<Request<Q>, Response = Response<B>>,
    B: Body + Default,
{
    type Output = Result<Response<Held<B, Serving>>, S::Error>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Stage::Enters { entering } = this.stage {
            *this.stage = match ready!(Pin::new(entering).poll(task)) {
                Ok(permit) => {
                    let now = this.stack.clock.moment();
                    match this.stack.timeout.attempt_until(*this.whole, now) {
                        Ok(until) => {
                            *this.until = until;
                            Stage::Served { permit }
                        }
                        Err(refusal) => {
                            permit.give_back();
                            Stage::Refused { refusal }
                        }
                    }
                }
                Err(refusal) => Stage::Refused { refusal },
            };
        }
        if let Stage::Refused { refusal } = this.stage {
            let refusal = *refusal;
            *this.stage = Stage::Over;
            this.call.set(None);
            return Poll::Ready(Ok(told(&Cause::<S::Error>::Refused(refusal))));
        }
        let Some(call) = this.call.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(result) = call.poll(task) {
            this.call.set(None);
            let outcome = this.classify.classify(&result);
            let permit = match std::mem::replace(this.stage, Stage::Over) {
                Stage::Served { permit } => Some(permit),
                _ => None,
            };
            let serving = Serving { permit, outcome };
            return Poll::Ready(result.map(|answer| answer.map(|body| Held::new(body, serving))));
        }
        let Some(until) = *this.until else { return Poll::Pending };
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(&this.stack.clock, until)));
        }
        match this.timer.as_mut().as_pin_mut().map(|timer| timer.poll(task)) {
            Some(Poll::Ready(())) => {
                // Dropped first: whoever works for it stops before its place is given away.
                this.call.set(None);
                let whole = *this.until == *this.whole;
                this.stack.counts.timed_out(whole);
                let late: Cause<S::Error> =
                    Cause::TimedOut { after: this.stack.clock.moment().since(*this.started), whole };
                if let (Stage::Served { permit }, Some(fault)) =
                    (std::mem::replace(this.stage, Stage::Over), late.own_fault())
                {
                    permit.record(&Outcome::Failure(fault));
                }
                Poll::Ready(Ok(told(&late)))
            }
            _ => Poll::Pending,
        }
    }
}

/// Records what a request came to when it is dropped: with the last of the body, or when the client has left.
#[must_use = "dropped, it records"]
pub struct Serving {
    permit: Option<StackPermit>,
    outcome: Outcome,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.record(&self.outcome);
        }
    }
}

fn told<B: Body + Default, E>(cause: &Cause<E>) -> Response<Held<B, Serving>> {
    let (status, headers) = crate::http::answer_to(cause, false);
    let nothing = Serving { permit: None, outcome: Outcome::Success };
    let mut answer = Response::new(Held::new(B::default(), nothing));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// Headers of a request as a context is read from them.
struct Headers<'a>(&'a mut HeaderMap);

impl Carrier for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    fn set(&mut self, name: &'static str, value: String) {
        if let Ok(value) = value.try_into() {
            self.0.insert(name, value);
        }
    }
}
