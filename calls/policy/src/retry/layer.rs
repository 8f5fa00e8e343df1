//! Retry alone as a tower layer. With other policies, take the [`Stack`](crate::stack::Stack).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use mamparo_context::{Attempt, Clock, Context, Deadline, Random};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::core::{Again, End, Retry, Tries};
use crate::Classify;
use crate::operation::{Carry, Oneshot};
use crate::time::{Sleep, sleep_until};

/// Puts a retry before a service.
#[derive(Clone, Debug)]
pub struct RetryLayer<C>(Shared<C>);

#[derive(Clone, Debug)]
struct Shared<C> {
    retry: Arc<Retry>,
    clock: Clock,
    random: Random,
    classify: C,
}

impl<C> RetryLayer<C> {
    /// `retry` before a service whose results `classify` understands, such as
    /// [`Outcome::of`](crate::Outcome::of).
    pub fn new(retry: Arc<Retry>, clock: Clock, classify: C) -> Self {
        Self(Shared { retry, clock, random: Random::system(), classify })
    }
}

impl<C: Clone, S> Layer<S> for RetryLayer<C> {
    type Service = RetryService<C, S>;

    fn layer(&self, service: S) -> Self::Service {
        RetryService { shared: Arc::new(self.0.clone()), service }
    }
}

/// A service whose calls are made again. Clones share the budget.
#[derive(Debug)]
pub struct RetryService<C, S> {
    shared: Arc<Shared<C>>,
    service: S,
}

impl<C, S: Clone> Clone for RetryService<C, S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), service: self.service.clone() }
    }
}

impl<C, S, R> Service<R> for RetryService<C, S>
where
    C: Classify<Result<S::Response, S::Error>>,
    S: Service<R> + Clone,
    R: Carry + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<C, S, R>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        RetryFuture {
            shared: Arc::clone(&self.shared),
            service: self.service.clone(),
            spare: request.clone(),
            tries: Tries::default(),
            over: false,
            attempt: Some(Oneshot::new(self.service.clone(), request)),
            pause: None,
        }
    }
}

pin_project! {
    /// A call that is made again. Dropped, it drops the attempt that is under way.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct RetryFuture<C, S: Service<R>, R> {
        shared: Arc<Shared<C>>,
        service: S,
        spare: R,
        tries: Tries,
        over: bool,
        #[pin]
        attempt: Option<Oneshot<S, R>>,
        #[pin]
        pause: Option<Sleep>,
    }
}

impl<C, S, R> Future for RetryFuture<C, S, R>
where
    C: Classify<Result<S::Response, S::Error>>,
    S: Service<R> + Clone,
    R: Carry + Clone,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            if let Some(attempt) = this.attempt.as_mut().as_pin_mut() {
                let result = ready!(attempt.poll(task));
                this.attempt.set(None);
                let outcome = this.shared.classify.classify(&result);
                if outcome.fault().is_none() {
                    this.shared.retry.succeeded(this.tries);
                    *this.over = true;
                    return Poll::Ready(result);
                }
                match self.as_mut().failed(&outcome) {
                    Some(pause) => self.as_mut().wait(pause),
                    None => {
                        *self.project().over = true;
                        return Poll::Ready(result);
                    }
                }
                continue;
            }
            // Who polls it once more must not make the call once more.
            if *this.over {
                return Poll::Pending;
            }
            if let Some(pause) = this.pause.as_mut().as_pin_mut() {
                ready!(pause.poll(task));
                this.pause.set(None);
            }
            let mut request = this.spare.clone();
            if let (Some(cx), Some(number)) = (this.spare.context(), Attempt::new(this.tries.made())) {
                request.carry(cx.clone().with_attempt(number));
            }
            this.attempt.set(Some(Oneshot::new(this.service.clone(), request)));
        }
    }
}

impl<C, S: Service<R>, R: Carry> RetryFuture<C, S, R> {
    /// After which pause it is made again.
    #[cold]
    fn failed(self: Pin<&mut Self>, outcome: &crate::Outcome) -> Option<Duration> {
        let this = self.project();
        let nobodys = Context::root();
        let cx = this.spare.context().unwrap_or(&nobodys);
        let end = End {
            now: this.shared.clock.moment(),
            until: cx.deadline().map(Deadline::moment),
            minimum: Duration::ZERO,
            refused: false,
        };
        match this.shared.retry.next(this.tries, outcome, cx, end, || this.shared.random.unit()) {
            Again::After(pause) => Some(pause),
            Again::No | Again::GaveUp(_) | Again::Shadow => None,
        }
    }

    fn wait(self: Pin<&mut Self>, pause: Duration) {
        let mut this = self.project();
        let clock = &this.shared.clock;
        this.pause.set(Some(sleep_until(clock, clock.moment() + pause)));
    }
}
