//! A request that waits for what another fetches, and what it has learned when it has waited.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mamparo_cache::flight;

use crate::entry::{Place, Stored};

/// What a fetch came to, for those who waited for it.
#[derive(Clone, Debug)]
pub(crate) enum Landed {
    /// This is kept there now.
    Stored(Place, Arc<Stored>),
    /// Look again: it is known by now what the answers vary by, or nobody fetches any more.
    Look,
    /// What came is not for others.
    Alone,
}

/// Waits for what another request fetches. Dropped, it waits no more, and nothing else changes: who waits under a
/// deadline drops it there.
///
/// It always ends: when the other has the answer whole, learns that it is not for others, or is dropped.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Waiter {
    inner: flight::Waiter<Landed>,
    times: u8,
}

impl Waiter {
    pub(crate) fn new(inner: flight::Waiter<Landed>, waited: &Waited) -> Self {
        Self { inner, times: waited.times }
    }
}

impl Future for Waiter {
    type Output = Waited;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Waited> {
        let landed = ready!(Pin::new(&mut self.inner).poll(task));
        Poll::Ready(Waited { times: self.times.saturating_add(1), landed: Some(landed), gave_up: false })
    }
}

/// What a request has learned by waiting; the default is that it has not waited yet.
#[derive(Clone, Debug, Default)]
pub struct Waited {
    pub(crate) times: u8,
    pub(crate) landed: Option<Landed>,
    pub(crate) gave_up: bool,
}

impl Waited {
    /// It has waited as long as it may: it is not told to wait again.
    pub fn too_long() -> Self {
        Self { times: u8::MAX, landed: None, gave_up: true }
    }
}
