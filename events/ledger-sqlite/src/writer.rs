//! The one writer: a thread that gathers units of work into groups, commits each group with one sync, and only
//! then answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mamparo_context::{Clock, Ids, failpoint};
use mamparo_ledger::{Error, Head, Migrations, OpenError, Result, Tx, Unit};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::counters::Counters;
use crate::events::Streams;
use crate::group::{self, Again, Member, poll_once};
use crate::limits::{GROUP_TIME_MAX, GROUP_UNITS_MAX};
use crate::lock::Lock;
use crate::row::prepare;
use crate::transaction::Transaction;
use crate::wal::Wal;
use crate::{error, migration};

/// What the writer is asked to do.
pub(crate) enum Job {
    Unit(Box<dyn Unit>),
    Migrate(Migrations, oneshot::Sender<Result<(), OpenError>>),
    Close,
}

pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) head: Head,
    pub(crate) announce: watch::Sender<Head>,
    pub(crate) streams: Streams,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) wal: Wal,
    pub(crate) lock: Lock,
    /// Size of the group before this one: callers that come back at once are waited for a moment.
    pub(crate) last_group: usize,
    /// Why nothing can be written any more, if so.
    pub(crate) halted: Option<String>,
}

/// What became of a unit in its savepoint.
enum Ran {
    /// It stays in the group (with its effect, or with an error and without).
    Stays(Member),
    /// The engine dropped the whole transaction while it ran.
    Dropped(Member),
}

/// How long to wait for callers of the last group that are about to come back. Their answers were just sent, so
/// they come within microseconds or not at all.
const LINGER: Duration = Duration::from_micros(100);

/// Adds a unit to a group of this size, or closes it.
type More<'m> = dyn FnMut(&mut Writer, usize) -> Option<Box<dyn Unit>> + 'm;

impl Writer {
    /// Works until it is told to close, or until nobody can ask for work any more.
    pub(crate) fn run(mut self) {
        let mut next = self.jobs.recv().ok();
        while let Some(job) = next.take() {
            next = match job {
                Job::Unit(unit) => self.work(unit),
                Job::Migrate(migrations, answer) => {
                    // A caller that went away does not want to know.
                    let _ = answer.send(migration::migrate(&self.conn, &self.path, migrations));
                    None
                }
                Job::Close => break,
            };
            if next.is_none() {
                next = self.jobs.recv().ok();
            }
        }
        self.close();
    }

    /// Runs a unit, with all that wait behind it, and then everything that must run again. Returns a job that is
    /// no unit of work and came up meanwhile.
    fn work(&mut self, first: Box<dyn Unit>) -> Option<Job> {
        self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut other = None;
        let mut again = self.group(vec![first], &mut |writer: &mut Self, size| match writer.more(size) {
            Some(Job::Unit(unit)) => {
                writer.counters.waiting.fetch_sub(1, Ordering::Relaxed);
                Some(unit)
            }
            job => {
                other = job;
                None
            }
        });
        while let Some(units) = again.pop() {
            again.extend(self.group(units, &mut |_, _| None));
        }
        other
    }

    /// The next job for a group of `size` units, if one is there or about to come.
    fn more(&self, size: usize) -> Option<Job> {
        if let Ok(job) = self.jobs.try_recv() {
            return Some(job);
        }
        if size >= self.last_group {
            return None;
        }
        self.jobs.recv_timeout(LINGER).ok()
    }

    /// Runs one group: `given`, then whatever `more` adds. Returns what must run again.
    fn group(&mut self, given: Vec<Box<dyn Unit>>, more: &mut More<'_>) -> Again {
        let began = self.clock.now();
        if let Err(why) = self.begin() {
            for unit in given {
                unit.finish(Err(error::begin_again(&why)));
            }
            return Again::new();
        }
        let start = self.head;
        let mut members = Vec::with_capacity(self.last_group.max(given.len()));
        let mut given = given.into_iter();
        while let Some(unit) = given.next().or_else(|| {
            let open = members.len() < GROUP_UNITS_MAX && self.clock.now() - began < GROUP_TIME_MAX;
            if open { more(self, members.len()) } else { None }
        }) {
            match self.run_unit(unit) {
                Ran::Stays(member) => members.push(member),
                Ran::Dropped(culprit) => {
                    self.rolled_back(start);
                    let alone = members.is_empty() && given.len() == 0;
                    let not_run: Vec<_> = given.collect();
                    if alone {
                        return Self::refuse_dropped(culprit);
                    }
                    let mut again = group::split(members, culprit);
                    again.extend((!not_run.is_empty()).then_some(not_run));
                    return again;
                }
            }
        }
        self.last_group = members.len();
        self.commit(members, start)
    }

    fn begin(&self) -> Result<()> {
        if let Some(why) = &self.halted {
            return Err(Error::Unavailable(why.clone()));
        }
        prepare(&self.conn, "BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.raw_execute())
            .map(|_| ())
            .map_err(|error| error::begin(&error))
    }

    fn run_unit(&mut self, mut unit: Box<dyn Unit>) -> Ran {
        let cx = unit.context().clone();
        if cx.deadline().is_some_and(|deadline| deadline.has_passed(self.clock.now())) {
            return Ran::Stays(Member { unit, outcome: Err(Error::DeadlinePassed) });
        }
        let before = self.head;
        if let Err(error) = self.execute("SAVEPOINT unit") {
            return Ran::Dropped(Member { unit, outcome: Err(error) });
        }
        let mut outcome = {
            let mut transaction = Transaction {
                conn: &self.conn,
                head: &mut self.head,
                streams: &mut self.streams,
                cx: &cx,
                clock: &self.clock,
                ids: &self.ids,
            };
            poll_once(unit.run(&mut Tx::new(&mut transaction)))
        };
        if self.conn.is_autocommit() {
            return Ran::Dropped(Member { unit, outcome });
        }
        let ended = if outcome.is_ok() {
            self.streams.keep();
            self.execute("RELEASE unit")
        } else {
            self.head = before;
            self.streams.forget_unit();
            self.execute("ROLLBACK TO unit").and_then(|()| self.execute("RELEASE unit"))
        };
        match ended {
            Ok(()) => Ran::Stays(Member { unit, outcome }),
            Err(error) => {
                outcome = outcome.and(Err(error));
                Ran::Dropped(Member { unit, outcome })
            }
        }
    }

    fn execute(&self, sql: &'static str) -> Result<()> {
        prepare(&self.conn, sql)
            .and_then(|mut statement| statement.raw_execute())
            .map(|_| ())
            .map_err(|error| error::statement(sql, &error))
    }

    /// A unit in whose own transaction the engine gave up: there is nobody else to blame.
    fn refuse_dropped(culprit: Member) -> Again {
        let why = culprit.outcome.err().unwrap_or_else(|| Error::Aborted("dropped by the engine".into()));
        culprit.unit.finish(Err(why));
        Again::new()
    }

    fn rolled_back(&mut self, start: Head) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            self.halt(format!("a transaction could not be rolled back: {error}"));
        }
        self.head = start;
        self.streams.forget_all();
    }

    fn commit(&mut self, members: Vec<Member>, start: Head) -> Again {
        failpoint("ledger.before-commit");
        let committed = prepare(&self.conn, "COMMIT").and_then(|mut commit| commit.raw_execute());
        let Err(error) = committed else {
            failpoint("ledger.after-commit");
            self.announce();
            self.counters.groups.fetch_add(1, Ordering::Relaxed);
            self.counters.units.fetch_add(members.len() as u64, Ordering::Relaxed);
            for member in members {
                member.unit.finish(member.outcome);
            }
            failpoint("ledger.after-answer");
            self.wal.after_group(&self.conn);
            return Again::new();
        };
        self.rolled_back(start);
        if error::is_sync_failure(&error) {
            self.halt(format!("the disk failed to sync, so what is on it is unknown; restart: {error}"));
            for member in members {
                member.unit.finish(Err(error::commit(&error)));
            }
            return Again::new();
        }
        if let [_] = members.as_slice() {
            for member in members {
                member.unit.finish(member.outcome.and_then(|()| Err(error::commit(&error))));
            }
            return Again::new();
        }
        group::scatter(members)
    }

    fn announce(&self) {
        self.announce.send_if_modified(|head| {
            let changed = *head != self.head;
            *head = self.head;
            changed
        });
    }

    fn halt(&mut self, why: String) {
        tracing::error!(path = %self.path.display(), why, "ledger stopped writing");
        self.halted = Some(why);
    }

    fn close(self) {
        // Whoever slipped in behind the last job is told that nothing happened.
        while let Ok(job) = self.jobs.try_recv() {
            if let Job::Unit(unit) = job {
                unit.finish(Err(closed()));
            }
        }
        self.wal.stop();
        if let Err(error) = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(path = %self.path.display(), %error, "the write-ahead log stays; it is read again on opening");
        }
        if let Err((_, error)) = self.conn.close() {
            tracing::warn!(path = %self.path.display(), %error, "the ledger was not closed cleanly");
            return;
        }
        self.lock.release();
    }
}

pub(crate) fn closed() -> Error {
    Error::Unavailable("the ledger is closed".into())
}
