//! What is called: a function, or a tower service with its request.

use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use mamparo_context::Context;
use pin_project_lite::pin_project;
use tower_service::Service;

/// What can be begun anew for each attempt. Every function of a [`Context`] that gives a future is one.
pub trait Operation {
    /// An attempt.
    type Future: Future;

    /// Begins an attempt in this context: its number and its deadline are to be sent on.
    fn begin(&mut self, cx: Context) -> Self::Future;
}

impl<O: FnMut(Context) -> F, F: Future> Operation for O {
    type Future = F;

    #[inline]
    fn begin(&mut self, cx: Context) -> F {
        self(cx)
    }
}

/// A request that can carry a [`Context`].
pub trait Carry {
    /// What it carries.
    fn context(&self) -> Option<&Context>;
    /// It carries this from now on.
    fn carry(&mut self, cx: Context);
}

impl<B> Carry for http::Request<B> {
    fn context(&self) -> Option<&Context> {
        self.extensions().get()
    }

    fn carry(&mut self, cx: Context) {
        self.extensions_mut().insert(cx);
    }
}

/// Nothing carries nothing.
impl Carry for () {
    fn context(&self) -> Option<&Context> {
        None
    }

    fn carry(&mut self, _: Context) {}
}

/// A service and a request that can be made again.
#[derive(Clone, Debug)]
pub struct ServiceCall<S, R> {
    service: S,
    request: R,
}

impl<S, R> ServiceCall<S, R> {
    pub(crate) fn new(service: S, request: R) -> Self {
        Self { service, request }
    }
}

impl<S: Service<R> + Clone, R: Clone + Carry> Operation for ServiceCall<S, R> {
    type Future = Oneshot<S, R>;

    #[inline]
    fn begin(&mut self, cx: Context) -> Oneshot<S, R> {
        let mut request = self.request.clone();
        request.carry(cx);
        Oneshot::new(self.service.clone(), request)
    }
}

pin_project! {
    /// Waits until a service is ready, and calls it: the same instance, for readiness belongs to an instance.
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Oneshot<S: Service<R>, R> {
        service: S,
        request: Option<R>,
        #[pin]
        response: Option<S::Future>,
    }
}

impl<S: Service<R>, R> Oneshot<S, R> {
    pub(crate) fn new(service: S, request: R) -> Self {
        Self { service, request: Some(request), response: None }
    }
}

impl<S: Service<R>, R> Future for Oneshot<S, R> {
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.request.is_some() {
            ready!(this.service.poll_ready(task))?;
            if let Some(request) = this.request.take() {
                this.response.set(Some(this.service.call(request)));
            }
        }
        match this.response.as_mut().as_pin_mut() {
            Some(response) => response.poll(task),
            None => Poll::Pending,
        }
    }
}
