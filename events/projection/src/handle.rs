//! How a query waits for a write, and how a person looks after a projection.

use std::sync::Arc;
use std::time::Duration;

use mamparo_ledger::{ReadError, StreamName};
use tokio::sync::watch;

use crate::keeper::Care;
use crate::{Parked, Status};

/// The read model did not get there in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the read model is at position {at}, not yet at {wanted}")]
pub struct NotYet {
    /// The position waited for.
    pub wanted: u64,
    /// Where it is.
    pub at: u64,
}

/// Watches a projection from anywhere. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) name: Arc<str>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) care: Arc<dyn Care>,
}

impl Handle {
    /// The name of the projection.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until everything up to `position` is applied: the read model then answers with one's own write. A
    /// stream that is parked is not in the read model all the same; [`Status::parked`] tells.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// It did not get there within `timeout`, or the projection has ended before.
    pub async fn wait_for(&self, position: u64, timeout: Duration) -> Result<(), NotYet> {
        let mut status = self.status.clone();
        if status.borrow().position >= position {
            return Ok(());
        }
        let arrived = status.wait_for(|status| status.position >= position);
        match tokio::time::timeout(timeout, arrived).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(NotYet { wanted: position, at: self.status.borrow().position }),
        }
    }

    /// The streams that are parked, those that failed first before the others.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn parked(&self) -> Result<Vec<Parked>, ReadError> {
        self.care.parked().await
    }

    /// Clears the read model and builds it anew from the first event: cleared and set back in one transaction, then
    /// built by the runner. Parked streams are tried again.
    ///
    /// Dropped at any await, it may still happen.
    ///
    /// # Errors
    /// The read model stays as it was.
    pub async fn rebuild(&self) -> mamparo_ledger::Result<()> {
        self.care.rebuild().await
    }

    /// Applies the events of a parked stream after all, from the one that failed on; answers with how many. When
    /// one fails again the stream stays parked.
    ///
    /// # Errors
    /// An event failed again, or the ledger did.
    pub async fn resume(&self, stream: &StreamName) -> mamparo_ledger::Result<u64> {
        self.care.resume(stream, false).await
    }

    /// As [`Handle::resume`], but without the event that failed: the read model never sees it.
    ///
    /// # Errors
    /// As [`Handle::resume`].
    pub async fn resume_without(&self, stream: &StreamName) -> mamparo_ledger::Result<u64> {
        self.care.resume(stream, true).await
    }
}
