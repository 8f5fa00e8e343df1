//! Streams whose events could not be applied: written down, shown, and applied later.

use mamparo_context::{Context, Timestamp};
use mamparo_ledger::{Ledger, ReadError, Recorded, Result, Row, StreamName, Tx, params};
use serde::Serialize;

use crate::limits::{ERROR_BYTES_MAX, PARKED_MAX};

/// A stream that is parked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// Which stream.
    pub stream: StreamName,
    /// The first of its events that is not applied, counted from 1.
    pub version: u64,
    /// The position of the event that failed.
    pub position: u64,
    /// The kind of the event that failed.
    pub kind: String,
    /// Why it failed.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it is parked.
    pub since: Timestamp,
}

const LIST: &str = "SELECT stream, version, position, kind, error, attempts, since
    FROM mamparo_projection_parked WHERE projection = ?1 ORDER BY position";

pub(crate) async fn list(ledger: &Ledger, projection: &str) -> std::result::Result<Vec<Parked>, ReadError> {
    let rows = ledger.query(LIST, params![projection]).await?;
    let read = rows.into_iter().map(|row| parked(&row));
    read.collect::<Result<_>>().map_err(|error| ReadError::Unavailable(error.to_string()))
}

fn parked(row: &Row) -> Result<Parked> {
    Ok(Parked {
        stream: StreamName::new(&row.get::<String>(0)?),
        version: row.get(1)?,
        position: row.get(2)?,
        kind: row.get(3)?,
        error: row.get(4)?,
        attempts: row.get(5)?,
        since: row.get(6)?,
    })
}

/// The streams that are parked, as a transaction sees them.
pub(crate) async fn names(tx: &mut Tx<'_>, projection: &str) -> Result<Vec<String>> {
    let select = "SELECT stream FROM mamparo_projection_parked WHERE projection = ?1";
    let rows = tx.query(select, params![projection]).await?;
    rows.into_iter().map(|row| row.get(0)).collect()
}

/// Parks the stream of an event; `false` when too many are parked already.
pub(crate) async fn park(
    tx: &mut Tx<'_>,
    projection: &str,
    event: &Recorded,
    error: &str,
    attempts: u32,
) -> Result<bool> {
    let count = "SELECT count(*) FROM mamparo_projection_parked WHERE projection = ?1";
    let already = tx.query_one(count, params![projection]).await?;
    if already.map_or(Ok(0), |row| row.get::<u64>(0))? >= PARKED_MAX {
        return Ok(false);
    }
    let insert = "INSERT INTO mamparo_projection_parked
        (projection, stream, version, position, kind, error, attempts, since)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (stream, error) = (event.stream.as_str(), shorten(error));
    let now = tx.clock().wall();
    let values = params![projection, stream, event.version, event.position, event.kind, error, attempts, now];
    tx.sql(insert, values).await?;
    Ok(true)
}

/// Moves a parked stream on to `version`, or (with `None`) lets it go.
pub(crate) async fn advance(
    tx: &mut Tx<'_>,
    projection: &str,
    stream: &StreamName,
    version: Option<u64>,
) -> Result<()> {
    let stream = stream.as_str();
    match version {
        Some(version) => {
            let update = "UPDATE mamparo_projection_parked SET version = ?3
                WHERE projection = ?1 AND stream = ?2";
            tx.sql(update, params![projection, stream, version]).await?;
        }
        None => {
            let delete = "DELETE FROM mamparo_projection_parked WHERE projection = ?1 AND stream = ?2";
            tx.sql(delete, params![projection, stream]).await?;
        }
    }
    Ok(())
}

/// The first version of a parked stream that is not applied; `None` when it is not parked.
pub(crate) async fn version(tx: &mut Tx<'_>, projection: &str, stream: &StreamName) -> Result<Option<u64>> {
    let select = "SELECT version FROM mamparo_projection_parked WHERE projection = ?1 AND stream = ?2";
    let row = tx.query_one(select, params![projection, stream.as_str()]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Counts the parked streams of a projection.
pub(crate) async fn count(ledger: &Ledger, projection: &str) -> Result<u64> {
    let name = projection.to_owned();
    let work = async move |tx: &mut Tx<'_>| Ok(names(tx, &name).await?.len() as u64);
    ledger.transact(&Context::root(), work).await
}

fn shorten(error: &str) -> &str {
    let end = (0..=ERROR_BYTES_MAX.min(error.len())).rev().find(|at| error.is_char_boundary(*at));
    &error[..end.unwrap_or(0)]
}
