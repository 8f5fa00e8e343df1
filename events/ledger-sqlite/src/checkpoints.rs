//! Checkpoints: how far each reader of the events has come.

use mamparo_ledger::{Error, Result, params};
use rusqlite::{Connection, OptionalExtension};

use crate::error;
use crate::row::{execute, prepare};

pub(crate) fn get(conn: &Connection, name: &str) -> Result<u64> {
    let sql = "SELECT position FROM mp_checkpoint WHERE name = ?1";
    let found: Result<Option<i64>, Error> = prepare(conn, sql)
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(|error| error::statement(sql, &error));
    Ok(found?.unwrap_or(0).cast_unsigned())
}

pub(crate) fn set(conn: &Connection, name: &str, position: u64) -> Result<()> {
    let sql = "INSERT INTO mp_checkpoint (name, position) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET position = excluded.position";
    execute(conn, sql, params![name, position])?;
    Ok(())
}
