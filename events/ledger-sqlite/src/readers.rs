//! Readers: threads with a connection each, so that a read never waits for the writer, nor the writer for it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use mamparo_context::Clock;
use mamparo_ledger::ReadError;
use mamparo_ledger::limits::BUSY_RETRY_AFTER;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::limits::{READ_TIME_MAX, WAITING_READS_MAX};
use crate::{error, open};

type Read = Box<dyn FnOnce(Result<&Connection, ReadError>) + Send>;

/// The readers of one ledger. They end when this is dropped.
pub(crate) struct Readers {
    reads: Option<Sender<Read>>,
    waiting: Arc<AtomicUsize>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(path: &Path, count: usize, clock: &Clock) -> std::io::Result<Self> {
        let (send, receive) = channel::<Read>();
        let receive = Arc::new(Mutex::new(receive));
        let waiting = Arc::new(AtomicUsize::new(0));
        let threads = (0..count)
            .map(|_| {
                let reader = Reader {
                    path: path.into(),
                    reads: Arc::clone(&receive),
                    waiting: Arc::clone(&waiting),
                    clock: clock.clone(),
                };
                std::thread::Builder::new().name("ledger-reader".into()).spawn(move || reader.run())
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { reads: Some(send), waiting, threads })
    }

    /// Runs `read` on a reader's connection. `sql` is what an error names.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        sql: Arc<str>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<Option<T>> + Send + 'static,
    ) -> Result<T, ReadError> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_READS_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(ReadError::Busy { retry_after: BUSY_RETRY_AFTER });
        }
        let (answer, answered) = oneshot::channel();
        let job: Read = Box::new(move |conn| {
            let max = mamparo_ledger::limits::ROWS_MAX;
            let result = conn.and_then(|conn| {
                read(conn).map_err(|error| error::read(&sql, &error))?.ok_or(ReadError::TooManyRows { max })
            });
            // A caller that went away does not want to know.
            let _ = answer.send(result);
        });
        let gone = || ReadError::Unavailable("the ledger is closed".into());
        self.reads.as_ref().and_then(|reads| reads.send(job).ok()).ok_or_else(gone)?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.reads = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::warn!("a reader of the ledger had panicked");
            }
        }
    }
}

struct Reader {
    path: Box<Path>,
    reads: Arc<Mutex<Receiver<Read>>>,
    waiting: Arc<AtomicUsize>,
    clock: Clock,
}

impl Reader {
    fn run(self) {
        let start = self.clock.now();
        // When the read at hand must end, in microseconds since `start`.
        let end = Arc::new(AtomicU64::new(u64::MAX));
        let mut conn = None;
        loop {
            let read = self.reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(read) = read else { return };
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let elapsed =
                move |clock: &Clock| u64::try_from((clock.now() - start).as_micros()).unwrap_or(u64::MAX);
            let limit = u64::try_from(READ_TIME_MAX.as_micros()).unwrap_or(u64::MAX);
            end.store(elapsed(&self.clock).saturating_add(limit), Ordering::Relaxed);
            if conn.is_none() {
                match open::reader(&self.path) {
                    Ok(mut opened) => {
                        let (clock, end) = (self.clock.clone(), Arc::clone(&end));
                        let is_late = move || elapsed(&clock) > end.load(Ordering::Relaxed);
                        // Every 10,000 steps of SQLite's machine, which is a fraction of a millisecond.
                        if let Err(error) = opened.progress_handler(10_000, Some(is_late)) {
                            tracing::warn!(%error, "reads of the ledger are not bounded in time");
                        }
                        conn = Some(opened);
                    }
                    Err(error) => {
                        read(Err(ReadError::Unavailable(error.to_string())));
                        continue;
                    }
                }
            }
            if let Some(conn) = &conn {
                read(Ok(conn));
            }
        }
    }
}
