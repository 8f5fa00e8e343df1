//! What can go wrong with a journal, and what of it leaves open whether something happened.

use mamparo_cache::journal::JournalError;
use mamparo_ledger::{Error, ReadError};

use crate::limits::NAME_MAX;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be called so.
    #[error("a journal is called by 1 to {NAME_MAX} bytes, not `{name}`")]
    Name {
        /// The name.
        name: String,
    },
    /// Its tables cannot be made, or were made by a newer program.
    #[error(transparent)]
    Schema(#[from] mamparo_ledger::OpenError),
    /// The ledger cannot be written to.
    #[error(transparent)]
    Ledger(#[from] Error),
}

/// What a journal itself refuses; its transaction is rolled back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the journal was opened again, by somebody who writes to it now")]
    OpenedAgain,
    #[error("the journal keeps {records} records, and at most {max} fit")]
    Full { records: u64, max: u64 },
}

/// Of all that can go wrong in a transaction, one thing alone leaves open whether it took effect.
pub(crate) fn of_write(error: &Error) -> JournalError {
    let why = error.to_string();
    match error {
        Error::Indeterminate(_) => JournalError::Indeterminate { why },
        _ => JournalError::Refused { why },
    }
}

/// A read changes nothing, however it fails.
pub(crate) fn of_read(error: ReadError) -> JournalError {
    refused(Error::from(error))
}

pub(crate) fn refused(why: impl std::fmt::Display) -> JournalError {
    JournalError::Refused { why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_commit_that_was_not_confirmed_is_indeterminate() {
        let refused = [
            Error::app(Refusal::OpenedAgain),
            Error::Busy { retry_after: Duration::from_secs(1) },
            Error::Constraint { message: "id".into() },
            Error::Aborted("interrupted".into()),
            Error::DeadlinePassed,
            Error::DiskFull,
            Error::Panicked("no".into()),
            Error::Unavailable("closed".into()),
        ];
        for error in refused {
            assert_eq!(of_write(&error), JournalError::Refused { why: error.to_string() });
        }
        let unknown = Error::Indeterminate("no sync".into());
        assert_eq!(of_write(&unknown), JournalError::Indeterminate { why: unknown.to_string() });
    }
}
