//! What an engine must do. Applications never see this; they hold a [`crate::Ledger`] and get a [`crate::Tx`].

use std::sync::Arc;

use mamparo_broker::BoxFuture;
use mamparo_context::{Clock, Context, Timestamp};
use tokio::sync::watch;

use crate::outbox::OutboxRow;
use crate::timers::Timer;
use crate::{
    Appended, Error, Expected, Message, MessageId, Migrations, NewEvent, OpenError, Param, ReadError,
    Receipt, Recorded, Rows, StreamName, Unit, Work,
};

/// What is committed and on disk. Grows only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Position of the last event; 0 when there is none.
    pub position: u64,
    /// Id of the last row that went into the outbox; 0 when there was none.
    pub outbox: u64,
    /// Counts the transactions that set or cleared a timer.
    pub timers: u64,
}

/// How an engine stands, for whoever watches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Units of work that wait for the writer.
    pub waiting: u64,
    /// Units of work that were answered, refusals included, since it was opened.
    pub units: u64,
    /// Groups that were committed since it was opened: each is one sync.
    pub groups: u64,
    /// Size of the write-ahead log, in bytes; 0 for an engine that has none of its own.
    pub log_bytes: u64,
}

/// A ledger's engine.
pub trait Engine: Send + Sync + 'static {
    /// What it is and where, for a person.
    fn describe(&self) -> String;

    /// The clock it stamps with.
    fn clock(&self) -> &Clock;

    /// How it stands.
    fn stats(&self) -> Stats;

    /// Takes a unit of work; it is finished once its transaction has ended.
    ///
    /// # Errors
    /// The unit with the reason why it was not taken.
    fn submit(&self, unit: Box<dyn Unit>) -> Result<(), (Box<dyn Unit>, Error)>;

    /// Brings the schema of a component up to date.
    fn migrate(&self, migrations: Migrations) -> BoxFuture<'_, Result<(), OpenError>>;

    /// What is committed, and a way to wait for more.
    fn head(&self) -> watch::Receiver<Head>;

    /// Runs a statement that only reads, on a connection of its own.
    fn query(&self, sql: Arc<str>, params: Vec<crate::Value>) -> BoxFuture<'_, Result<Rows, ReadError>>;

    /// Events of one stream from version `from` on (counted from 1), in order.
    fn read_stream(
        &self,
        stream: StreamName,
        from: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>>;

    /// Events of all streams after position `after`, in order.
    fn read_all(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>>;

    /// Outbox rows after id `after`, in order, parked ones included.
    fn read_outbox(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<OutboxRow>, ReadError>>;

    /// Timers of `owner` by when they are due, up to `until`.
    fn read_timers(
        &self,
        owner: String,
        until: Timestamp,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Timer>, ReadError>>;

    /// Stops taking units of work, finishes those it has, and closes. Idempotent.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The operations of one open transaction.
pub trait Driver {
    /// The context of the caller.
    fn context(&self) -> &Context;

    /// The clock it stamps with.
    fn clock(&self) -> &Clock;

    /// Runs a statement; the number of rows it changed.
    fn sql<'t>(&'t mut self, sql: &'t str, params: &'t [Param<'t>]) -> Work<'t, u64>;

    /// Runs a query.
    fn query<'t>(&'t mut self, sql: &'t str, params: &'t [Param<'t>]) -> Work<'t, Rows>;

    /// Appends events to a stream that is where it is expected.
    fn append<'t>(
        &'t mut self,
        stream: &'t StreamName,
        expected: Expected,
        events: &'t [NewEvent],
    ) -> Work<'t, Appended>;

    /// Events of one stream from version `from` on, this transaction's own included.
    fn read_stream<'t>(
        &'t mut self,
        stream: &'t StreamName,
        from: u64,
        max: usize,
    ) -> Work<'t, Vec<Recorded>>;

    /// Puts a message into the outbox.
    fn publish(&mut self, message: Message) -> Work<'_, MessageId>;

    /// Forgets outbox rows that were sent.
    fn outbox_sent<'t>(&'t mut self, ids: &'t [u64]) -> Work<'t, u64>;

    /// Parks an outbox row for a person, or (with `None`) lets it go again.
    fn outbox_park<'t>(&'t mut self, id: u64, why: Option<&'t str>) -> Work<'t, bool>;

    /// Takes a message for a consumer.
    fn receive<'t>(&'t mut self, consumer: &'t str, message: MessageId) -> Work<'t, Receipt>;

    /// Forgets inbox rows from before `before`, at most `max`; how many were forgotten.
    fn inbox_prune(&mut self, before: Timestamp, max: usize) -> Work<'_, u64>;

    /// Sets a timer in place of the one of the same owner and key.
    fn set_timer<'t>(&'t mut self, timer: &'t Timer) -> Work<'t, ()>;

    /// Clears a timer; whether there was one.
    fn clear_timer<'t>(&'t mut self, owner: &'t str, key: &'t str) -> Work<'t, bool>;

    /// Takes a timer that fires: clears it when it is still due at `due`; whether it was.
    fn take_timer<'t>(&'t mut self, owner: &'t str, key: &'t str, due: Timestamp) -> Work<'t, bool>;

    /// The checkpoint of this name; 0 when there is none.
    fn checkpoint<'t>(&'t mut self, name: &'t str) -> Work<'t, u64>;

    /// Moves a checkpoint.
    fn set_checkpoint<'t>(&'t mut self, name: &'t str, position: u64) -> Work<'t, ()>;
}
