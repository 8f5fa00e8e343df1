//! Timeout alone as a tower layer. With other policies, take the [`Stack`](crate::stack::Stack).

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use mamparo_context::{Clock, Context, Deadline, Moment};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::TimeoutConfig;
use crate::operation::{Carry, Oneshot};
use crate::stack::Cause;
use crate::time::{Sleep, sleep_until};
use crate::{InvalidConfig, Policy, Reason, Refusal};

/// Puts a time before which it must answer on a service. There is one attempt here, so the shorter of `overall` and
/// `attempt` holds.
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    config: TimeoutConfig,
    clock: Clock,
}

impl TimeoutLayer {
    /// By `config`.
    ///
    /// # Errors
    /// `config` is wrong.
    pub fn new(config: TimeoutConfig, clock: Clock) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { config, clock })
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutService<S>;

    fn layer(&self, service: S) -> Self::Service {
        TimeoutService { config: self.config, clock: self.clock.clone(), service }
    }
}

/// A service that must answer in time.
#[derive(Clone, Debug)]
pub struct TimeoutService<S> {
    config: TimeoutConfig,
    clock: Clock,
    service: S,
}

impl<S, R> Service<R> for TimeoutService<S>
where
    S: Service<R> + Clone,
    R: Carry,
{
    type Response = S::Response;
    type Error = Cause<S::Error>;
    type Future = TimeoutFuture<S, R>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        let now = self.clock.moment();
        let inherited = request.context().and_then(Context::deadline).map(Deadline::moment);
        let overall = self.config.overall.map(|overall| now + overall);
        let whole = match (inherited, overall) {
            (Some(inherited), Some(overall)) => Some(inherited.min(overall)),
            (inherited, overall) => inherited.or(overall),
        };
        let until = self.config.attempt_until(whole, now);
        if let (Ok(Some(until)), Some(cx)) = (until, request.context()) {
            let cx = cx.clone().with_deadline(Deadline::at(until.instant()));
            request.carry(cx);
        }
        TimeoutFuture {
            until,
            whole,
            started: now,
            clock: self.clock.clone(),
            call: Some(Oneshot::new(self.service.clone(), request)),
            timer: None,
        }
    }
}

pin_project! {
    /// A call that must be answered in time. When the time is over the call is dropped.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct TimeoutFuture<S: Service<R>, R> {
        until: Result<Option<Moment>, Refusal>,
        whole: Option<Moment>,
        started: Moment,
        clock: Clock,
        #[pin]
        call: Option<Oneshot<S, R>>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<S: Service<R>, R> Future for TimeoutFuture<S, R> {
    type Output = Result<S::Response, Cause<S::Error>>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let until = match *this.until {
            Ok(until) => until,
            Err(refusal) => return Poll::Ready(Err(Cause::Refused(refusal))),
        };
        let Some(call) = this.call.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(result) = call.poll(task) {
            return Poll::Ready(result.map_err(Cause::Failed));
        }
        let Some(until) = until else { return Poll::Pending };
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(this.clock, until)));
        }
        match this.timer.as_mut().as_pin_mut().map(|timer| timer.poll(task)) {
            Some(Poll::Ready(())) => {
                this.call.set(None);
                let after = this.clock.moment().since(*this.started);
                // From now on nobody may poll it; who does is told that the time is over.
                *this.until = Err(Refusal::new(Policy::Timeout, Reason::DeadlinePassed));
                Poll::Ready(Err(Cause::TimedOut { after, whole: Some(until) == *this.whole }))
            }
            _ => Poll::Pending,
        }
    }
}
