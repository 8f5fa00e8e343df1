//! The HTTP face of the provider: charge, refund, look, and how it is told to misbehave.

use std::sync::{Arc, RwLock};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{StatusCode, Uri};
use mamparo_context::Random;
use mamparo_ledger::{Ledger, Tx};
use mamparo_shop_http::{Command, Path, Problem, query, unknown_method, unknown_path};
use serde::Deserialize;
use serde_json::{Value, json};

use super::behaviour::{Behaviour, Fate};
use super::charges::{self, Charging};
use crate::limits::{CARD_LIMIT, CHARGES_PAGE, PROVIDER_BACK_WITHIN, UNANSWERED_FOR};

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Face {
    pub(crate) ledger: Ledger,
    pub(crate) behaviour: Arc<RwLock<Behaviour>>,
    pub(crate) random: Random,
}

#[derive(Debug, Deserialize)]
struct Charge {
    amount: i64,
    currency: String,
    order: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refund {
    charge: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: String,
}

/// The routes.
pub(crate) fn router(face: Face) -> Router {
    Router::new()
        .route("/charges", get(list).post(charge))
        .route("/charges/{*key}", get(look))
        .route("/refunds", post(refund))
        .route("/behaviour", get(behaviour).post(behave))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(face)
}

impl Face {
    fn behaviour(&self) -> Behaviour {
        *self.behaviour.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What becomes of a request; a refusal comes before it had any effect.
    async fn fate(&self) -> Result<Fate, Problem> {
        let behaviour = self.behaviour();
        if behaviour.latency_ms > 0 {
            tokio::time::sleep(behaviour.latency()).await;
        }
        match behaviour.fate(self.random.below(100)) {
            Fate::Refused if behaviour.down => {
                Err(Problem::unavailable("provider-unavailable", "nothing was done", PROVIDER_BACK_WITHIN))
            }
            // A hiccup: asked again, it may well answer.
            Fate::Refused => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Err(Problem::new(status, "provider-unavailable", "nothing was done"))
            }
            fate => Ok(fate),
        }
    }
}

/// Keeps the answer back, if that is its fate.
async fn answer(fate: Fate, answer: Response) -> Response {
    if fate == Fate::Unanswered {
        tokio::time::sleep(UNANSWERED_FOR).await;
    }
    answer
}

async fn charge(State(face): State<Face>, command: Command) -> Result<Response, Problem> {
    let (wanted, _) = command.parse::<Charge>()?;
    let trace = command.cx.trace().trace_id();
    tracing::debug!(key = command.key.as_str(), order = wanted.order, %trace, "asked to charge");
    let fate = face.fate().await?;
    if wanted.amount <= 0 {
        return Err(Problem::impossible("amount-out-of-range", "an amount is more than zero"));
    }
    if wanted.amount > CARD_LIMIT {
        return Err(Problem::new(StatusCode::PAYMENT_REQUIRED, "declined", "over the limit of the card"));
    }
    let key = command.key;
    let work = async move |tx: &mut Tx<'_>| {
        charges::charge(tx, key.as_str(), wanted.amount, &wanted.currency, wanted.order.as_deref()).await
    };
    // The charge is made to its end, whoever still waits for it.
    let response = match face.ledger.transact(&mamparo_context::Context::root(), work).await? {
        Charging::Charged(charge) => (StatusCode::CREATED, axum::Json(charge)).into_response(),
        Charging::Another => {
            Problem::impossible("idempotency-key-reused", "this key was charged with another amount")
                .into_response()
        }
        Charging::Closed(charge) => {
            Problem::new(StatusCode::CONFLICT, "key-closed", "nothing is charged under it")
                .with("charge", charge)
                .into_response()
        }
    };
    Ok(answer(fate, response).await)
}

async fn refund(State(face): State<Face>, command: Command) -> Result<Response, Problem> {
    let (wanted, _) = command.parse::<Refund>()?;
    let fate = face.fate().await?;
    let work = async move |tx: &mut Tx<'_>| charges::refund(tx, &wanted.charge).await;
    let charge = face.ledger.transact(&mamparo_context::Context::root(), work).await?;
    Ok(answer(fate, axum::Json(charge).into_response()).await)
}

async fn look(State(face): State<Face>, Path(key): Path<String>) -> Result<axum::Json<Value>, Problem> {
    if face.behaviour().down {
        return Err(Problem::unavailable("provider-unavailable", "nothing was done", PROVIDER_BACK_WITHIN));
    }
    let charge = charges::find(&face.ledger, &key).await?;
    charge
        .map(axum::Json)
        .ok_or_else(|| Problem::not_found("unknown-charge", "nothing was asked under this key"))
}

async fn list(State(face): State<Face>, uri: Uri) -> Result<axum::Json<Value>, Problem> {
    let page: Page = query(&uri)?;
    let charges = charges::list(&face.ledger, &page.after).await?;
    let full = charges.len() == CHARGES_PAGE as usize;
    let next = charges.last().filter(|_| full).map(|last| last["key"].clone());
    Ok(axum::Json(json!({"charges": charges, "next": next})))
}

async fn behaviour(State(face): State<Face>) -> axum::Json<Behaviour> {
    axum::Json(face.behaviour())
}

/// Not a POST of the shop: it says how things shall be, so it needs no key.
async fn behave(State(face): State<Face>, body: Bytes) -> Result<axum::Json<Behaviour>, Problem> {
    let wanted: Behaviour = serde_json::from_slice(&body)
        .map_err(|error| Problem::malformed("malformed-json", error.to_string()))?;
    let wanted = wanted.check().map_err(|error| Problem::impossible("wrong-shape", error.to_string()))?;
    *face.behaviour.write().unwrap_or_else(std::sync::PoisonError::into_inner) = wanted;
    tracing::info!(?wanted, "the card provider behaves differently from now on");
    Ok(axum::Json(wanted))
}
