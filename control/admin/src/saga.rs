//! What a person may do with sagas, whoever runs them.

use mamparo_broker::BoxFuture;
use serde_json::Value;

use crate::AdminError;

/// Which sagas to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SagaFilter {
    /// Only those of this status, as the status is written in the answers.
    pub status: Option<String>,
    /// Only those after this id in the order of the list.
    pub after: Option<String>,
    /// Most entries.
    pub limit: usize,
}

/// What a person may do with sagas. Values are JSON objects; one of a list has at least `id`, `definition`,
/// `status`, `step` and `updated`.
pub trait SagaAdmin: Send + Sync + 'static {
    /// Sagas that match, in the order of their ids.
    fn list(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<Value>, AdminError>>;

    /// Everything about one saga: its steps, its story, its timers.
    fn show<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Value, AdminError>>;

    /// Asks for a saga to be undone; refused once its pivot has succeeded.
    fn cancel<'a>(&'a self, id: &'a str, reason: &'a str) -> BoxFuture<'a, Result<Value, AdminError>>;

    /// Tries again what a parked saga is stuck at.
    fn resume<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Value, AdminError>>;

    /// A person did by hand what a parked saga is stuck at; `output` stands in for the answer of the step.
    fn skip<'a>(
        &'a self,
        id: &'a str,
        reason: &'a str,
        output: Value,
    ) -> BoxFuture<'a, Result<Value, AdminError>>;
}
