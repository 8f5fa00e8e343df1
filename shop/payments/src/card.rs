//! Asks the card provider, and decides what its answers mean.

use bytes::Bytes;
use http::{Method, StatusCode};
use mamparo_context::Context;
use mamparo_shop_http::{Answer, CallError, Client};
use serde_json::{Value, json};

use crate::limits::PROVIDER_WITHIN;
use crate::payment::Told;
use crate::store::Payment;

/// What asking came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The provider has said it.
    Told(Told),
    /// It knows nothing of this key yet.
    Unknown,
    /// It certainly did nothing.
    Nothing(String),
    /// Nobody knows what it did.
    InDoubt(String),
}

/// Charges a payment. Asking again under the same payment charges once.
pub(crate) async fn charge(provider: &Client, payment: &Payment) -> Asked {
    let body = json!({
        "amount": payment.wanted.amount,
        "currency": payment.wanted.currency,
        "order": payment.wanted.order,
    });
    let answer = post(provider, payment, "/charges", &payment.id, body).await;
    read(answer, |answer| match answer.status {
        StatusCode::OK | StatusCode::CREATED => charged(answer),
        StatusCode::PAYMENT_REQUIRED => Asked::Told(Told::Declined("card declined".into())),
        // The key was closed: that happens only when the payment is being undone.
        StatusCode::CONFLICT => Asked::Told(Told::Declined("card charge voided".into())),
        status => Asked::InDoubt(format!("the provider answered {status}")),
    })
}

/// Asks what became of a charge.
pub(crate) async fn look(provider: &Client, payment: &Payment) -> Asked {
    let path = format!("/charges/{}", payment.id);
    let answer = provider.call(&payment.context(), Method::GET, &path, None, PROVIDER_WITHIN).await;
    match read(answer, |answer| match answer.status {
        StatusCode::OK => charged(answer),
        StatusCode::NOT_FOUND => Asked::Unknown,
        status => Asked::InDoubt(format!("the provider answered {status}")),
    }) {
        // Looking has no effect, but it has not removed the doubt either.
        Asked::Nothing(why) => Asked::InDoubt(why),
        asked => asked,
    }
}

/// Gives back what was charged for a payment, and closes its key for good if nothing was.
pub(crate) async fn void(provider: &Client, payment: &Payment) -> Asked {
    let key = format!("{}/void", payment.id);
    let answer = post(provider, payment, "/refunds", &key, json!({"charge": payment.id})).await;
    read(answer, |answer| match answer.status {
        StatusCode::OK | StatusCode::CREATED => Asked::Told(Told::Voided),
        status => Asked::InDoubt(format!("the provider answered {status}")),
    })
}

async fn post(
    provider: &Client,
    payment: &Payment,
    path: &str,
    key: &str,
    body: Value,
) -> Result<Answer, CallError> {
    let key = key.parse().map_err(|_| CallError::NotSent(format!("`{key}` is no idempotency key")))?;
    let cx: Context = payment.context().with_idempotency_key(key);
    provider.call(&cx, Method::POST, path, Some(Bytes::from(body.to_string())), PROVIDER_WITHIN).await
}

/// Only 503 promises that nothing was done: any other failure may stand for a charge whose answer was lost.
fn read(answer: Result<Answer, CallError>, meaning: impl FnOnce(&Answer) -> Asked) -> Asked {
    match answer {
        Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
            Asked::Nothing("card provider unavailable".into())
        }
        Ok(answer) => meaning(&answer),
        Err(CallError::NotSent(why)) => {
            tracing::debug!(%why, "card provider not reached");
            Asked::Nothing("card provider unreachable".into())
        }
        Err(CallError::Indeterminate(why)) => Asked::InDoubt(why),
    }
}

fn charged(answer: &Answer) -> Asked {
    match answer.json::<Value>().ok().as_ref().and_then(|charge| charge["status"].as_str()) {
        Some("charged") => Asked::Told(Told::Charged),
        Some("refunded" | "voided") => Asked::Told(Told::Declined("card charge voided".into())),
        _ => Asked::InDoubt("the provider's answer cannot be read".into()),
    }
}
