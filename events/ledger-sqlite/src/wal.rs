//! Keeps the write-ahead log bounded without making writers wait: a thread copies committed pages into the
//! database behind the writer's back; when the log has grown large the writer copies the little that is left,
//! between two groups, and the next group starts the log anew.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::counters::Counters;
use crate::limits::{CHECKPOINT_EVERY, WAL_BYTES_HARD, WAL_BYTES_PER_COPY, WAL_BYTES_SOFT};
use crate::open;
use crate::options::Durability;

/// The writer's end of it.
pub(crate) struct Wal {
    poke: SyncSender<()>,
    /// Something was committed since the last copy.
    is_dirty: Arc<AtomicBool>,
    counters: Arc<Counters>,
    thread: JoinHandle<()>,
    /// Size of the log at which the thread is asked to copy next.
    next_copy: Cell<u64>,
    /// Size of the log at which the writer tries next to have it start anew.
    next_restart: Cell<u64>,
}

impl Wal {
    /// Watches the log of `conn`, the writer's connection.
    pub(crate) fn start(
        path: PathBuf,
        durability: Durability,
        conn: &mut Connection,
        counters: &Arc<Counters>,
    ) -> std::io::Result<Self> {
        let page_bytes = conn
            .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
            .map_err(std::io::Error::other)?
            .unsigned_abs();
        let told = Arc::clone(counters);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            told.log_bytes.store(u64::try_from(pages).unwrap_or(0) * page_bytes, Ordering::Relaxed);
            Ok(())
        }))
        .map_err(std::io::Error::other)?;
        let is_dirty = Arc::new(AtomicBool::new(false));
        let (poke, poked) = sync_channel(1);
        let copier = Copier { path, durability, is_dirty: Arc::clone(&is_dirty), conn: None };
        let thread =
            std::thread::Builder::new().name("ledger-wal".into()).spawn(move || copier.run(&poked))?;
        Ok(Self {
            poke,
            is_dirty,
            counters: Arc::clone(counters),
            thread,
            next_copy: Cell::new(WAL_BYTES_PER_COPY),
            next_restart: Cell::new(WAL_BYTES_SOFT),
        })
    }

    /// A group was committed.
    pub(crate) fn after_group(&self, conn: &Connection) {
        let bytes = self.counters.log_bytes.load(Ordering::Relaxed);
        self.is_dirty.store(true, Ordering::Release);
        if bytes + WAL_BYTES_PER_COPY < self.next_copy.get() {
            // The log was started anew.
            self.next_copy.set(WAL_BYTES_PER_COPY);
            self.next_restart.set(WAL_BYTES_SOFT);
        }
        if bytes >= self.next_copy.get() {
            self.next_copy.set(bytes + WAL_BYTES_PER_COPY);
            // Full means that it was asked already.
            let _ = self.poke.try_send(());
        }
        if bytes >= self.next_restart.get() {
            self.next_restart.set(bytes + WAL_BYTES_PER_COPY / 4);
            // Passive never waits. Restart waits for readers, who are quick: each ends within a second.
            let mode = if bytes < WAL_BYTES_HARD { "PASSIVE" } else { "RESTART" };
            copy(conn, mode);
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(self) {
        drop(self.poke);
        if self.thread.join().is_err() {
            tracing::warn!("the thread that copies the write-ahead log had panicked");
        }
    }
}

/// The thread behind the writer's back.
struct Copier {
    path: PathBuf,
    durability: Durability,
    is_dirty: Arc<AtomicBool>,
    conn: Option<Connection>,
}

impl Copier {
    fn run(mut self, poked: &Receiver<()>) {
        while !matches!(poked.recv_timeout(CHECKPOINT_EVERY), Err(RecvTimeoutError::Disconnected)) {
            if !self.is_dirty.swap(false, Ordering::AcqRel) {
                continue;
            }
            if self.conn.is_none() {
                match open::checkpointer(&self.path, self.durability) {
                    Ok(conn) => self.conn = Some(conn),
                    Err(error) => {
                        tracing::warn!(path = %self.path.display(), %error, "cannot copy the write-ahead log");
                    }
                }
            }
            if let Some(conn) = &self.conn {
                copy(conn, "PASSIVE");
            }
        }
    }
}

/// Copies what no reader needs any more. On a full disk the log keeps everything until there is space.
fn copy(conn: &Connection, mode: &str) {
    if let Err(error) = conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())) {
        tracing::warn!(%error, "copying the write-ahead log into the database failed; it is tried again");
    }
}
