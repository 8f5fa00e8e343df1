//! What an operation inside a transaction returns: done already (an embedded engine) or still under way (one
//! behind a socket). It saves the embedded engine a box for every statement.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Result;

/// An operation of a [`crate::Tx`]; await it.
#[must_use = "an operation does nothing until it is awaited"]
pub enum Work<'t, T> {
    /// Its result is there.
    Done(Option<Result<T>>),
    /// It is under way.
    Pending(Pin<Box<dyn Future<Output = Result<T>> + 't>>),
}

impl<T> Work<'_, T> {
    /// An operation whose result is there.
    pub fn done(result: Result<T>) -> Self {
        Self::Done(Some(result))
    }
}

impl<T: Unpin> Future for Work<'_, T> {
    type Output = Result<T>;

    /// # Panics
    /// When polled again after it was ready, as every future may.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        match self.get_mut() {
            Self::Done(result) => match result.take() {
                Some(result) => Poll::Ready(result),
                None => panic!("polled after it was ready"),
            },
            Self::Pending(future) => future.as_mut().poll(cx),
        }
    }
}
