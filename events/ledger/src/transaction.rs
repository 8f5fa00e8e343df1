//! The one transaction, as a unit of work sees it.

use mamparo_context::{Clock, Context, Timestamp};

use crate::engine::Driver;
use crate::limits::TIMER_BYTES_MAX;
use crate::timers::Timer;
use crate::{
    Appended, Error, Expected, Message, MessageId, NewEvent, Param, Receipt, Recorded, Result, Row, Rows,
    StreamName, Work,
};

/// An open transaction. Everything done through it takes effect together, or not at all.
///
/// An error of an operation that is handed on (`?`) rolls the transaction back; one that is handled leaves what
/// was done before it in place.
pub struct Tx<'c> {
    driver: &'c mut dyn Driver,
}

impl<'c> Tx<'c> {
    /// The transaction that `driver` has open.
    pub fn new(driver: &'c mut dyn Driver) -> Self {
        Self { driver }
    }

    /// The context of the caller.
    pub fn context(&self) -> &Context {
        self.driver.context()
    }

    /// The clock of the ledger.
    pub fn clock(&self) -> &Clock {
        self.driver.clock()
    }

    /// Runs a statement of the application's own, with placeholders `?1`, `?2` and so on; answers with the
    /// number of rows it changed.
    ///
    /// # Errors
    /// [`Error::Constraint`] and [`Error::Sql`]. Statements that begin or end a transaction are refused.
    pub fn sql<'t>(&'t mut self, sql: &'t str, params: &'t [Param<'t>]) -> Work<'t, u64> {
        self.driver.sql(sql, params)
    }

    /// Runs a query; it sees what this transaction did. At most [`crate::limits::ROWS_MAX`] rows.
    ///
    /// # Errors
    /// [`Error::Sql`], and [`Error::TooLarge`] for a longer answer.
    pub fn query<'t>(&'t mut self, sql: &'t str, params: &'t [Param<'t>]) -> Work<'t, Rows> {
        self.driver.query(sql, params)
    }

    /// Runs a query for its first row.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn query_one<'t>(&'t mut self, sql: &'t str, params: &'t [Param<'t>]) -> Result<Option<Row>> {
        Ok(self.driver.query(sql, params).await?.into_iter().next())
    }

    /// Appends events to a stream, guarded by where it is expected to be.
    ///
    /// # Errors
    /// [`Error::VersionConflict`] when the stream is elsewhere; [`Error::TooLarge`].
    pub fn append<'t>(
        &'t mut self,
        stream: &'t StreamName,
        expected: Expected,
        events: &'t [NewEvent],
    ) -> Work<'t, Appended> {
        self.driver.append(stream, expected, events)
    }

    /// Events of one stream from version `from` on (counted from 1), this transaction's own included.
    ///
    /// # Errors
    /// The engine cannot read.
    pub fn read_stream<'t>(
        &'t mut self,
        stream: &'t StreamName,
        from: u64,
        max: usize,
    ) -> Work<'t, Vec<Recorded>> {
        self.driver.read_stream(stream, from, max)
    }

    /// Publishes a message through the outbox: it is sent if, and only if, this transaction commits. The context
    /// of the caller travels in its headers unless the message carries one already.
    ///
    /// # Errors
    /// [`Error::Publish`] when the message breaks a limit.
    pub fn publish(&mut self, message: Message) -> Work<'_, MessageId> {
        match message.check() {
            Ok(()) => self.driver.publish(message),
            Err(error) => Work::done(Err(error.into())),
        }
    }

    /// Takes a message for a consumer, once: [`Receipt::Repeated`] means that it was applied before.
    ///
    /// # Errors
    /// The engine cannot write.
    pub fn receive<'t>(&'t mut self, consumer: &'t str, message: MessageId) -> Work<'t, Receipt> {
        self.driver.receive(consumer, message)
    }

    /// Forgets inbox rows from before `before`, at most `max`; answers with how many.
    ///
    /// # Errors
    /// The engine cannot write.
    pub fn inbox_prune(&mut self, before: Timestamp, max: usize) -> Work<'_, u64> {
        self.driver.inbox_prune(before, max)
    }

    /// Sets a durable timer in place of the one of the same owner and key.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for its payload.
    pub fn set_timer<'t>(&'t mut self, timer: &'t Timer) -> Work<'t, ()> {
        let (size, max) = (timer.payload.len(), TIMER_BYTES_MAX);
        if size > max {
            return Work::done(Err(Error::TooLarge { what: "the payload of a timer", size, max }));
        }
        self.driver.set_timer(timer)
    }

    /// Clears a timer; answers whether there was one.
    ///
    /// # Errors
    /// The engine cannot write.
    pub fn clear_timer<'t>(&'t mut self, owner: &'t str, key: &'t str) -> Work<'t, bool> {
        self.driver.clear_timer(owner, key)
    }

    /// Takes a timer that fires: clears it if it still stands at `due`, so that it takes effect once.
    ///
    /// # Errors
    /// The engine cannot write.
    pub fn take_timer<'t>(&'t mut self, owner: &'t str, key: &'t str, due: Timestamp) -> Work<'t, bool> {
        self.driver.take_timer(owner, key, due)
    }

    /// The checkpoint of this name; 0 when there is none.
    ///
    /// # Errors
    /// The engine cannot read.
    pub fn checkpoint<'t>(&'t mut self, name: &'t str) -> Work<'t, u64> {
        self.driver.checkpoint(name)
    }

    /// Moves a checkpoint, in the transaction of the work that it counts.
    ///
    /// # Errors
    /// The engine cannot write.
    pub fn set_checkpoint<'t>(&'t mut self, name: &'t str, position: u64) -> Work<'t, ()> {
        self.driver.set_checkpoint(name, position)
    }

    /// Forgets outbox rows that were sent: what the relay does.
    ///
    /// # Errors
    /// The engine cannot write.
    pub fn outbox_sent<'t>(&'t mut self, ids: &'t [u64]) -> Work<'t, u64> {
        self.driver.outbox_sent(ids)
    }

    /// Parks an outbox row for a person, or (with `None`) lets it go again; answers whether there was one.
    ///
    /// # Errors
    /// The engine cannot write.
    pub fn outbox_park<'t>(&'t mut self, id: u64, why: Option<&'t str>) -> Work<'t, bool> {
        self.driver.outbox_park(id, why)
    }
}
