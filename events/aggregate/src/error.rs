//! What can go wrong with an aggregate.

use mamparo_context::Fault;
use mamparo_ledger::{Error, ReadError, StreamName};

/// A recorded event that this program cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {version} of {stream}, of kind {kind}, cannot be read: {reason}")]
pub struct DecodeError {
    /// Its stream.
    pub stream: StreamName,
    /// Its place in the stream.
    pub version: u64,
    /// Its kind.
    pub kind: String,
    /// Why not.
    pub reason: String,
}

/// Upcasters that go round in a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upcasters from {kind} go round in a circle")]
pub struct UpcastError {
    /// The kind that was to be upcast.
    pub kind: String,
}

/// Why an aggregate could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Why a command had no effect; as with every unit of work, [`Error::Indeterminate`] leaves it open.
#[derive(Debug, thiserror::Error)]
pub enum HandleError<R> {
    /// The aggregate refused it.
    #[error("refused: {0}")]
    Rejected(R),
    /// Others were faster every time.
    #[error("others changed {stream} first, {tries} times")]
    Contended {
        /// Which stream.
        stream: StreamName,
        /// How often it was tried.
        tries: u32,
    },
    /// It could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The ledger refused it.
    #[error(transparent)]
    Ledger(Error),
}

impl<R> HandleError<R> {
    /// What the failure means to a retry.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Rejected(_) => Fault::caller(),
            Self::Contended { .. } => Fault::upstream(),
            Self::Load(LoadError::Decode(_)) => Fault::internal(),
            Self::Load(LoadError::Read(error)) => match error {
                ReadError::Busy { retry_after } => Fault::upstream().retry_after(*retry_after),
                ReadError::Unavailable(_) => Fault::upstream(),
                _ => Fault::internal(),
            },
            Self::Ledger(error) => error.fault(),
        }
    }
}
