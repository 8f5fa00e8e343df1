//! Asks the card provider, and decides what its answers mean.

use bytes::Bytes;
use http::{Method, StatusCode};
use mamparo_context::Context;
use mamparo_policy::ToFault;
use mamparo_policy::stack::CallError;
use mamparo_shop_http::Answer;
use serde_json::{Value, json};

use crate::asking::{Provider, Unanswered};
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
pub(crate) async fn charge(provider: &Provider, payment: &Payment) -> Asked {
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
pub(crate) async fn look(provider: &Provider, payment: &Payment) -> Asked {
    let path = format!("/charges/{}", payment.id);
    let answer = provider.ask(&payment.context(), Method::GET, &path, None).await;
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
pub(crate) async fn void(provider: &Provider, payment: &Payment) -> Asked {
    let key = format!("{}/void", payment.id);
    let answer = post(provider, payment, "/refunds", &key, json!({"charge": payment.id})).await;
    read(answer, |answer| match answer.status {
        StatusCode::OK | StatusCode::CREATED => Asked::Told(Told::Voided),
        status => Asked::InDoubt(format!("the provider answered {status}")),
    })
}

async fn post(
    provider: &Provider,
    payment: &Payment,
    path: &str,
    key: &str,
    body: Value,
) -> Result<Answer, CallError<Unanswered>> {
    let mut cx: Context = payment.context();
    // A payment's id is a key; one that were none would be asked for without, and refused by the provider.
    if let Ok(key) = key.parse() {
        cx = cx.with_idempotency_key(key);
    }
    provider.ask(&cx, Method::POST, path, Some(Bytes::from(body.to_string()))).await
}

/// What has no answer had certainly no effect, or may stand for a charge whose answer was lost: any attempt counts.
fn read(answer: Result<Answer, CallError<Unanswered>>, meaning: impl FnOnce(&Answer) -> Asked) -> Asked {
    match answer {
        Ok(answer) => meaning(&answer),
        Err(error) if error.fault().indeterminate => Asked::InDoubt(error.to_string()),
        Err(error) => {
            tracing::debug!(%error, "the card provider did nothing");
            Asked::Nothing("card provider unavailable".into())
        }
    }
}

fn charged(answer: &Answer) -> Asked {
    match answer.json::<Value>().ok().as_ref().and_then(|charge| charge["status"].as_str()) {
        Some("charged") => Asked::Told(Told::Charged),
        Some("refunded" | "voided") => Asked::Told(Told::Declined("card charge voided".into())),
        _ => Asked::InDoubt("the provider's answer cannot be read".into()),
    }
}
