//! The handle that an application holds.

use std::sync::Arc;

use mamparo_context::{Clock, Context, Timestamp};
use tokio::sync::watch;

use crate::engine::{Engine, Head, Stats};
use crate::limits::PAGE_MAX;
use crate::outbox::OutboxRow;
use crate::timers::Timer;
use crate::{
    Error, Migrations, OpenError, Param, ReadError, Recorded, Result, Rows, StreamName, Tail, Tx, Unit,
    Value, unit,
};

/// A ledger. Cheap to clone; all clones are the same ledger.
#[derive(Clone)]
pub struct Ledger {
    engine: Arc<dyn Engine>,
}

impl Ledger {
    /// The ledger that `engine` keeps.
    pub fn new(engine: impl Engine) -> Self {
        Self { engine: Arc::new(engine) }
    }

    /// What it is and where, for a person.
    pub fn describe(&self) -> String {
        self.engine.describe()
    }

    /// The clock that it stamps with.
    pub fn clock(&self) -> &Clock {
        self.engine.clock()
    }

    /// How it stands, for whoever watches it.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Runs a unit of work in one transaction. Answered with `Ok` = committed and on disk.
    ///
    /// `work` may run more than once (an engine that dropped the transaction runs it again), so it does nothing
    /// that is not undone with the transaction, and awaits nothing but `tx`.
    ///
    /// Not cancel safe in one respect: when the returned future is dropped, the unit of work may still commit.
    ///
    /// # Errors
    /// After an error nothing has happened, except after [`Error::Indeterminate`].
    pub async fn transact<T, F>(&self, cx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>) -> Result<T> + Send + 'static,
    {
        let (unit, answered) = unit::repeatable(cx, work);
        self.submit(cx, unit)?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// As [`Ledger::transact`], but `work` never runs a second time: when the engine drops the transaction the
    /// answer is [`Error::Aborted`], and the caller decides.
    ///
    /// # Errors
    /// As [`Ledger::transact`].
    pub async fn transact_once<T, F>(&self, cx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t, 'c> AsyncFnOnce(&'t mut Tx<'c>) -> Result<T> + Send + 'static,
    {
        let (unit, answered) = unit::once(cx, work);
        self.submit(cx, unit)?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    fn submit(&self, cx: &Context, unit: Box<dyn Unit>) -> Result<()> {
        if cx.deadline().is_some_and(|deadline| deadline.has_passed(self.clock().now())) {
            return Err(Error::DeadlinePassed);
        }
        self.engine.submit(unit).map_err(|(_, error)| error)
    }

    /// Brings the schema of a component up to date, in one transaction.
    ///
    /// # Errors
    /// [`OpenError::Newer`] when the schema was written by a newer program; [`OpenError::Migration`].
    pub async fn migrate(&self, migrations: Migrations) -> Result<(), OpenError> {
        self.engine.migrate(migrations).await
    }

    /// Runs a query outside any transaction, on a connection of its own: it sees what is committed, and keeps no
    /// writer waiting. At most [`crate::limits::ROWS_MAX`] rows.
    ///
    /// # Errors
    /// The statement is wrong or would write; the answer is too long; too many readers wait.
    pub async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Rows, ReadError> {
        self.engine.query(sql.into(), params.iter().map(owned).collect()).await
    }

    /// Events of one stream from version `from` on (counted from 1), at most `max`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn read_stream(
        &self,
        stream: &StreamName,
        from: u64,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.engine.read_stream(stream.clone(), from, max.min(PAGE_MAX)).await
    }

    /// Events of all streams after position `after`, at most `max`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn read_all(&self, after: u64, max: usize) -> Result<Vec<Recorded>, ReadError> {
        self.engine.read_all(after, max.min(PAGE_MAX)).await
    }

    /// All events after position `after`, then those to come, in order and without a gap.
    pub fn tail(&self, after: u64) -> Tail {
        Tail::new(self.clone(), after)
    }

    /// What is committed and on disk, and a way to wait for more.
    pub fn head(&self) -> watch::Receiver<Head> {
        self.engine.head()
    }

    /// Outbox rows after id `after`, at most `max`, parked ones included.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn read_outbox(&self, after: u64, max: usize) -> Result<Vec<OutboxRow>, ReadError> {
        self.engine.read_outbox(after, max.min(PAGE_MAX)).await
    }

    /// Timers of `owner` by when they are due, up to `until`, at most `max`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn read_timers(
        &self,
        owner: &str,
        until: Timestamp,
        max: usize,
    ) -> Result<Vec<Timer>, ReadError> {
        self.engine.read_timers(owner.to_owned(), until, max.min(PAGE_MAX)).await
    }

    /// Stops taking units of work, finishes those it has, and closes. Later calls find it unavailable.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}

fn gone() -> Error {
    Error::Indeterminate("the ledger stopped before it answered".into())
}

fn owned(param: &Param<'_>) -> Value {
    match *param {
        Param::Null => Value::Null,
        Param::Integer(number) => Value::Integer(number),
        Param::Real(number) => Value::Real(number),
        Param::Text(text) => Value::Text(text.to_owned()),
        Param::Blob(bytes) => Value::Blob(bytes.to_owned()),
    }
}
