//! Where dirty entries survive the process: what a journal promises, and one that is a file.

pub mod conformance;
mod file;
mod frame;

use std::pin::Pin;

use bytes::Bytes;

pub use file::{FileJournal, FileJournalOptions, OpenError};

/// A future in a box, for traits that are used behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Given by who appends; no two records of a journal have the same, and they grow.
    pub id: u64,
    /// What it says.
    pub payload: Bytes,
}

/// A journal did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It did nothing of it.
    #[error("journal refused: {why}")]
    Refused {
        /// What was wrong.
        why: String,
    },
    /// Nobody knows whether it did. It takes nothing more until it is opened again.
    #[error("journal failed: {why}")]
    Indeterminate {
        /// What was wrong.
        why: String,
    },
}

/// Keeps records until they are acknowledged, also when the process or the machine ends.
///
/// Whoever implements it runs [`conformance::check`] against it.
pub trait Journal: Send + Sync + 'static {
    /// Appends `records`, all or nothing, in their order. Once it has returned `Ok` they are on disk. The future may
    /// be dropped: they are appended then or not.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Records that are no longer needed. It need not be on disk when this returns: what is forgotten is replayed
    /// once more. But what survives is a prefix: an acknowledgement survives only together with everything that was
    /// appended and acknowledged before it. Unknown ids are ignored.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn acknowledge(&self, ids: Vec<u64>) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Records that were appended and not acknowledged, by ascending id: at most `max`, after the id `after`.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn replay(&self, after: Option<u64>, max: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>>;
}
