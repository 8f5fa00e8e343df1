//! The ledger's own tables, and the bringing up to date of every component's schema.

use std::path::Path;

use mamparo_ledger::{Migration, Migrations, OpenError};
use rusqlite::Connection;

/// Marks a file as a ledger: "MMPR".
pub(crate) const APPLICATION_ID: i64 = 0x4d4d_5052;

/// The ledger's own schema.
pub(crate) const LEDGER: Migrations = Migrations {
    component: "ledger",
    steps: &[Migration {
        name: "events, outbox, inbox, timers, checkpoints",
        sql: include_str!("schema/0001.sql"),
    }],
};

/// Makes the table in which every component's version stands.
pub(crate) fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS mp_schema (
             component TEXT PRIMARY KEY,
             version   INTEGER NOT NULL
         ) WITHOUT ROWID",
    )
}

/// Brings a component up to date, in one transaction; nothing is changed when its schema is newer.
pub(crate) fn migrate(conn: &Connection, path: &Path, to: Migrations) -> Result<(), OpenError> {
    let failed = |version, error: rusqlite::Error| OpenError::Migration {
        component: to.component.to_owned(),
        version,
        message: error.to_string(),
    };
    let found: u32 = conn
        .query_row("SELECT version FROM mp_schema WHERE component = ?1", [to.component], |row| row.get(0))
        .or_else(|error| if error == rusqlite::Error::QueryReturnedNoRows { Ok(0) } else { Err(error) })
        .map_err(|error| failed(0, error))?;
    if found > to.version() {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            component: to.component.to_owned(),
            found,
            known: to.version(),
        });
    }
    if found == to.version() {
        return Ok(());
    }
    let transaction = conn.unchecked_transaction().map_err(|error| failed(found, error))?;
    for (version, step) in to.after(found) {
        transaction.execute_batch(step.sql).map_err(|error| failed(version, error))?;
        tracing::debug!(component = to.component, version, name = step.name, "schema migrated");
    }
    transaction
        .execute(
            "INSERT INTO mp_schema (component, version) VALUES (?1, ?2)
             ON CONFLICT (component) DO UPDATE SET version = excluded.version",
            (to.component, to.version()),
        )
        .and_then(|_| transaction.commit())
        .map_err(|error| failed(to.version(), error))
}
