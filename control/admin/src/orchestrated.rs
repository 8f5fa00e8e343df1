//! The orchestrated sagas of a ledger, as a person sees and moves them.

use mamparo_broker::BoxFuture;
use mamparo_context::Context;
use mamparo_ledger::Ledger;
use mamparo_saga::{Input, SagaId, Sagas, State, Status, Taken};
use serde_json::{Value, json};

use crate::{AdminError, SagaAdmin, SagaFilter};

/// The orchestrated sagas of a ledger.
#[derive(Clone)]
pub struct Orchestrated {
    ledger: Ledger,
    sagas: Sagas,
}

impl Orchestrated {
    /// The sagas that `sagas` runs in `ledger`.
    pub fn new(ledger: Ledger, sagas: Sagas) -> Self {
        Self { ledger, sagas }
    }

    async fn take(&self, id: &str, input: Input) -> Result<Value, AdminError> {
        let (sagas, saga) = (self.sagas.clone(), parse(id)?);
        let work = self
            .ledger
            .transact(&Context::root(), async move |tx| sagas.take(tx, &saga, input.clone()).await)
            .await;
        match work? {
            Taken::NoSuchSaga => Err(AdminError::NotFound(format!("saga {id}"))),
            Taken::NoEffect => Err(AdminError::Refused(format!(
                "saga {id} is not where this could be done; `saga show` tells where"
            ))),
            Taken::Now(status) => {
                Ok(json!({ "id": id, "status": status.as_str(), "reason": reason(&status) }))
            }
        }
    }
}

impl SagaAdmin for Orchestrated {
    fn list(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<Value>, AdminError>> {
        Box::pin(async move {
            let after = filter.after.unwrap_or_default();
            let sagas = self.sagas.list(&self.ledger, filter.status.as_deref(), &after, filter.limit).await?;
            let entry = |saga: &mamparo_saga::Summary| {
                json!({
                    "id": saga.id,
                    "definition": saga.definition,
                    "version": saga.version,
                    "status": saga.status,
                    "step": saga.step,
                    "started": saga.created_at.to_string(),
                    "updated": saga.updated_at.to_string(),
                })
            };
            Ok(sagas.iter().map(entry).collect())
        })
    }

    fn show<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(async move {
            let state = self.sagas.read(&self.ledger, &parse(id)?).await?;
            state.as_ref().map(whole).ok_or_else(|| AdminError::NotFound(format!("saga {id}")))
        })
    }

    fn cancel<'a>(&'a self, id: &'a str, reason: &'a str) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(self.take(id, Input::CancelRequested { reason: reason.to_owned() }))
    }

    fn resume<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(self.take(id, Input::Resume))
    }

    fn skip<'a>(
        &'a self,
        id: &'a str,
        reason: &'a str,
        output: Value,
    ) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(self.take(id, Input::Skip { reason: reason.to_owned(), output }))
    }
}

fn parse(id: &str) -> Result<SagaId, AdminError> {
    id.parse().map_err(|_| AdminError::NotFound(format!("saga {id}")))
}

fn whole(state: &State) -> Value {
    let steps: Vec<Value> = state
        .steps()
        .iter()
        .map(|step| json!({ "step": step.name(), "status": step.status(), "attempt": step.attempt() }))
        .collect();
    let history: Vec<Value> = state
        .history()
        .iter()
        .map(|entry| {
            json!({
                "at": entry.at.to_string(),
                "what": entry.what,
                "step": entry.step,
                "attempt": entry.attempt,
                "note": entry.note,
            })
        })
        .collect();
    let timers: Vec<Value> = state
        .timers()
        .iter()
        .map(|pending| json!({ "timer": pending.timer.to_string(), "due": pending.due.to_string() }))
        .collect();
    json!({
        "id": state.id().as_str(),
        "definition": state.definition(),
        "version": state.version(),
        "revision": state.revision(),
        "status": state.status().as_str(),
        "reason": reason(state.status()).or_else(|| state.stop().map(|stop| stop.reason.clone())),
        "step": state.current_step(),
        "started": state.created_at().to_string(),
        "updated": state.updated_at().to_string(),
        "input": state.data().input(),
        "outputs": state.data().outputs(),
        "steps": steps,
        "history": history,
        "history_left_out": state.history_left_out(),
        "timers": timers,
    })
}

fn reason(status: &Status) -> Option<String> {
    match status {
        Status::Parked { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}
