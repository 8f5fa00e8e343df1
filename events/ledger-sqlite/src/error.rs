//! What SQLite's error codes mean to a caller.

use std::path::Path;

use mamparo_ledger::{Error, OpenError, ReadError};
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};

fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

/// Why a statement of a unit of work failed.
pub(crate) fn statement(sql: &str, error: &rusqlite::Error) -> Error {
    match code(error) {
        Some(ErrorCode::ConstraintViolation) => Error::Constraint { message: error.to_string() },
        Some(ErrorCode::DiskFull) => Error::DiskFull,
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::OutOfMemory) => {
            Error::Unavailable(error.to_string())
        }
        Some(ErrorCode::OperationInterrupted) => Error::Aborted(error.to_string()),
        _ => Error::Sql { sql: sql.to_owned(), message: error.to_string() },
    }
}

/// Why a group could not begin.
pub(crate) fn begin(error: &rusqlite::Error) -> Error {
    match code(error) {
        Some(ErrorCode::DiskFull) => Error::DiskFull,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Unavailable(format!("a foreign program keeps the database locked: {error}"))
        }
        _ => Error::Unavailable(error.to_string()),
    }
}

/// The same reason why a group could not begin, for the next of its units.
pub(crate) fn begin_again(why: &Error) -> Error {
    match why {
        Error::DiskFull => Error::DiskFull,
        Error::Unavailable(reason) => Error::Unavailable(reason.clone()),
        other => Error::Unavailable(other.to_string()),
    }
}

/// Whether nobody can tell if the commit that failed so is on disk: `fdatasync` itself failed. To sync again
/// proves nothing then, since the kernel may have dropped the pages (see P. Rebello et al., "Can Applications
/// Recover from fsync Failures?", 2020).
pub(crate) fn is_sync_failure(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| matches!(error.extended_code, SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC))
}

/// Why a commit of a unit on its own failed.
pub(crate) fn commit(error: &rusqlite::Error) -> Error {
    if is_sync_failure(error) { Error::Indeterminate(error.to_string()) } else { statement("COMMIT", error) }
}

/// Why a read failed.
pub(crate) fn read(sql: &str, error: &rusqlite::Error) -> ReadError {
    match code(error) {
        Some(ErrorCode::OperationInterrupted) => {
            ReadError::TooSlow { sql: sql.to_owned(), max: crate::limits::READ_TIME_MAX }
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::OutOfMemory) => {
            ReadError::Unavailable(error.to_string())
        }
        _ => ReadError::Sql { sql: sql.to_owned(), message: error.to_string() },
    }
}

/// Why the file could not be opened.
pub(crate) fn open(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, message) = (path.to_owned(), error.to_string());
    match code(error) {
        Some(ErrorCode::NotADatabase) => OpenError::NotALedger { path, message },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, message },
        _ => OpenError::Io { path, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_a_group_is_told_the_same_reason() {
        for why in [Error::DiskFull, Error::Unavailable("the disk failed to sync".into())] {
            assert_eq!(begin_again(&why).to_string(), why.to_string());
        }
    }
}
