//! An admission policy as a tower layer. It is always ready: nothing is reserved in `poll_ready`, where whoever was
//! told that there is room may never come; the call itself waits.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use mamparo_context::Context;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::admission::{Admission, Admit, Permit, Waiting};
use crate::body::Held;
use crate::operation::{Carry, Oneshot};
use crate::stack::Cause;
use crate::{Classify, Outcome, Refusal};

/// Puts an admission policy before a service.
#[derive(Debug)]
pub struct PolicyLayer<A, C> {
    policy: Arc<A>,
    classify: C,
}

impl<A, C: Clone> Clone for PolicyLayer<A, C> {
    fn clone(&self) -> Self {
        Self { policy: Arc::clone(&self.policy), classify: self.classify.clone() }
    }
}

impl<A: Admission, C> PolicyLayer<A, C> {
    /// `policy` before a service whose results `classify` understands, such as [`Outcome::of`].
    pub fn new(policy: Arc<A>, classify: C) -> Self {
        Self { policy, classify }
    }
}

impl<A, C: Clone, S> Layer<S> for PolicyLayer<A, C> {
    type Service = PolicyService<A, C, S>;

    fn layer(&self, service: S) -> Self::Service {
        PolicyService {
            policy: Arc::clone(&self.policy),
            classify: self.classify.clone(),
            nobodys: Arc::new(Context::root()),
            service,
        }
    }
}

/// A service behind an admission policy. Clones share the policy.
#[derive(Debug)]
pub struct PolicyService<A, C, S> {
    policy: Arc<A>,
    classify: C,
    /// The context of requests that carry none.
    nobodys: Arc<Context>,
    service: S,
}

impl<A, C: Clone, S: Clone> Clone for PolicyService<A, C, S> {
    fn clone(&self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
            classify: self.classify.clone(),
            nobodys: Arc::clone(&self.nobodys),
            service: self.service.clone(),
        }
    }
}

impl<A, C, S, R> Service<R> for PolicyService<A, C, S>
where
    A: Admission,
    C: Classify<Result<S::Response, S::Error>> + Clone,
    S: Service<R> + Clone,
    R: Carry,
{
    type Response = S::Response;
    type Error = Cause<S::Error>;
    type Future = PolicyFuture<A, C, S, R>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let cx = request.context().unwrap_or(&self.nobodys);
        let entry = match self.policy.admit_now(cx) {
            Admit::Admit(pass) => Entry::In(Permit::new(Arc::clone(&self.policy), pass)),
            Admit::Wait(ticket) => Entry::Waits(Waiting::new(Arc::clone(&self.policy), ticket)),
            Admit::Refuse(refusal) => Entry::Refused(refusal),
        };
        PolicyFuture {
            entry,
            classify: self.classify.clone(),
            call: Oneshot::new(self.service.clone(), request),
        }
    }
}

enum Entry<A: Admission> {
    Waits(Waiting<A>),
    In(Permit<A>),
    Refused(Refusal),
    Over,
}

pin_project! {
    /// A call behind an admission policy. Dropped, it leaves the line, or cancels the call.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct PolicyFuture<A: Admission, C, S: Service<R>, R> {
        // Before the permit: a call is dropped before its place is given to another.
        #[pin]
        call: Oneshot<S, R>,
        entry: Entry<A>,
        classify: C,
    }
}

impl<A, C, S, R> PolicyFuture<A, C, S, R>
where
    A: Admission,
    C: Classify<Result<S::Response, S::Error>>,
    S: Service<R>,
{
    /// Waits for the result, and for the permit that it must be recorded with.
    fn result(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<Settled<A, S, R>, Refusal>> {
        let this = self.project();
        if let Entry::Waits(waiting) = this.entry {
            *this.entry = match ready!(Pin::new(waiting).poll(task)) {
                Ok(permit) => Entry::In(permit),
                Err(refusal) => Entry::Refused(refusal),
            };
        }
        if let Entry::Refused(refusal) = this.entry {
            return Poll::Ready(Err(*refusal));
        }
        let result = ready!(this.call.poll(task));
        let outcome = this.classify.classify(&result);
        match std::mem::replace(this.entry, Entry::Over) {
            Entry::In(permit) => Poll::Ready(Ok(Settled { result, outcome, permit })),
            _ => Poll::Pending,
        }
    }
}

struct Settled<A: Admission, S: Service<R>, R> {
    result: Result<S::Response, S::Error>,
    outcome: Outcome,
    permit: Permit<A>,
}

impl<A, C, S, R> Future for PolicyFuture<A, C, S, R>
where
    A: Admission,
    C: Classify<Result<S::Response, S::Error>>,
    S: Service<R>,
{
    type Output = Result<S::Response, Cause<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Settled { result, outcome, permit } = ready!(self.result(task))?;
        permit.record_now(&outcome);
        Poll::Ready(result.map_err(Cause::Failed))
    }
}

/// As [`PolicyLayer`], for answers with a body: the permit ends with the body, not with the head.
#[derive(Debug)]
pub struct BodyPolicyLayer<A, C>(PolicyLayer<A, C>);

impl<A, C: Clone> Clone for BodyPolicyLayer<A, C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Admission, C> BodyPolicyLayer<A, C> {
    /// As [`PolicyLayer::new`].
    pub fn new(policy: Arc<A>, classify: C) -> Self {
        Self(PolicyLayer::new(policy, classify))
    }
}

impl<A, C: Clone, S> Layer<S> for BodyPolicyLayer<A, C> {
    type Service = BodyPolicyService<A, C, S>;

    fn layer(&self, service: S) -> Self::Service {
        BodyPolicyService(self.0.layer(service))
    }
}

/// A service behind an admission policy whose permits end with the bodies of the answers.
#[derive(Debug)]
pub struct BodyPolicyService<A, C, S>(PolicyService<A, C, S>);

impl<A, C: Clone, S: Clone> Clone for BodyPolicyService<A, C, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Records its outcome when it is dropped: with the last of a body, or when the client has left.
pub struct Recording<A: Admission> {
    permit: Option<Permit<A>>,
    outcome: Outcome,
}

impl<A: Admission> Drop for Recording<A> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.record_now(&self.outcome);
        }
    }
}

impl<A, C, S, R, B> Service<R> for BodyPolicyService<A, C, S>
where
    A: Admission,
    C: Classify<Result<S::Response, S::Error>> + Clone,
    S: Service<R, Response = http::Response<B>> + Clone,
    B: http_body::Body,
    R: Carry,
{
    type Response = http::Response<Held<B, Recording<A>>>;
    type Error = Cause<S::Error>;
    type Future = BodyPolicyFuture<A, C, S, R>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        BodyPolicyFuture { inner: self.0.call(request) }
    }
}

pin_project! {
    /// A call behind an admission policy, up to the head of its answer.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct BodyPolicyFuture<A: Admission, C, S: Service<R>, R> {
        #[pin]
        inner: PolicyFuture<A, C, S, R>,
    }
}

impl<A, C, S, R, B> Future for BodyPolicyFuture<A, C, S, R>
where
    A: Admission,
    C: Classify<Result<S::Response, S::Error>>,
    S: Service<R, Response = http::Response<B>>,
    B: http_body::Body,
{
    type Output = Result<http::Response<Held<B, Recording<A>>>, Cause<S::Error>>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Settled { result, outcome, permit } = ready!(self.project().inner.result(task))?;
        let recording = Recording { permit: Some(permit), outcome };
        Poll::Ready(match result {
            Ok(response) => Ok(response.map(|body| Held::new(body, recording))),
            Err(error) => Err(Cause::Failed(error)),
        })
    }
}
