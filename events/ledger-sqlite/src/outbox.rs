//! The outbox: messages of committed transactions that wait for the relay.

use bytes::Bytes;
use mamparo_context::{Clock, Context, Ids, Timestamp};
use mamparo_ledger::{Error, Message, MessageId, OutboxRow, Result, params};
use rusqlite::Connection;
use uuid::Uuid;

use crate::row::{bind, execute, prepare};

/// Puts a message behind the last row, `last`, which is moved on.
pub(crate) fn publish(
    conn: &Connection,
    last: &mut u64,
    ids: &Ids,
    cx: &Context,
    clock: &Clock,
    mut message: Message,
) -> Result<MessageId> {
    let id = message.id.unwrap_or_else(|| MessageId(ids.next()));
    if message.get_header("traceparent").is_none() {
        message = message.in_context(cx, clock);
    }
    let headers = serde_json::to_vec(&message.headers).map_err(Error::app)?;
    let at = clock.wall();
    *last += 1;
    let sql = "INSERT INTO mp_outbox (id, message_id, topic, key, headers, payload, not_before, at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (topic, key, payload, not_before) =
        (&message.topic, &message.key, &message.payload, &message.not_before);
    execute(conn, sql, params![*last, id.0, topic, key, headers, payload, not_before, at])?;
    Ok(id)
}

/// Forgets rows that were sent.
pub(crate) fn sent(conn: &Connection, ids: &[u64]) -> Result<u64> {
    let mut forgotten = 0;
    for id in ids {
        forgotten += execute(conn, "DELETE FROM mp_outbox WHERE id = ?1", params![id])?;
    }
    Ok(forgotten)
}

/// Parks a row for a person, or lets it go again.
pub(crate) fn park(conn: &Connection, id: u64, why: Option<&str>) -> Result<bool> {
    Ok(execute(conn, "UPDATE mp_outbox SET parked = ?2 WHERE id = ?1", params![id, why])? > 0)
}

/// The id of the last row; 0 when there is none.
pub(crate) fn last_id(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("SELECT coalesce(max(id), 0) FROM mp_outbox", [], |row| {
        row.get::<_, i64>(0).map(i64::cast_unsigned)
    })
}

/// Rows after `after`.
pub(crate) fn read(conn: &Connection, after: u64, max: usize) -> rusqlite::Result<Vec<OutboxRow>> {
    let mut statement = prepare(
        conn,
        "SELECT id, message_id, topic, key, headers, payload, not_before, at, parked FROM mp_outbox
         WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    bind(&mut statement, params![after, max as u64])?;
    let (mut rows, mut waiting) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        let key: Option<&str> = row.get_ref(3)?.as_str_or_null()?;
        waiting.push(OutboxRow {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            at: Timestamp::from_micros(row.get(7)?),
            message: Message {
                id: Some(MessageId(Uuid::from_slice(row.get_ref(1)?.as_blob()?).unwrap_or_default())),
                topic: row.get_ref(2)?.as_str()?.into(),
                key: key.map(Into::into),
                headers: serde_json::from_slice(row.get_ref(4)?.as_bytes()?).unwrap_or_default(),
                payload: Bytes::copy_from_slice(row.get_ref(5)?.as_bytes()?),
                not_before: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros),
            },
            parked: row.get(8)?,
        });
    }
    Ok(waiting)
}
