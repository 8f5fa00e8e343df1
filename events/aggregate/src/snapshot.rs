//! The state of an aggregate at some version, kept to spare reading its whole stream. Disposable: whatever is
//! missing, of another state version, or unreadable is passed over, and the events are read instead.

use mamparo_ledger::{Ledger, Migration, Migrations, ReadError, Result, Row, StreamName, Tx, params};

use crate::Aggregate;
use crate::limits::SNAPSHOT_BYTES_MAX;

/// The table of snapshots.
pub(crate) const MIGRATIONS: Migrations = Migrations {
    component: "aggregate",
    steps: &[Migration {
        name: "snapshots",
        sql: "CREATE TABLE mamparo_snapshot (
                  stream TEXT NOT NULL PRIMARY KEY,
                  state_version INTEGER NOT NULL,
                  version INTEGER NOT NULL,
                  state BLOB NOT NULL
              )",
    }],
};

const SELECT: &str = "SELECT state_version, version, state FROM mamparo_snapshot WHERE stream = ?1";
const UPDATE: &str =
    "UPDATE mamparo_snapshot SET state_version = ?2, version = ?3, state = ?4 WHERE stream = ?1";
const INSERT: &str =
    "INSERT INTO mamparo_snapshot (stream, state_version, version, state) VALUES (?1, ?2, ?3, ?4)";

/// A state and the version of the stream it belongs to.
pub(crate) type Snapshot<S> = Option<(u64, S)>;

pub(crate) async fn read<A: Aggregate>(
    ledger: &Ledger,
    stream: &StreamName,
) -> std::result::Result<Snapshot<A::State>, ReadError> {
    let rows = ledger.query(SELECT, params![stream.as_str()]).await?;
    Ok(rows.into_iter().next().and_then(|row| usable::<A>(&row)))
}

pub(crate) async fn read_in<A: Aggregate>(
    tx: &mut Tx<'_>,
    stream: &StreamName,
) -> Result<Snapshot<A::State>> {
    let row = tx.query_one(SELECT, params![stream.as_str()]).await?;
    Ok(row.and_then(|row| usable::<A>(&row)))
}

fn usable<A: Aggregate>(row: &Row) -> Snapshot<A::State> {
    if row.get::<u32>(0).ok()? != A::STATE_VERSION {
        return None;
    }
    let state = row.get::<Vec<u8>>(2).ok()?;
    Some((row.get(1).ok()?, serde_json::from_slice(&state).ok()?))
}

/// Keeps the state, in the transaction that appended up to `version`. A state too large is not kept.
pub(crate) async fn write<A: Aggregate>(
    tx: &mut Tx<'_>,
    stream: &StreamName,
    version: u64,
    state: &A::State,
) -> Result<()> {
    let Ok(state) = serde_json::to_vec(state) else { return Ok(()) };
    if state.len() > SNAPSHOT_BYTES_MAX {
        return Ok(());
    }
    let stream = stream.as_str();
    if tx.sql(UPDATE, params![stream, A::STATE_VERSION, version, state]).await? == 0 {
        tx.sql(INSERT, params![stream, A::STATE_VERSION, version, state]).await?;
    }
    Ok(())
}
