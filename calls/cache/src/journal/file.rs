//! A journal that is one file, for whoever has no ledger: appended to by one thread, with one sync for all who ask at
//! the same time, and written anew when most of it is no longer needed.

mod log;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use self::log::{Failure, Log};
use super::{BoxFuture, Journal, JournalError, Record};
use crate::limits::{COMPACT_BYTES, GROUP_BYTES, JOURNAL_QUEUE, RECORD_MAX};

/// How a journal that is a file is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileJournalOptions {
    /// It is written anew when it is larger than this, and more than half of it is no longer needed.
    pub compact_bytes: u64,
}

impl Default for FileJournalOptions {
    fn default() -> Self {
        Self { compact_bytes: COMPACT_BYTES }
    }
}

/// A journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another journal of this one, has it open.
    #[error("journal {path} is in use")]
    InUse {
        /// Its file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{path} is not a journal")]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// The system did not let it.
    #[error("journal {path}: {source}")]
    Io {
        /// Its file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

enum Request {
    Append(Vec<Record>, oneshot::Sender<Result<(), JournalError>>),
    Acknowledge(Vec<u64>, oneshot::Sender<Result<(), JournalError>>),
    Replay(Option<u64>, usize, oneshot::Sender<Result<Vec<Record>, JournalError>>),
}

/// A journal that is one file. Clones share it; it is closed when the last of them is dropped, after what was asked
/// for before.
#[derive(Clone, Debug)]
pub struct FileJournal {
    requests: mpsc::Sender<Request>,
    torn: u64,
}

impl FileJournal {
    /// Opens the journal at `path`, or makes one. What the end of a process or a machine has left half written at its
    /// end was never acknowledged, and is cut off.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: impl AsRef<Path>, options: FileJournalOptions) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let (log, torn) = Log::open(&path, options.compact_bytes)?;
        let (requests, inbox) = mpsc::channel(JOURNAL_QUEUE);
        let started =
            std::thread::Builder::new().name("mamparo-journal".into()).spawn(move || serve(log, inbox));
        started.map_err(|source| OpenError::Io { path, source })?;
        Ok(Self { requests, torn })
    }

    /// Bytes that were cut off its end when it was opened.
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, JournalError>>) -> Request,
    ) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        let gone = || JournalError::Indeterminate { why: "its thread has ended".into() };
        self.requests.send(request(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Journal for FileJournal {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            if let Some(large) = records.iter().find(|record| record.payload.len() > RECORD_MAX) {
                let why = format!("a record of {} bytes; at most {RECORD_MAX} fit", large.payload.len());
                return Err(JournalError::Refused { why });
            }
            self.ask(|answer| Request::Append(records, answer)).await
        })
    }

    fn acknowledge(&self, ids: Vec<u64>) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(self.ask(|answer| Request::Acknowledge(ids, answer)))
    }

    fn replay(&self, after: Option<u64>, max: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        Box::pin(self.ask(move |answer| Request::Replay(after, max, answer)))
    }
}

/// The thread of a journal: takes all who ask at the same time together, and syncs once for them.
fn serve(mut log: Log, mut inbox: mpsc::Receiver<Request>) {
    while let Some(first) = inbox.blocking_recv() {
        let (mut answers, mut next) = (Vec::new(), Some(first));
        while let Some(request) = next {
            match request {
                Request::Append(records, answer) => {
                    records.iter().for_each(|record| log.append(record));
                    answers.push(answer);
                }
                Request::Acknowledge(ids, answer) => {
                    log.acknowledge(&ids);
                    answers.push(answer);
                }
                Request::Replay(after, max, answer) => {
                    // What was asked for before is read, too.
                    answer_all(&mut answers, log.commit());
                    // Who no longer waits needs no answer.
                    let _ = answer.send(log.replay(after, max).map_err(refused));
                }
            }
            next = if log.pending_bytes() < GROUP_BYTES { inbox.try_recv().ok() } else { None };
        }
        answer_all(&mut answers, log.commit());
        if let Err(error) = log.compact_if_worth_it() {
            tracing::warn!(%error, "journal could not be made smaller");
        }
    }
}

fn answer_all(answers: &mut Vec<oneshot::Sender<Result<(), JournalError>>>, result: Result<(), Failure>) {
    let result = result.map_err(|failure| match failure {
        Failure::Nothing(error) => refused(error),
        Failure::Unknown(error) => JournalError::Indeterminate { why: error.to_string() },
    });
    for answer in answers.drain(..) {
        // Who no longer waits needs no answer.
        let _ = answer.send(result.clone());
    }
}

fn refused(error: io::Error) -> JournalError {
    JournalError::Refused { why: error.to_string() }
}

#[cfg(test)]
mod tests;
