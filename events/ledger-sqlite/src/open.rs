//! Opening a file: whose it is, whether it is whole, and how each connection is set up.

use std::path::Path;

use mamparo_ledger::OpenError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error;
use crate::limits::{
    CHECK_BYTES_MAX, FOREIGN_LOCK_WAIT, READ_MAP_BYTES, READER_CACHE_KIB, STATEMENTS_MAX, WAL_BYTES_SOFT,
    WRITER_CACHE_KIB,
};
use crate::lock::Lock;
use crate::migration::{self, APPLICATION_ID};
use crate::options::{Durability, Options};

/// Opens the connection that writes, after the file was found to be a whole ledger of a version we know.
pub(crate) fn writer(options: &Options, lock: &Lock) -> Result<Connection, OpenError> {
    let path = &options.path;
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    let conn = connect(path, WRITER_CACHE_KIB).map_err(|error| error::open(path, &error))?;
    let to_open = |error: rusqlite::Error| error::open(path, &error);
    let is_marked = recognise(path, &conn)?;
    if lock.crashed {
        check(path, &conn, size)?;
    }
    // A newer file must be refused before anything of it is changed, so the version is read first.
    refuse_newer(path, &conn)?;
    let sync = match options.durability {
        Durability::Disk => "FULL",
        Durability::Process => "OFF",
    };
    conn.execute_batch(&format!(
        "PRAGMA page_size = 4096;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = {sync};
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = {WAL_BYTES_SOFT};"
    ))
    .map_err(to_open)?;
    if !is_marked {
        conn.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}")).map_err(to_open)?;
    }
    if let Some(pages) = options.pages_max {
        conn.execute_batch(&format!("PRAGMA max_page_count = {pages}")).map_err(to_open)?;
    }
    migration::prepare(&conn).map_err(to_open)?;
    migration::migrate(&conn, path, migration::LEDGER)?;
    Ok(conn)
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(path, READER_CACHE_KIB)?;
    conn.execute_batch(&format!("PRAGMA query_only = ON; PRAGMA mmap_size = {READ_MAP_BYTES}"))?;
    Ok(conn)
}

/// Opens a connection that copies the write-ahead log into the database.
pub(crate) fn checkpointer(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let conn = connect(path, READER_CACHE_KIB)?;
    let sync = if durability == Durability::Disk { "FULL" } else { "OFF" };
    conn.execute_batch(&format!("PRAGMA synchronous = {sync}; PRAGMA wal_autocheckpoint = 0"))?;
    Ok(conn)
}

fn connect(path: &Path, cache_kib: i64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let conn = Connection::open_with_flags(path, flags)?;
    // Bound values choose no plan: otherwise `LIMIT ?1` alone prepares its statement anew on every run.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.busy_timeout(FOREIGN_LOCK_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.execute_batch(&format!(
        "PRAGMA cache_size = -{cache_kib};
         PRAGMA temp_store = MEMORY;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;"
    ))?;
    Ok(conn)
}

/// Another program's database is left alone; an empty file or one without a mark becomes a ledger. Whether it
/// bears our mark already.
fn recognise(path: &Path, conn: &Connection) -> Result<bool, OpenError> {
    let id: i64 = conn
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(|error| error::open(path, &error))?;
    if id == 0 || id == APPLICATION_ID {
        return Ok(id == APPLICATION_ID);
    }
    let message = format!("it bears the application id {id:#x} of another program");
    Err(OpenError::NotALedger { path: path.to_owned(), message })
}

fn check(path: &Path, conn: &Connection, size: u64) -> Result<(), OpenError> {
    if size > CHECK_BYTES_MAX {
        tracing::warn!(path = %path.display(), size, "not closed cleanly; too large to be checked on opening");
        return Ok(());
    }
    let verdict: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| error::open(path, &error))?;
    if verdict == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.to_owned(), message: verdict }) }
}

fn refuse_newer(path: &Path, conn: &Connection) -> Result<(), OpenError> {
    let (component, known) = (migration::LEDGER.component, migration::LEDGER.version());
    let found =
        conn.query_row("SELECT version FROM mp_schema WHERE component = ?1", [component], |row| row.get(0));
    // No such table, or no such row: a file that is yet to become a ledger.
    match found {
        Ok(found) if found > known => {
            Err(OpenError::Newer { path: path.to_owned(), component: component.to_owned(), found, known })
        }
        _ => Ok(()),
    }
}
