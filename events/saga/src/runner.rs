//! The thin shell around the core: a saga's state, its messages and its timer change in ONE transaction of the
//! ledger. Decides nothing about a saga; that is [`State::transition`].

mod calls;
mod message;
mod store;
mod trace;
mod turn;
mod wake;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use mamparo_context::Timestamp;
use mamparo_ledger::{Error, Ledger, OpenError, ReadError, Result, Tx};
use serde_json::Value;

pub use calls::{Call, CallFuture, Callee};
pub use message::{BadMessage, Request};
pub use store::Summary;
pub use wake::Woken;

use crate::action::Action;
use crate::core::State;
use crate::id::SagaId;
use crate::input::Input;
use crate::registry::{Registry, UnknownDefinition};
use crate::state::Status;
use crate::step::Kind;

/// What [`OnEnd::ended`] returns; it lives on the thread of the ledger, so it need not be `Send`.
pub type Ended<'t> = Pin<Box<dyn Future<Output = Result<()>> + 't>>;

/// What the application does, in the same transaction, when a saga completes, is cancelled or parks.
///
/// Any `async |tx, state, end| …` is one; `end` is [`Action::Complete`], [`Action::Cancel`] or [`Action::Park`].
pub trait OnEnd: Send + Sync + 'static {
    /// Does it. An error rolls the transition back.
    fn ended<'t, 'c>(&'t self, tx: &'t mut Tx<'c>, state: &'t State, end: &'t Action) -> Ended<'t>
    where
        'c: 't;
}

impl<F> OnEnd for F
where
    F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>, &'t State, &'t Action) -> Result<()> + Send + Sync + 'static,
{
    fn ended<'t, 'c>(&'t self, tx: &'t mut Tx<'c>, state: &'t State, end: &'t Action) -> Ended<'t>
    where
        'c: 't,
    {
        Box::pin(self(tx, state, end))
    }
}

/// The sagas of one ledger. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Sagas(Arc<Inner>);

struct Inner {
    registry: Registry,
    reply_to: String,
    on_end: Option<Box<dyn OnEnd>>,
    callees: BTreeMap<String, Arc<dyn Callee>>,
    opened_at: Timestamp,
}

/// Puts [`Sagas`] together.
pub struct Builder(Inner);

/// A definition calls a target that nobody was named for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saga `{definition}` version {version} calls `{target}`, which is not known here")]
pub struct UnknownTarget {
    /// The definition.
    pub definition: String,
    /// Its version.
    pub version: u32,
    /// What it calls.
    pub target: String,
}

/// What an input came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// No saga of that id is known.
    NoSuchSaga,
    /// It was stale, repeated or too late: nothing has changed.
    NoEffect,
    /// It took effect; this is where the saga stands now.
    Now(Status),
}

impl Builder {
    /// What to do when a saga completes, is cancelled or parks, in the transaction in which it does.
    #[must_use]
    pub fn on_end(mut self, on_end: impl OnEnd) -> Self {
        self.0.on_end = Some(Box::new(on_end));
        self
    }

    /// Who answers the calls of `target`.
    #[must_use]
    pub fn callee(mut self, target: &str, callee: impl Callee) -> Self {
        self.0.callees.insert(target.to_owned(), Arc::new(callee));
        self
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// The schema is that of a newer program, or cannot be changed; a target that is called is not known.
    pub async fn open(mut self, ledger: &Ledger) -> Result<Sagas, OpenSagasError> {
        for definition in self.0.registry.iter() {
            for task in definition.steps.iter().flat_map(|step| step.tasks()) {
                let Kind::Call { target } = &task.kind else { continue };
                if !self.0.callees.contains_key(target) {
                    let (definition, version) = (definition.name.clone(), definition.version);
                    return Err(UnknownTarget { definition, version, target: target.clone() }.into());
                }
            }
        }
        ledger.migrate(store::MIGRATIONS).await?;
        self.0.opened_at = ledger.clock().wall();
        Ok(Sagas(Arc::new(self.0)))
    }
}

/// Why sagas could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSagasError {
    /// A definition calls somebody who is not known.
    #[error(transparent)]
    UnknownTarget(#[from] UnknownTarget),
    /// The schema could not be brought up to date.
    #[error(transparent)]
    Schema(#[from] OpenError),
}

impl Sagas {
    /// Sagas of these definitions; their callees answer to the topic `reply_to`.
    pub fn builder(registry: Registry, reply_to: &str) -> Builder {
        let (reply_to, callees) = (reply_to.to_owned(), BTreeMap::new());
        Builder(Inner { registry, reply_to, on_end: None, callees, opened_at: Timestamp::default() })
    }

    /// The definitions.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Starts a saga of the latest version of `definition`, in the transaction of what it is started for. False
    /// when a saga of that id exists already: it is left as it is.
    ///
    /// # Errors
    /// The definition is not known (an [`UnknownDefinition`] by
    /// [`Error::app_as`]), or the engine cannot write.
    pub async fn start(&self, tx: &mut Tx<'_>, definition: &str, id: SagaId, input: Value) -> Result<bool> {
        let Some(definition) = self.0.registry.latest(definition).cloned() else {
            let name = definition.to_owned();
            return Err(Error::app(UnknownDefinition { name, version: 0, known: Vec::new() }));
        };
        if store::load(tx, &id).await?.is_some() {
            return Ok(false);
        }
        let state = State::new(&definition, id, input, tx.clock().wall());
        self.begin(tx, &definition, state).await?;
        Ok(true)
    }

    /// Takes an input for a saga.
    ///
    /// # Errors
    /// Its definition is not known here (an [`UnknownDefinition`] by [`Error::app_as`]);
    /// the saga is left untouched. Or the engine cannot write.
    pub async fn take(&self, tx: &mut Tx<'_>, id: &SagaId, input: Input) -> Result<Taken> {
        match store::load(tx, id).await? {
            Some(stored) => self.turn(tx, stored, input).await,
            None => Ok(Taken::NoSuchSaga),
        }
    }

    /// One saga, as it is stored.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn read(&self, ledger: &Ledger, id: &SagaId) -> Result<Option<State>, ReadError> {
        store::read(ledger, id).await
    }

    /// How many sagas are of one status, a word as for [`Sagas::list`]; at most
    /// [`COUNTED_MAX`](crate::COUNTED_MAX) are counted.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn count(&self, ledger: &Ledger, status: &str) -> Result<u64, ReadError> {
        store::count(ledger, status).await
    }

    /// Sagas by id, behind `after`, at most `max`, all or only those of one status (`running`, `compensating`,
    /// `parked`, `completed`, `cancelled`).
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn list(
        &self,
        ledger: &Ledger,
        status: Option<&str>,
        after: &str,
        max: usize,
    ) -> Result<Vec<Summary>, ReadError> {
        store::list(ledger, status, after, max).await
    }
}
