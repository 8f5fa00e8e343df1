//! Why a caller got nothing from a load.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use mamparo_context::Fault;
use mamparo_policy::ToFault;

/// An error of whoever loads or writes, as it came.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a caller got nothing from a load. All who waited for the same load get the same error, which is cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// The load failed, with the error that it gave.
    #[error("load failed: {0}")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
    /// The caller's own deadline has passed; the load may go on.
    #[error("the deadline passed while the load went on")]
    DeadlinePassed,
    /// The load took as long as a load may.
    #[error("load given up after {after:?}")]
    TimedOut {
        /// How long that was.
        after: Duration,
    },
    /// The load panicked.
    #[error("load panicked")]
    Panicked,
    /// As many loads run as may, or as many callers wait for this one.
    #[error("too many loads, or too many who wait")]
    TooMany,
    /// There is no runtime to load on, or it is being shut down.
    #[error("no runtime to load on")]
    Stopped,
}

impl LoadError {
    /// The error of the load itself, if it is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl ToFault for LoadError {
    fn fault(&self) -> Fault {
        match self {
            Self::Failed(_) | Self::TimedOut { .. } => Fault::upstream(),
            Self::DeadlinePassed | Self::Panicked | Self::Stopped => Fault::internal(),
            Self::TooMany => Fault { retry: mamparo_context::Retry::Now, ..Fault::internal() },
        }
    }
}
