//! Durable timers.

use bytes::Bytes;
use mamparo_context::Timestamp;
use mamparo_ledger::{Result, Timer, params};
use rusqlite::Connection;

use crate::row::{bind, execute, prepare};

pub(crate) fn set(conn: &Connection, timer: &Timer) -> Result<()> {
    let sql = "INSERT INTO mp_timer (owner, key, due, payload) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (owner, key) DO UPDATE SET due = excluded.due, payload = excluded.payload";
    execute(conn, sql, params![timer.owner, timer.key, timer.due, timer.payload])?;
    Ok(())
}

pub(crate) fn clear(conn: &Connection, owner: &str, key: &str) -> Result<bool> {
    Ok(execute(conn, "DELETE FROM mp_timer WHERE owner = ?1 AND key = ?2", params![owner, key])? > 0)
}

pub(crate) fn take(conn: &Connection, owner: &str, key: &str, due: Timestamp) -> Result<bool> {
    let sql = "DELETE FROM mp_timer WHERE owner = ?1 AND key = ?2 AND due = ?3";
    Ok(execute(conn, sql, params![owner, key, due])? > 0)
}

/// Timers of `owner` by when they are due, up to `until`.
pub(crate) fn read(
    conn: &Connection,
    owner: &str,
    until: Timestamp,
    max: usize,
) -> rusqlite::Result<Vec<Timer>> {
    let mut statement = prepare(
        conn,
        "SELECT key, due, payload FROM mp_timer WHERE owner = ?1 AND due <= ?2 ORDER BY due, key LIMIT ?3",
    )?;
    bind(&mut statement, params![owner, until, max as u64])?;
    let (mut rows, mut timers) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        timers.push(Timer {
            owner: owner.to_owned(),
            key: row.get(0)?,
            due: Timestamp::from_micros(row.get(1)?),
            payload: Bytes::copy_from_slice(row.get_ref(2)?.as_bytes()?),
        });
    }
    Ok(timers)
}
