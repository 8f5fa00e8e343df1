//! One unit's view of the open transaction: the engine's side of [`mamparo_ledger::Tx`].

use mamparo_context::{Clock, Context, Ids, Timestamp};
use mamparo_ledger::limits::ROWS_MAX;
use mamparo_ledger::{
    Appended, Driver, Error, Expected, Head, Message, MessageId, NewEvent, Param, Receipt, Recorded, Result,
    Rows, StreamName, Timer, Work,
};
use rusqlite::Connection;

use crate::events::{self, Appender, Streams};
use crate::row::{self, bind, prepare};
use crate::{checkpoints, error, inbox, outbox, timers};

/// The open transaction, as one unit of work uses it.
pub(crate) struct Transaction<'c> {
    pub(crate) conn: &'c Connection,
    /// What the ledger will look like when the group commits.
    pub(crate) head: &'c mut Head,
    pub(crate) streams: &'c mut Streams,
    pub(crate) cx: &'c Context,
    pub(crate) clock: &'c Clock,
    pub(crate) ids: &'c Ids,
}

fn refuse(sql: &str) -> Error {
    let message = "a unit of work may not begin or end transactions, nor change the connection".to_owned();
    Error::Sql { sql: sql.to_owned(), message }
}

impl Transaction<'_> {
    fn run(&self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        if !row::is_allowed(sql) {
            return Err(refuse(sql));
        }
        let run = || -> rusqlite::Result<u64> {
            let mut statement = prepare(self.conn, sql)?;
            bind(&mut statement, params)?;
            if statement.column_count() == 0 {
                return statement.raw_execute().map(|changed| changed as u64);
            }
            // A statement that answers with rows (RETURNING, SELECT) is run to its end for its effect.
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            drop(rows);
            Ok(self.conn.changes())
        };
        run().map_err(|error| error::statement(sql, &error))
    }

    fn select(&self, sql: &str, params: &[Param<'_>]) -> Result<Rows> {
        if !row::is_allowed(sql) {
            return Err(refuse(sql));
        }
        row::query(self.conn, sql, params, ROWS_MAX)
            .map_err(|error| error::statement(sql, &error))?
            .ok_or(Error::TooLarge { what: "answer", size: ROWS_MAX + 1, max: ROWS_MAX })
    }
}

impl Driver for Transaction<'_> {
    fn context(&self) -> &Context {
        self.cx
    }

    fn clock(&self) -> &Clock {
        self.clock
    }

    fn sql<'t>(&'t mut self, sql: &'t str, params: &'t [Param<'t>]) -> Work<'t, u64> {
        Work::done(self.run(sql, params))
    }

    fn query<'t>(&'t mut self, sql: &'t str, params: &'t [Param<'t>]) -> Work<'t, Rows> {
        Work::done(self.select(sql, params))
    }

    fn append<'t>(
        &'t mut self,
        stream: &'t StreamName,
        expected: Expected,
        events: &'t [NewEvent],
    ) -> Work<'t, Appended> {
        let appender = Appender {
            conn: self.conn,
            streams: self.streams,
            position: &mut self.head.position,
            ids: self.ids,
            now: self.clock.wall(),
        };
        Work::done(appender.append(stream, expected, events))
    }

    fn read_stream<'t>(
        &'t mut self,
        stream: &'t StreamName,
        from: u64,
        max: usize,
    ) -> Work<'t, Vec<Recorded>> {
        let max = max.min(mamparo_ledger::limits::PAGE_MAX);
        let read = events::read_stream(self.conn, stream, from, max);
        Work::done(read.map_err(|error| error::statement("read a stream", &error)))
    }

    fn publish(&mut self, message: Message) -> Work<'_, MessageId> {
        let last = &mut self.head.outbox;
        Work::done(outbox::publish(self.conn, last, self.ids, self.cx, self.clock, message))
    }

    fn outbox_sent<'t>(&'t mut self, ids: &'t [u64]) -> Work<'t, u64> {
        Work::done(outbox::sent(self.conn, ids))
    }

    fn outbox_park<'t>(&'t mut self, id: u64, why: Option<&'t str>) -> Work<'t, bool> {
        Work::done(outbox::park(self.conn, id, why))
    }

    fn receive<'t>(&'t mut self, consumer: &'t str, message: MessageId) -> Work<'t, Receipt> {
        Work::done(inbox::receive(self.conn, consumer, message, self.clock.wall()))
    }

    fn inbox_prune(&mut self, before: Timestamp, max: usize) -> Work<'_, u64> {
        Work::done(inbox::prune(self.conn, before, max))
    }

    fn set_timer<'t>(&'t mut self, timer: &'t Timer) -> Work<'t, ()> {
        self.head.timers += 1;
        Work::done(timers::set(self.conn, timer))
    }

    fn clear_timer<'t>(&'t mut self, owner: &'t str, key: &'t str) -> Work<'t, bool> {
        self.head.timers += 1;
        Work::done(timers::clear(self.conn, owner, key))
    }

    fn take_timer<'t>(&'t mut self, owner: &'t str, key: &'t str, due: Timestamp) -> Work<'t, bool> {
        self.head.timers += 1;
        Work::done(timers::take(self.conn, owner, key, due))
    }

    fn checkpoint<'t>(&'t mut self, name: &'t str) -> Work<'t, u64> {
        Work::done(checkpoints::get(self.conn, name))
    }

    fn set_checkpoint<'t>(&'t mut self, name: &'t str, position: u64) -> Work<'t, ()> {
        Work::done(checkpoints::set(self.conn, name, position))
    }
}
