//! Sagas: the way to whoever runs them.

use serde::Deserialize;
use serde_json::Value;

use crate::target::Target;
use crate::{AdminError, Face, SagaFilter};

/// Why a person does it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    reason: String,
}

/// What a person did instead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    reason: String,
    #[serde(default)]
    output: Value,
}

pub(super) async fn list(face: &Face, target: &Target) -> Result<Value, AdminError> {
    let filter = SagaFilter {
        status: target.text("status").map(str::to_owned),
        after: target.text("after").map(str::to_owned),
        limit: target.limit()?,
    };
    Ok(Value::Array(face.has_sagas()?.list(filter).await?))
}

pub(super) async fn show(face: &Face, id: &str) -> Result<Value, AdminError> {
    face.has_sagas()?.show(id).await
}

pub(super) async fn cancel(face: &Face, id: &str, body: &Cancel) -> Result<Value, AdminError> {
    face.has_sagas()?.cancel(id, &body.reason).await
}

pub(super) async fn resume(face: &Face, id: &str) -> Result<Value, AdminError> {
    face.has_sagas()?.resume(id).await
}

pub(super) async fn skip(face: &Face, id: &str, body: Skip) -> Result<Value, AdminError> {
    face.has_sagas()?.skip(id, &body.reason, body.output).await
}
