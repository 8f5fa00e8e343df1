//! What a ledger holds: streams, the outbox, timers.

use mamparo_context::{Context, Timestamp};
use mamparo_ledger::{OutboxRow, Recorded, StreamName, params};
use serde_json::{Value, json};

use super::readable;
use crate::target::Target;
use crate::{AdminError, Face};

/// Streams, the youngest first. The tables of a ledger are called the same in every engine.
const STREAMS: &str = "SELECT id, name, (SELECT max(version) FROM mp_event WHERE stream = mp_stream.id) \
                       FROM mp_stream WHERE id < ?1 AND name >= ?2 AND name < ?3 ORDER BY id DESC LIMIT ?4";
/// Timers of every owner, those that are due next first within each.
const TIMERS: &str = "SELECT owner, key, due, payload FROM mp_timer WHERE owner >= ?1 AND owner < ?2 \
                      ORDER BY owner, due LIMIT ?3";

/// Later than every name that begins with `prefix`.
fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

pub(super) async fn streams(face: &Face, target: &Target) -> Result<Value, AdminError> {
    let before = target.number("before")?.unwrap_or(i64::MAX as u64);
    let prefix = target.text("prefix").unwrap_or("");
    let (end, limit) = (end_of(prefix), target.limit()? as u64);
    let rows = face.ledger.query(STREAMS, params![before, prefix, end, limit]).await?;
    let streams: mamparo_ledger::Result<Vec<Value>> = rows
        .iter()
        .map(|row| {
            let (id, name): (u64, String) = (row.get(0)?, row.get(1)?);
            let version: Option<u64> = row.get(2)?;
            Ok(json!({ "number": id, "stream": name, "version": version.unwrap_or(0) }))
        })
        .collect();
    Ok(Value::Array(streams?))
}

pub(super) async fn stream(face: &Face, name: &str, target: &Target) -> Result<Value, AdminError> {
    let from = target.number("from")?.unwrap_or(1).max(1);
    let events = face.ledger.read_stream(&StreamName::new(name), from, target.limit()?).await?;
    if events.is_empty() && from == 1 {
        return Err(AdminError::NotFound(format!("stream {name}")));
    }
    Ok(Value::Array(events.iter().map(event).collect()))
}

fn event(event: &Recorded) -> Value {
    let metadata: serde_json::Map<String, Value> =
        event.metadata().into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    json!({
        "position": event.position,
        "stream": event.stream.as_str(),
        "version": event.version,
        "id": event.id,
        "kind": &*event.kind,
        "at": event.at.to_string(),
        "data": readable(&event.data),
        "metadata": metadata,
    })
}

pub(super) async fn outbox(face: &Face, target: &Target) -> Result<Value, AdminError> {
    let rows = face.ledger.read_outbox(target.number("after")?.unwrap_or(0), target.limit()?).await?;
    Ok(Value::Array(rows.iter().map(outbox_row).collect()))
}

fn outbox_row(row: &OutboxRow) -> Value {
    json!({
        "id": row.id,
        "at": row.at.to_string(),
        "topic": row.message.topic,
        "key": row.message.key,
        "message": row.message.id,
        "bytes": row.message.payload.len(),
        "payload": readable(&row.message.payload),
        "parked": row.parked,
    })
}

pub(super) async fn outbox_status(face: &Face) -> Result<Value, AdminError> {
    let head = *face.ledger.head().borrow();
    let rows = face.ledger.read_outbox(0, crate::limits::PAGE_MAX).await?;
    let parked = rows.iter().filter(|row| row.parked.is_some()).count();
    Ok(json!({
        "last": head.outbox,
        "unsent": rows.len(),
        "more": rows.len() == crate::limits::PAGE_MAX,
        "parked": parked,
        "oldest": rows.first().map(|row| row.at.to_string()),
        "relay": face.relay.as_ref().map(|status| status()),
    }))
}

pub(super) async fn release(face: &Face, id: u64) -> Result<Value, AdminError> {
    let released =
        face.ledger.transact(&Context::root(), async move |tx| tx.outbox_park(id, None).await).await?;
    if !released {
        return Err(AdminError::NotFound(format!("outbox row {id}")));
    }
    Ok(json!({ "id": id, "released": true }))
}

pub(super) async fn timers(face: &Face, target: &Target) -> Result<Value, AdminError> {
    let (from, end) = match target.text("owner") {
        Some(owner) => (owner.to_owned(), format!("{owner}\u{1}")),
        None => (String::new(), end_of("")),
    };
    let rows = face.ledger.query(TIMERS, params![from, end, target.limit()? as u64]).await?;
    let timers: mamparo_ledger::Result<Vec<Value>> = rows
        .iter()
        .map(|row| {
            let (owner, key): (String, String) = (row.get(0)?, row.get(1)?);
            let (due, payload): (i64, Vec<u8>) = (row.get(2)?, row.get(3)?);
            let due = Timestamp::from_micros(due).to_string();
            Ok(json!({ "owner": owner, "key": key, "due": due, "payload": readable(&payload) }))
        })
        .collect();
    Ok(Value::Array(timers?))
}
