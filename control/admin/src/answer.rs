//! Which request gets which answer. Decided here without a socket, so that a test needs none.

mod broker;
mod ledger;
mod sagas;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::target::Target;
use crate::{AdminError, Answers, Face};

/// What is sent back.
#[derive(Debug)]
pub enum Answer {
    /// A JSON value.
    Json(Value),
    /// Metrics in the Prometheus text format.
    Text(String),
}

impl Answers for Face {
    async fn answer(&self, method: Method, target: Target, body: Bytes) -> Result<Answer, AdminError> {
        answer(self, &method, &target, &body).await
    }
}

/// Answers one request.
pub(crate) async fn answer(
    face: &Face,
    method: &Method,
    target: &Target,
    body: &Bytes,
) -> Result<Answer, AdminError> {
    let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    let json = match (method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(about(face)),
        ("GET", ["metrics"]) => {
            let Some(text) = &face.metrics else {
                let service = face.service.to_string();
                return Err(AdminError::NotHere { service, what: "metrics" });
            };
            return Ok(Answer::Text(text().await));
        }
        ("GET", ["streams"]) => ledger::streams(face, target).await,
        ("GET", ["streams", name]) => ledger::stream(face, name, target).await,
        ("GET", ["outbox"]) => ledger::outbox(face, target).await,
        ("GET", ["outbox", "status"]) => ledger::outbox_status(face).await,
        ("POST", ["outbox", id, "release"]) => ledger::release(face, number(id)?).await,
        ("GET", ["timers"]) => ledger::timers(face, target).await,
        ("GET", ["queues"]) => broker::queues(face).await,
        ("GET", ["topics"]) => broker::topics(face).await,
        ("GET", ["dead-letters"]) => broker::dead_letters(face, target).await,
        ("GET", ["dead-letters", id]) => broker::dead_letter(face, number(id)?).await,
        ("POST", ["dead-letters", id, "redrive"]) => broker::redrive(face, number(id)?).await,
        ("POST", ["dead-letters", id, "discard"]) => broker::discard(face, number(id)?).await,
        ("GET", ["sagas"]) => sagas::list(face, target).await,
        ("GET", ["sagas", id]) => sagas::show(face, id).await,
        ("POST", ["sagas", id, "cancel"]) => sagas::cancel(face, id, &parse(body)?).await,
        ("POST", ["sagas", id, "resume"]) => sagas::resume(face, id).await,
        ("POST", ["sagas", id, "skip"]) => sagas::skip(face, id, parse(body)?).await,
        _ => Err(AdminError::NotFound(format!("{method} /{}", segments.join("/")))),
    };
    json.map(Answer::Json)
}

fn about(face: &Face) -> Value {
    json!({
        "service": &*face.service,
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
        "ledger": face.ledger.describe(),
        "parts": face.parts(),
    })
}

fn number(text: &str) -> Result<u64, AdminError> {
    text.parse().map_err(|_| AdminError::Invalid(format!("`{text}` is not a number")))
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, AdminError> {
    serde_json::from_slice(body).map_err(|error| AdminError::Invalid(format!("body: {error}")))
}

/// Bytes as they are easiest to read: JSON where they are JSON, text where they are text.
fn readable(bytes: &[u8]) -> Value {
    match (serde_json::from_slice(bytes), std::str::from_utf8(bytes)) {
        (Ok(json), _) => json,
        (_, Ok(text)) => Value::from(text),
        _ => Value::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
