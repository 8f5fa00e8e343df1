//! Where the state of every saga stands: one row each, the columns beside the state for those who look.

use mamparo_context::{Timestamp, TraceContext};
use mamparo_ledger::{Error, Ledger, Migration, Migrations, ReadError, Result, Row, Tx, params};

use crate::core::State;
use crate::id::SagaId;
use crate::limits::COUNTED_MAX;

pub(super) const MIGRATIONS: Migrations = Migrations {
    component: "saga",
    steps: &[Migration { name: "sagas", sql: include_str!("../schema/0001.sql") }],
};

/// A saga as it was read, the trace it began in, and when the ledger is set to wake it.
pub(super) struct Stored {
    pub(super) state: State,
    pub(super) trace: TraceContext,
    pub(super) wake: Option<Timestamp>,
}

/// One line of a list of sagas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The saga.
    pub id: String,
    /// Its definition.
    pub definition: String,
    /// The version of it.
    pub version: u32,
    /// Where it stands, in one word.
    pub status: String,
    /// The step it is at.
    pub step: String,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

pub(super) async fn load(tx: &mut Tx<'_>, id: &SagaId) -> Result<Option<Stored>> {
    let sql = "SELECT state, trace, wake_at FROM mp_saga WHERE id = ?1";
    let Some(row) = tx.query_one(sql, params![id.as_str()]).await? else { return Ok(None) };
    let state = serde_json::from_str(&row.get::<String>(0)?).map_err(Error::app)?;
    let trace = row.get::<String>(1)?.parse().map_err(Error::app)?;
    Ok(Some(Stored { state, trace, wake: row.get(2)? }))
}

pub(super) async fn insert(tx: &mut Tx<'_>, stored: &Stored) -> Result<()> {
    let (state, text) = (&stored.state, write(&stored.state)?);
    tx.sql(
        "INSERT INTO mp_saga (id, definition, version, status, step, trace, created_at, updated_at,
                              wake_at, revision, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            state.id.as_str(),
            state.definition,
            state.version,
            state.status.as_str(),
            state.current_step(),
            stored.trace.to_string(),
            state.created_at,
            state.updated_at,
            stored.wake,
            state.revision,
            text
        ],
    )
    .await?;
    Ok(())
}

/// Stores what a saga has become since it was at revision `before`.
pub(super) async fn update(tx: &mut Tx<'_>, stored: &Stored, before: u64) -> Result<()> {
    let (state, text) = (&stored.state, write(&stored.state)?);
    let sql =
        "UPDATE mp_saga SET status = ?1, step = ?2, updated_at = ?3, wake_at = ?4, revision = ?5, state = ?6
               WHERE id = ?7 AND revision = ?8";
    let changed = tx
        .sql(
            sql,
            params![
                state.status.as_str(),
                state.current_step(),
                state.updated_at,
                stored.wake,
                state.revision,
                text,
                state.id.as_str(),
                before
            ],
        )
        .await?;
    if changed == 1 {
        return Ok(());
    }
    Err(Error::Aborted(format!("saga {} changed meanwhile", state.id)))
}

pub(super) async fn read(ledger: &Ledger, id: &SagaId) -> Result<Option<State>, ReadError> {
    let rows = ledger.query("SELECT state FROM mp_saga WHERE id = ?1", params![id.as_str()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let text: String = row.get(0).map_err(unreadable)?;
    serde_json::from_str(&text).map(Some).map_err(unreadable)
}

pub(super) async fn list(
    ledger: &Ledger,
    status: Option<&str>,
    after: &str,
    max: usize,
) -> Result<Vec<Summary>, ReadError> {
    const COLUMNS: &str = "SELECT id, definition, version, status, step, created_at, updated_at FROM mp_saga";
    let max = max.min(mamparo_ledger::limits::PAGE_MAX) as u64;
    let rows = match status {
        Some(status) => {
            let sql = format!("{COLUMNS} WHERE status = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
            ledger.query(&sql, params![status, after, max]).await?
        }
        None => {
            let sql = format!("{COLUMNS} WHERE id > ?1 ORDER BY id LIMIT ?2");
            ledger.query(&sql, params![after, max]).await?
        }
    };
    rows.iter().map(|row| summary(row).map_err(unreadable)).collect()
}

/// How many sagas have this status, as far as [`COUNTED_MAX`].
pub(super) async fn count(ledger: &Ledger, status: &str) -> Result<u64, ReadError> {
    let sql = "SELECT count(*) FROM (SELECT 1 AS one FROM mp_saga WHERE status = ?1 LIMIT ?2) AS counted";
    let rows = ledger.query(sql, params![status, COUNTED_MAX]).await?;
    rows.first().map_or(Ok(0), |row| row.get(0).map_err(unreadable))
}

fn summary(row: &Row) -> Result<Summary> {
    Ok(Summary {
        id: row.get(0)?,
        definition: row.get(1)?,
        version: row.get(2)?,
        status: row.get(3)?,
        step: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

fn write(state: &State) -> Result<String> {
    serde_json::to_string(state).map_err(Error::app)
}

fn unreadable(error: impl std::fmt::Display) -> ReadError {
    ReadError::Unavailable(format!("the row of a saga cannot be read: {error}"))
}
