//! What can go wrong with a ledger, one enum for each kind of operation.

use std::path::PathBuf;
use std::time::Duration;

use mamparo_context::Fault;

use crate::StreamName;

/// What a unit of work answers with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a unit of work had no effect; [`Error::Indeterminate`] alone leaves open whether it had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream is not where the caller expected it to be.
    #[error("stream {stream} is at version {actual}, expected {expected}")]
    VersionConflict {
        /// Which stream.
        stream: StreamName,
        /// What the caller expected.
        expected: crate::Expected,
        /// The version it is at; 0 when it does not exist.
        actual: u64,
    },
    /// What the application's own code refused.
    #[error("{0}")]
    App(Box<dyn std::error::Error + Send + Sync>),
    /// A rule of the database was broken: uniqueness, a check, a reference.
    #[error("constraint violated: {message}")]
    Constraint {
        /// What the engine says.
        message: String,
    },
    /// The statement is wrong.
    #[error("statement failed: {message} in `{sql}`")]
    Sql {
        /// The statement.
        sql: String,
        /// What the engine says.
        message: String,
    },
    /// A value does not fit its limit.
    #[error("{what} has {size}, at most {max} is accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        max: usize,
    },
    /// A column holds another type than the one asked for.
    #[error("column {column}: expected {expected}, found {found}")]
    Type {
        /// The column, by number from 0 or by name.
        column: String,
        /// The type asked for.
        expected: &'static str,
        /// The type it holds.
        found: &'static str,
    },
    /// A message cannot be published.
    #[error(transparent)]
    Publish(#[from] mamparo_broker::PublishError),
    /// The unit of work waited for something other than its transaction. An embedded engine runs all units on
    /// one thread, which must never wait for anything else: do that before or after.
    #[error("a unit of work awaited something other than its transaction")]
    ForeignAwait,
    /// The unit of work panicked and was rolled back.
    #[error("unit of work panicked: {0}")]
    Panicked(String),
    /// The deadline had passed before the unit of work began.
    #[error("deadline passed before the unit of work began")]
    DeadlinePassed,
    /// Too many units of work wait already. Nothing was done.
    #[error("ledger is busy, try again in {retry_after:?}")]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The disk is full. Nothing was done; writing resumes by itself once there is space.
    #[error("no space left for the ledger")]
    DiskFull,
    /// The engine dropped the transaction, and the unit of work may not be run again by itself. Nothing was
    /// done; the caller may try again.
    #[error("the transaction was dropped by the engine: {0}")]
    Aborted(String),
    /// The ledger cannot be written to.
    #[error("ledger unavailable: {0}")]
    Unavailable(String),
    /// The commit was not confirmed: it may or may not have taken effect. Ask again under the same key.
    #[error("the commit was not confirmed, it may have taken effect: {0}")]
    Indeterminate(String),
}

impl Error {
    /// An error of the application's own; the transaction is rolled back and the caller gets it back through
    /// [`Error::app_as`].
    pub fn app(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::App(error.into())
    }

    /// The application's own error, if this is one of type `E`.
    pub fn app_as<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::App(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// What the failure means to a retry.
    pub fn fault(&self) -> Fault {
        match self {
            Self::VersionConflict { .. } | Self::Aborted(_) => Fault::upstream(),
            Self::Busy { retry_after } => Fault::upstream().retry_after(*retry_after),
            Self::DiskFull | Self::Unavailable(_) => Fault::upstream().retry_after(Duration::from_secs(1)),
            Self::Indeterminate(_) => Fault::upstream().indeterminate(),
            Self::Publish(error) => error.fault(),
            Self::Panicked(_) | Self::ForeignAwait | Self::Sql { .. } | Self::Type { .. } => {
                Fault::internal()
            }
            Self::App(_) | Self::Constraint { .. } | Self::TooLarge { .. } | Self::DeadlinePassed => {
                Fault::caller()
            }
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The statement is wrong, or it would write.
    #[error("query failed: {message} in `{sql}`")]
    Sql {
        /// The statement.
        sql: String,
        /// What the engine says.
        message: String,
    },
    /// The answer is longer than a query may be: read it in pages.
    #[error("the answer has more than {max} rows; read it in pages")]
    TooManyRows {
        /// How many rows a query may answer with.
        max: usize,
    },
    /// The query ran for too long; a read must not keep the log of the database from being reused.
    #[error("query took longer than {max:?}; read it in pages: `{sql}`")]
    TooSlow {
        /// The statement.
        sql: String,
        /// How long a query may take.
        max: Duration,
    },
    /// Too many readers wait already.
    #[error("ledger is busy, try again in {retry_after:?}")]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The ledger cannot be read.
    #[error("ledger unavailable: {0}")]
    Unavailable(String),
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Sql { sql, message } => Self::Sql { sql, message },
            ReadError::TooManyRows { max } => Self::TooLarge { what: "answer", size: max + 1, max },
            ReadError::TooSlow { .. } => Self::Unavailable(error.to_string()),
            ReadError::Busy { retry_after } => Self::Busy { retry_after },
            ReadError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// Why a ledger could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("{path} is in use by {holder}; stop it first, or name another data folder")]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process that has it, by what it wrote about itself.
        holder: String,
    },
    /// It was written by a newer program.
    #[error(
        "{path} has version {found} of the schema `{component}`, this program knows up to {known}; \
         use the newer program, it has not been changed"
    )]
    Newer {
        /// The file or database.
        path: PathBuf,
        /// Whose schema.
        component: String,
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// It is damaged.
    #[error("{path} is damaged: {message}; restore it from a backup, it has not been changed")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found.
        message: String,
    },
    /// It is something else than a ledger.
    #[error("{path} is not a ledger: {message}")]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// A migration failed and was rolled back.
    #[error("migration {version} of `{component}` failed: {message}")]
    Migration {
        /// Whose schema.
        component: String,
        /// Which migration.
        version: u32,
        /// What the engine says.
        message: String,
    },
    /// It cannot be reached or written.
    #[error("cannot open {path}: {message}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
}
