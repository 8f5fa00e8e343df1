//! The engine's handle: hands units of work to the writer and reads to the readers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use mamparo_broker::BoxFuture;
use mamparo_context::{Clock, Timestamp};
use mamparo_ledger::limits::{BUSY_RETRY_AFTER, ROWS_MAX, WAITING_UNITS_MAX};
use mamparo_ledger::{
    Engine, Error, Head, Migrations, OpenError, OutboxRow, ReadError, Recorded, Rows, Stats, StreamName,
    Timer, Unit, Value,
};
use tokio::sync::{oneshot, watch};

use crate::counters::Counters;
use crate::lock::Lock;
use crate::options::Options;
use crate::readers::Readers;
use crate::wal::Wal;
use crate::writer::{Job, Writer, closed};
use crate::{error, events, open, outbox, row, timers};

/// An open ledger file.
pub(crate) struct Sqlite {
    path: PathBuf,
    clock: Clock,
    jobs: Sender<Job>,
    counters: Arc<Counters>,
    is_closed: AtomicBool,
    head: watch::Receiver<Head>,
    readers: Readers,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Sqlite {
    pub(crate) fn open(options: Options) -> Result<Self, OpenError> {
        let path = options.path.clone();
        let io = |error: std::io::Error| OpenError::Io { path: path.clone(), message: error.to_string() };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        let lock = Lock::take(&path, &options.holder)?;
        let mut conn = open::writer(&options, &lock)?;
        let read = |error: rusqlite::Error| error::open(&path, &error);
        let head = Head {
            position: events::last_position(&conn).map_err(read)?,
            outbox: outbox::last_id(&conn).map_err(read)?,
            timers: 0,
        };
        let (announce, announced) = watch::channel(head);
        let (jobs, taken) = channel();
        let counters = Arc::new(Counters::default());
        let wal = Wal::start(path.clone(), options.durability, &mut conn, &counters).map_err(io)?;
        let readers = Readers::start(&path, options.readers, &options.clock).map_err(io)?;
        let writer = Writer {
            conn,
            path: path.clone(),
            jobs: taken,
            counters: Arc::clone(&counters),
            head,
            announce,
            streams: Default::default(),
            clock: options.clock.clone(),
            ids: options.ids,
            wal,
            lock,
            last_group: 0,
            halted: None,
        };
        let thread =
            std::thread::Builder::new().name("ledger-writer".into()).spawn(|| writer.run()).map_err(io)?;
        Ok(Self {
            clock: options.clock,
            jobs,
            counters,
            is_closed: AtomicBool::new(false),
            head: announced,
            readers,
            writer: Mutex::new(Some(thread)),
            path,
        })
    }

    fn begin_close(&self) -> Option<JoinHandle<()>> {
        self.is_closed.store(true, Ordering::Release);
        // Fails only when the writer is gone already.
        let _ = self.jobs.send(Job::Close);
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        if let Some(writer) = self.begin_close()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the writer of the ledger had panicked");
        }
    }
}

impl Engine for Sqlite {
    fn describe(&self) -> String {
        format!("SQLite ledger {}", self.path.display())
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn stats(&self) -> Stats {
        self.counters.stats()
    }

    fn submit(&self, unit: Box<dyn Unit>) -> Result<(), (Box<dyn Unit>, Error)> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err((unit, closed()));
        }
        if self.counters.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_UNITS_MAX as u64 {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err((unit, Error::Busy { retry_after: BUSY_RETRY_AFTER }));
        }
        self.jobs.send(Job::Unit(unit)).map_err(|refused| match refused.0 {
            Job::Unit(unit) => (unit, closed()),
            Job::Migrate(..) | Job::Close => unreachable!("a unit was sent"),
        })
    }

    fn migrate(&self, migrations: Migrations) -> BoxFuture<'_, Result<(), OpenError>> {
        let gone = || OpenError::Io { path: self.path.clone(), message: "the ledger is closed".to_owned() };
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.jobs.send(Job::Migrate(migrations, answer)).map_err(|_| gone())?;
            answered.await.unwrap_or_else(|_| Err(gone()))
        })
    }

    fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    fn query(&self, sql: Arc<str>, params: Vec<Value>) -> BoxFuture<'_, Result<Rows, ReadError>> {
        if !row::is_allowed(&sql) {
            let message = "a query may not begin or end transactions, nor change the connection".to_owned();
            return Box::pin(std::future::ready(Err(ReadError::Sql { sql: sql.to_string(), message })));
        }
        let statement = Arc::clone(&sql);
        Box::pin(self.readers.read(sql, move |conn| {
            let params: Vec<_> = params.iter().map(row::param).collect();
            row::query(conn, &statement, &params, ROWS_MAX)
        }))
    }

    fn read_stream(
        &self,
        stream: StreamName,
        from: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        Box::pin(self.readers.read("read a stream".into(), move |conn| {
            events::read_stream(conn, &stream, from, max).map(Some)
        }))
    }

    fn read_all(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        Box::pin(
            self.readers
                .read("read all events".into(), move |conn| events::read_all(conn, after, max).map(Some)),
        )
    }

    fn read_outbox(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<OutboxRow>, ReadError>> {
        Box::pin(
            self.readers.read("read the outbox".into(), move |conn| outbox::read(conn, after, max).map(Some)),
        )
    }

    fn read_timers(
        &self,
        owner: String,
        until: Timestamp,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Timer>, ReadError>> {
        Box::pin(
            self.readers
                .read("read timers".into(), move |conn| timers::read(conn, &owner, until, max).map(Some)),
        )
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let writer = self.begin_close();
        let mut head = self.head.clone();
        Box::pin(async move {
            // The writer drops its end of the channel when it has closed the file.
            while head.changed().await.is_ok() {}
            if let Some(writer) = writer
                && writer.join().is_err()
            {
                tracing::error!(path = %self.path.display(), "the writer of the ledger had panicked");
            }
        })
    }
}
