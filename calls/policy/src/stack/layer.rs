//! A stack as a tower layer. It is always ready; the call waits, and is one future without a box.

use std::sync::Arc;
use std::task::{Context as Task, Poll};

use mamparo_context::Context;
use tower_layer::Layer;
use tower_service::Service;

use super::Stack;
use super::error::CallError;
use super::execution::Execution;
use crate::Classify;
use crate::operation::{Carry, Oneshot, ServiceCall};

/// Puts a stack before a service.
#[derive(Clone, Debug)]
pub struct StackLayer<C> {
    stack: Arc<Stack>,
    classify: C,
}

impl<C> StackLayer<C> {
    /// `stack` before a service whose results `classify` understands, such as [`Outcome::of`](crate::Outcome::of).
    pub fn new(stack: Arc<Stack>, classify: C) -> Self {
        Self { stack, classify }
    }
}

impl<C: Clone, S> Layer<S> for StackLayer<C> {
    type Service = StackService<C, S>;

    fn layer(&self, service: S) -> Self::Service {
        StackService {
            stack: Arc::clone(&self.stack),
            classify: self.classify.clone(),
            nobodys: Arc::new(Context::root()),
            service,
        }
    }
}

/// A service behind a stack. Clones share the stack.
#[derive(Clone, Debug)]
pub struct StackService<C, S> {
    stack: Arc<Stack>,
    classify: C,
    /// The context of requests that carry none.
    nobodys: Arc<Context>,
    service: S,
}

impl<C, S, R> Service<R> for StackService<C, S>
where
    C: Classify<Result<S::Response, S::Error>> + Clone,
    S: Service<R> + Clone,
    R: Clone + Carry,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = Execution<Arc<Stack>, ServiceCall<S, R>, Oneshot<S, R>, C>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let cx = request.context().unwrap_or(&self.nobodys).clone();
        let call = ServiceCall::new(self.service.clone(), request);
        Execution::new(Arc::clone(&self.stack), cx, call, self.classify.clone())
    }
}
