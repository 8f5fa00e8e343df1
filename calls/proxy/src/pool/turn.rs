//! The turn of an endpoint to take a request: it lasts until the answer has ended, and what the request came to is told
//! then, whoever ends it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mamparo_balance::{Pick, Seen};
use mamparo_context::Moment;

/// The turn of an endpoint. Dropped before anything was seen, it was cancelled and says nothing about the endpoint.
#[derive(Debug)]
pub(crate) struct Turn {
    pick: Option<Pick>,
    begun: Instant,
    seen: Option<(Seen, Duration)>,
}

impl Turn {
    pub(crate) fn new(pick: Pick, begun: Instant) -> Self {
        Self { pick: Some(pick), begun, seen: None }
    }

    pub(crate) fn endpoint(&self) -> Option<SocketAddr> {
        self.pick.as_ref().map(Pick::address)
    }

    /// It has answered, or failed, at `now`. What is seen later counts.
    pub(crate) fn sees(&mut self, seen: Seen, now: Instant) {
        self.seen = Some((seen, now.saturating_duration_since(self.begun)));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (Some(pick), Some((seen, took))) = (self.pick.take(), self.seen) else { return };
        let endpoint = pick.address();
        if let Some(ejection) = pick.record(seen, took, Moment::from(self.begun + took)) {
            tracing::warn!(%endpoint, ?ejection, "an endpoint is left out for a while");
        }
    }
}
