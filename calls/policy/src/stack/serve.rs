//! A server's stack before a service that takes HTTP requests, as a tower layer: what is refused, or too late, is
//! answered as HTTP has words for it, so that the service's errors stay its own (`Infallible`, with axum).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use mamparo_context::{Context, Deadline, Moment};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Stack;
use super::error::Cause;
use super::permit::{Entering, StackPermit};
use crate::body::Held;
use crate::fault_injection::{Injection, Then};
use crate::http::Received;
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
            None => mamparo_context::http::read(clock, &Received(request.headers()))
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
        let injection = self.stack.faults.as_ref().map(|faults| faults.decide(&cx)).unwrap_or_default();
        self.stack.counts.called();
        request.carry(cx);
        ServeFuture {
            injection,
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
    Enters {
        entering: Entering,
    },
    /// Made to wait by an injected fault.
    Delayed {
        permit: StackPermit,
    },
    Served {
        permit: StackPermit,
    },
    Refused {
        refusal: Refusal,
    },
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
        injection: Injection,
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

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        if let Stage::Enters { entering } = self.as_mut().project().stage {
            let turn = ready!(Pin::new(entering).poll(task));
            self.as_mut().turn(turn);
        }
        let mut this = self.as_mut().project();
        if let Stage::Delayed { .. } = this.stage {
            if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                ready!(timer.poll(task));
            }
            this.timer.set(None);
            let late = this.until.is_some_and(|until| until <= this.stack.clock.moment());
            match (late, this.injection.then) {
                (true, _) => return Poll::Ready(Ok(self.late())),
                (_, Then::Fail) => return Poll::Ready(Ok(self.ends(&Cause::Injected { sent: false }))),
                _ => {}
            }
            if let Stage::Delayed { permit } = std::mem::replace(this.stage, Stage::Over) {
                *this.stage = Stage::Served { permit };
            }
        }
        if let Stage::Refused { refusal } = this.stage {
            let refusal = *refusal;
            return Poll::Ready(Ok(self.ends(&Cause::Refused(refusal))));
        }
        let Some(call) = this.call.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(result) = call.poll(task) {
            this.call.set(None);
            if this.injection.then == Then::Abort {
                return Poll::Ready(Ok(self.ends(&Cause::Injected { sent: true })));
            }
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
            Some(Poll::Ready(())) => Poll::Ready(Ok(self.late())),
            _ => Poll::Pending,
        }
    }
}

impl<C, S: Service<Request<Q>>, Q> ServeFuture<C, S, Q> {
    /// The policies have let it through, or not.
    fn turn(self: Pin<&mut Self>, turn: Result<StackPermit, Refusal>) {
        let mut this = self.project();
        let now = this.stack.clock.moment();
        *this.stage = match turn {
            Err(refusal) => Stage::Refused { refusal },
            Ok(permit) => match this.stack.timeout.attempt_until(*this.whole, now) {
                Err(refusal) => {
                    permit.give_back();
                    Stage::Refused { refusal }
                }
                Ok(until) => {
                    *this.until = until;
                    if this.injection.delay.is_some() || this.injection.then == Then::Fail {
                        let end = now + this.injection.delay.unwrap_or_default();
                        let end = end.min(until.unwrap_or(Moment::NEVER));
                        this.timer.set(Some(sleep_until(&this.stack.clock, end)));
                        Stage::Delayed { permit }
                    } else {
                        Stage::Served { permit }
                    }
                }
            },
        };
    }

    /// Its time is over.
    fn late<B: Body + Default>(self: Pin<&mut Self>) -> Response<Held<B, Serving>> {
        let whole = self.until == self.whole;
        self.stack.counts.timed_out(whole);
        let after = self.stack.clock.moment().since(self.started);
        self.ends(&Cause::TimedOut { after, whole })
    }

    /// It ends without an answer of the service.
    fn ends<B: Body + Default>(self: Pin<&mut Self>, cause: &Cause<S::Error>) -> Response<Held<B, Serving>> {
        let mut this = self.project();
        // Dropped first: whoever works for it stops before its place is given away.
        this.call.set(None);
        let held = match std::mem::replace(this.stage, Stage::Over) {
            Stage::Served { permit } | Stage::Delayed { permit } => Some(permit),
            _ => None,
        };
        if let (Some(permit), Some(fault)) = (held, cause.own_fault()) {
            permit.record(&Outcome::Failure(fault));
        }
        told(cause)
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
