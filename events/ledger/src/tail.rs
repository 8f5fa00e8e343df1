//! Reading on without end: what is there, then what comes, without a gap and without an event twice.

use crate::limits::PAGE_MAX;
use crate::{Ledger, ReadError, Recorded};

/// Events of a ledger from a position on, without end.
pub struct Tail {
    ledger: Ledger,
    after: u64,
}

impl Tail {
    pub(crate) fn new(ledger: Ledger, after: u64) -> Self {
        Self { ledger, after }
    }

    /// The position of the last event that was handed out.
    pub fn position(&self) -> u64 {
        self.after
    }

    /// The next events, at least one and at most `max`; waits until there is one.
    ///
    /// Cancel safe: what a dropped call had read is read again by the next.
    ///
    /// # Errors
    /// The ledger cannot be read, or was closed.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Recorded>, ReadError> {
        let mut head = self.ledger.head();
        let after = self.after;
        head.wait_for(|head| head.position > after)
            .await
            .map_err(|_| ReadError::Unavailable("the ledger was closed".into()))?;
        let page = self.ledger.read_all(after, max.clamp(1, PAGE_MAX)).await?;
        if let Some(last) = page.last() {
            self.after = last.position;
        }
        Ok(page)
    }
}
