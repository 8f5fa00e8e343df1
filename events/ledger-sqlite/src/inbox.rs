//! The inbox: which messages each consumer has taken.

use mamparo_context::Timestamp;
use mamparo_ledger::{MessageId, Receipt, Result, params};
use rusqlite::Connection;

use crate::row::execute;

pub(crate) fn receive(
    conn: &Connection,
    consumer: &str,
    message: MessageId,
    now: Timestamp,
) -> Result<Receipt> {
    let sql = "INSERT INTO mp_inbox (consumer, message_id, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    Ok(match execute(conn, sql, params![consumer, message.0, now])? {
        0 => Receipt::Repeated,
        _ => Receipt::First,
    })
}

pub(crate) fn prune(conn: &Connection, before: Timestamp, max: usize) -> Result<u64> {
    let sql = "DELETE FROM mp_inbox WHERE (consumer, message_id) IN
               (SELECT consumer, message_id FROM mp_inbox WHERE at < ?1 ORDER BY at LIMIT ?2)";
    execute(conn, sql, params![before, max as u64])
}
