//! A failure as a person meets it: what happened, what to do, and where to read more.

use std::fmt;
use std::path::{Path, PathBuf};

use mamparo_admin::CallError;
use mamparo_ledger::OpenError;

use crate::exit_code;

/// A failure that ends a command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The page of `mamparo explain`, if it has one.
    pub(crate) page: Option<&'static str>,
    /// How the process ends.
    pub(crate) exit: u8,
    /// What happened.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
}

/// What a command ends with.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    fn paged(page: &'static str, exit: u8, message: String, remedy: &str) -> Self {
        Self { page: Some(page), exit, message, remedy: Some(remedy.to_owned()) }
    }

    /// One that has no page: the message must say it all.
    pub(crate) fn other(message: impl fmt::Display) -> Self {
        Self { page: None, exit: exit_code::FAILURE, message: message.to_string(), remedy: None }
    }

    /// The configuration does not load; the problems were printed already.
    pub(crate) fn config(file: &str, problems: usize) -> Self {
        let noun = if problems == 1 { "problem" } else { "problems" };
        let message = format!("{file} does not load: {problems} {noun}");
        Self::paged(
            "MP-0001",
            exit_code::CONFIG,
            message,
            "correct it; `mamparo reference config` describes every key",
        )
    }

    /// The configuration cannot be read, or does not suit what it is used for.
    pub(crate) fn config_unusable(message: impl fmt::Display, remedy: &str) -> Self {
        Self::paged("MP-0001", exit_code::CONFIG, message.to_string(), remedy)
    }

    /// An address is in use.
    pub(crate) fn address_in_use(what: &str, address: impl fmt::Display) -> Self {
        let message = format!("{address} is in use by another program ({what})");
        let remedy =
            format!("stop that program, or name another address under `{what}` in the configuration");
        Self::paged("MP-0002", exit_code::ADDRESS_IN_USE, message, &remedy)
    }

    /// The data folder cannot be written.
    pub(crate) fn data_unwritable(path: &Path, error: impl fmt::Display) -> Self {
        let message = format!("the data folder {} cannot be written: {error}", path.display());
        let remedy =
            "make room there, give this user the right to write there, or name another folder with --data";
        Self::paged("MP-0003", exit_code::DATA_UNWRITABLE, message, remedy)
    }

    /// Another process works in the data folder.
    pub(crate) fn data_in_use(path: &Path, holder: &str) -> Self {
        let message = format!("{} is in use by {holder}", path.display());
        let remedy = "stop that process first, or name another folder with --data";
        Self::paged("MP-0004", exit_code::DATA_IN_USE, message, remedy)
    }

    /// A running node cannot be upgraded, or the new program did not get ready.
    pub(crate) fn no_upgrade(message: impl fmt::Display) -> Self {
        let remedy =
            "the running process serves on; stop it and start the new program where no upgrade is possible";
        Self::paged("MP-0009", exit_code::REFUSED, message.to_string(), remedy)
    }

    /// Nothing runs under a data folder that could answer.
    pub(crate) fn not_running(data: &Path, what: &str) -> Self {
        let message = format!("nothing that has {what} runs under {}", data.display());
        let remedy = "start it with `mamparo up`, or name its data folder with --data";
        Self::paged("MP-0007", exit_code::NOT_RUNNING, message, remedy)
    }

    /// What was asked for is not there.
    pub(crate) fn not_found(what: impl fmt::Display) -> Self {
        Self { page: None, exit: exit_code::NOT_FOUND, message: format!("there is no {what}"), remedy: None }
    }

    /// Another program has ended so, and said itself why.
    pub(crate) fn ended(exit: u8) -> Self {
        Self { page: None, exit, message: String::new(), remedy: None }
    }

    /// A program could not be started, or ended in a way that starting it again does not change.
    pub(crate) fn process(name: &str, exit: u8, message: String) -> Self {
        let remedy = format!("what it said about it stands above, after `{name}`");
        Self::paged("MP-0008", exit, message, &remedy)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let message = error.to_string();
        match &error {
            OpenError::InUse { path, holder } => Self::data_in_use(path, holder),
            OpenError::Damaged { .. } | OpenError::NotALedger { .. } => Self::paged(
                "MP-0005",
                exit_code::DATA_UNREADABLE,
                message,
                "put a backup in its place, or move the file away to begin anew",
            ),
            OpenError::Newer { .. } => Self::paged(
                "MP-0006",
                exit_code::DATA_UNREADABLE,
                message,
                "use the newer program, or another data folder",
            ),
            OpenError::Io { path, message } => {
                let folder = path.parent().map_or_else(|| path.clone(), PathBuf::from);
                Self::data_unwritable(&folder, message)
            }
            _ => Self::other(message),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        match &error {
            CallError::NotRunning { .. } => {
                Self::paged("MP-0007", exit_code::NOT_RUNNING, message, "start it with `mamparo up`")
            }
            CallError::Refused { status, .. } if status.as_u16() == 404 => {
                Self { page: None, exit: exit_code::NOT_FOUND, message, remedy: None }
            }
            CallError::Refused { status, .. } if status.is_client_error() => {
                Self { page: None, exit: exit_code::REFUSED, message, remedy: None }
            }
            _ => Self::other(message),
        }
    }
}
