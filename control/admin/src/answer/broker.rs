//! What a broker holds: queues, logs, dead letters.

use mamparo_broker::DeadLetter;
use serde_json::{Value, json};

use crate::target::Target;
use crate::{AdminError, Face};

pub(super) async fn queues(face: &Face) -> Result<Value, AdminError> {
    let queues = face.has_queue()?.queues().await?;
    Ok(json!(queues))
}

pub(super) async fn topics(face: &Face) -> Result<Value, AdminError> {
    let topics = face.has_log()?.topics().await?;
    Ok(json!(topics))
}

pub(super) async fn dead_letters(face: &Face, target: &Target) -> Result<Value, AdminError> {
    let after = target.number("after")?.unwrap_or(0);
    let letters = face.has_queue()?.dead_letters(target.text("queue"), after, target.limit()?).await?;
    Ok(Value::Array(letters.iter().map(letter).collect()))
}

pub(super) async fn dead_letter(face: &Face, sequence: u64) -> Result<Value, AdminError> {
    let letters = face.has_queue()?.dead_letters(None, sequence.saturating_sub(1), 1).await?;
    let found = letters.iter().find(|letter| letter.sequence == sequence);
    found.map(letter).ok_or_else(|| AdminError::NotFound(format!("dead letter {sequence}")))
}

fn letter(letter: &DeadLetter) -> Value {
    let mut json = json!(letter);
    json["dead_since"] = Value::from(letter.dead_since.to_string());
    json
}

pub(super) async fn redrive(face: &Face, sequence: u64) -> Result<Value, AdminError> {
    face.has_queue()?.redrive(sequence).await?;
    Ok(json!({ "sequence": sequence, "redriven": true }))
}

pub(super) async fn discard(face: &Face, sequence: u64) -> Result<Value, AdminError> {
    face.has_queue()?.discard(sequence).await?;
    Ok(json!({ "sequence": sequence, "discarded": true }))
}
