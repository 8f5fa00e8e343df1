//! What a process shows and lets be done: put together of what it has.

use std::fmt;
use std::sync::Arc;

use mamparo_broker::{BoxFuture, Log, Queue};
use mamparo_ledger::Ledger;
use serde_json::Value;

use crate::{AdminError, SagaAdmin};

type Ask<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// What a process shows and lets be done. Cheap to clone.
#[derive(Clone)]
pub struct Face {
    pub(crate) service: Arc<str>,
    pub(crate) ledger: Ledger,
    queue: Option<Arc<dyn Queue>>,
    log: Option<Arc<dyn Log>>,
    sagas: Option<Arc<dyn SagaAdmin>>,
    pub(crate) relay: Option<Ask<Value>>,
    pub(crate) metrics: Option<Ask<BoxFuture<'static, String>>>,
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Face {
    /// The face of the process that is called `service` and owns `ledger`.
    pub fn new(service: &str, ledger: Ledger) -> Self {
        Self {
            service: service.into(),
            ledger,
            queue: None,
            log: None,
            sagas: None,
            relay: None,
            metrics: None,
        }
    }

    /// The same face with the queues that this process keeps.
    #[must_use]
    pub fn queue(mut self, queue: Arc<dyn Queue>) -> Self {
        self.queue = Some(queue);
        self
    }

    /// The same face with the logs that this process keeps.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.log = Some(log);
        self
    }

    /// The same face with the sagas that this process runs.
    #[must_use]
    pub fn sagas(mut self, sagas: Arc<dyn SagaAdmin>) -> Self {
        self.sagas = Some(sagas);
        self
    }

    /// The same face with a relay, whose status `status` answers with as a JSON object.
    #[must_use]
    pub fn relay(mut self, status: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.relay = Some(Arc::new(status));
        self
    }

    /// The same face with metrics, which `text` answers with in the Prometheus text format.
    #[must_use]
    pub fn metrics<F>(mut self, text: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        self.metrics = Some(Arc::new(move || Box::pin(text())));
        self
    }

    pub(crate) fn has_queue(&self) -> Result<&Arc<dyn Queue>, AdminError> {
        self.queue.as_ref().ok_or_else(|| self.not_here("queues"))
    }

    pub(crate) fn has_log(&self) -> Result<&Arc<dyn Log>, AdminError> {
        self.log.as_ref().ok_or_else(|| self.not_here("logs"))
    }

    pub(crate) fn has_sagas(&self) -> Result<&Arc<dyn SagaAdmin>, AdminError> {
        self.sagas.as_ref().ok_or_else(|| self.not_here("sagas"))
    }

    /// What can be asked here, for whoever looks for it among several processes.
    pub(crate) fn parts(&self) -> Vec<&'static str> {
        let mut parts = vec!["streams", "outbox", "timers"];
        parts.extend(self.queue.is_some().then_some("queues"));
        parts.extend(self.log.is_some().then_some("topics"));
        parts.extend(self.sagas.is_some().then_some("sagas"));
        parts.extend(self.metrics.is_some().then_some("metrics"));
        parts
    }

    fn not_here(&self, what: &'static str) -> AdminError {
        AdminError::NotHere { service: self.service.to_string(), what }
    }
}
