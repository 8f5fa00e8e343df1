//! Aggregates in a ledger: load, decide, append, publish and snapshot in one transaction.

use std::marker::PhantomData;
use std::sync::Arc;

use mamparo_context::Context;
use mamparo_ledger::{
    Error, Expected, Ledger, Message, NewEvent, OpenError, Recorded, Result, StreamName, Tx,
};

use crate::limits::{PAGE, TRIES_MAX};
use crate::snapshot::{self, Snapshot};
use crate::{Aggregate, DecodeError, HandleError, LoadError, Upcasters, decode, encode, fold};

/// What can be chosen about a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How often a command is decided anew because somebody else changed the stream first.
    pub tries: u32,
    /// A snapshot is kept after so many events; 0 for none.
    pub snapshot_every: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { tries: 10, snapshot_every: 100 }
    }
}

/// An aggregate as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<S> {
    /// What it is.
    pub state: S,
    /// The number of its events; 0 when it does not exist.
    pub version: u64,
    /// The version of the snapshot it was read from; 0 for none.
    pub snapshot: u64,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed<S> {
    /// What the aggregate is now.
    pub state: S,
    /// The number of its events now.
    pub version: u64,
    /// How many events the command led to; 0 when there was nothing to do.
    pub events: usize,
    /// The position of the last event of the ledger, to wait for in a projection; 0 when nothing was appended.
    pub position: u64,
}

/// The aggregates of one type in a ledger. Cheap to clone.
pub struct Repository<A> {
    ledger: Ledger,
    options: Options,
    upcasters: Arc<Upcasters>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A> Clone for Repository<A> {
    fn clone(&self) -> Self {
        let (ledger, upcasters) = (self.ledger.clone(), Arc::clone(&self.upcasters));
        Self { ledger, upcasters, options: self.options, aggregate: PhantomData }
    }
}

/// Events that were decided, ready to be appended: what a transaction needs, and can do more than once.
struct Decided<S> {
    stream: StreamName,
    from: Loaded<S>,
    state: S,
    events: Vec<NewEvent>,
    messages: Vec<Message>,
}

impl<A: Aggregate> Repository<A> {
    /// The aggregates of type `A` in `ledger`; makes the table of snapshots if it is not there.
    ///
    /// # Errors
    /// The table cannot be made, or was made by a newer program.
    pub async fn open(ledger: Ledger, options: Options) -> std::result::Result<Self, OpenError> {
        ledger.migrate(snapshot::MIGRATIONS).await?;
        let options = Options { tries: options.tries.clamp(1, TRIES_MAX), ..options };
        Ok(Self { ledger, options, upcasters: Arc::new(A::upcasters()), aggregate: PhantomData })
    }

    /// The stream of the aggregate `id`.
    pub fn stream(&self, id: &str) -> StreamName {
        StreamName::of(A::CATEGORY, id)
    }

    /// Loads the aggregate `id`, outside any transaction; the default state at version 0 when there is none.
    ///
    /// # Errors
    /// The ledger cannot be read, or an event of the stream cannot.
    pub async fn load(&self, id: &str) -> std::result::Result<Loaded<A::State>, LoadError> {
        let stream = self.stream(id);
        let mut loaded = start::<A>(snapshot::read::<A>(&self.ledger, &stream).await?);
        loop {
            let page = self.ledger.read_stream(&stream, loaded.version + 1, PAGE).await?;
            let last = page.len() < PAGE;
            loaded = self.evolve(loaded, &page)?;
            if last {
                return Ok(loaded);
            }
        }
    }

    /// Loads the aggregate `id` inside a transaction, this transaction's own events included.
    ///
    /// # Errors
    /// The ledger cannot be read; an event of the stream cannot ([`DecodeError`], through [`Error::app_as`]).
    pub async fn load_in(&self, tx: &mut Tx<'_>, id: &str) -> Result<Loaded<A::State>> {
        let stream = self.stream(id);
        let mut loaded = start::<A>(snapshot::read_in::<A>(tx, &stream).await?);
        loop {
            let page = tx.read_stream(&stream, loaded.version + 1, PAGE).await?;
            let last = page.len() < PAGE;
            loaded = self.evolve(loaded, &page).map_err(Error::app)?;
            if last {
                return Ok(loaded);
            }
        }
    }

    fn evolve(
        &self,
        loaded: Loaded<A::State>,
        page: &[Recorded],
    ) -> std::result::Result<Loaded<A::State>, DecodeError> {
        let Loaded { mut state, mut version, snapshot } = loaded;
        for recorded in page {
            state = A::evolve(state, &decode::<A::Event>(recorded, &self.upcasters)?);
            version = recorded.version;
        }
        Ok(Loaded { state, version, snapshot })
    }

    fn decide(
        &self,
        id: &str,
        from: Loaded<A::State>,
        command: &A::Command,
    ) -> std::result::Result<Decided<A::State>, HandleError<A::Rejection>> {
        let events = A::decide(&from.state, command).map_err(HandleError::Rejected)?;
        let messages = events.iter().flat_map(|event| A::messages(id, event)).collect();
        let encoded: serde_json::Result<Vec<NewEvent>> = events.iter().map(encode).collect();
        Ok(Decided {
            stream: self.stream(id),
            state: fold::<A>(from.state.clone(), &events),
            events: encoded.map_err(|error| HandleError::Ledger(Error::app(error)))?,
            messages,
            from,
        })
    }

    /// Loads, decides, appends and publishes inside a transaction of the caller's, together with whatever else it
    /// does.
    ///
    /// # Errors
    /// The rejection ([`Aggregate::Rejection`], through [`Error::app_as`]); [`Error::VersionConflict`] on an
    /// engine whose transactions run side by side.
    pub async fn execute(
        &self,
        tx: &mut Tx<'_>,
        id: &str,
        command: &A::Command,
    ) -> Result<Executed<A::State>> {
        let loaded = self.load_in(tx, id).await?;
        let decided = self.decide(id, loaded, command).map_err(|error| match error {
            HandleError::Rejected(rejection) => Error::app(rejection),
            HandleError::Ledger(error) => error,
            other => Error::app(other.to_string()),
        })?;
        append::<A>(tx, &decided, self.options).await
    }

    /// Handles one command: loads and decides outside the transaction, so that nobody waits for it, and appends
    /// guarded by the version that was loaded. When somebody else was faster it is decided anew.
    ///
    /// Dropped at any await, the events may still be appended, or not.
    ///
    /// # Errors
    /// After an error nothing has happened, except after [`Error::Indeterminate`].
    pub async fn handle(
        &self,
        cx: &Context,
        id: &str,
        command: &A::Command,
    ) -> std::result::Result<Executed<A::State>, HandleError<A::Rejection>> {
        for _ in 0..self.options.tries {
            let decided = Arc::new(self.decide(id, self.load(id).await?, command)?);
            if decided.events.is_empty() {
                let Loaded { state, version, .. } = decided.from.clone();
                return Ok(Executed { state, version, events: 0, position: 0 });
            }
            let options = self.options;
            let work = async move |tx: &mut Tx<'_>| append::<A>(tx, &decided, options).await;
            match self.ledger.transact(cx, work).await {
                Ok(executed) => return Ok(executed),
                Err(Error::VersionConflict { .. }) => {}
                Err(error) => return Err(HandleError::Ledger(error)),
            }
        }
        Err(HandleError::Contended { stream: self.stream(id), tries: self.options.tries })
    }
}

fn start<A: Aggregate>(snapshot: Snapshot<A::State>) -> Loaded<A::State> {
    let (version, state) = snapshot.unwrap_or_default();
    Loaded { state, version, snapshot: version }
}

async fn append<A: Aggregate>(
    tx: &mut Tx<'_>,
    decided: &Decided<A::State>,
    options: Options,
) -> Result<Executed<A::State>> {
    let Decided { stream, from, state, events, messages } = decided;
    if events.is_empty() {
        return Ok(Executed { state: state.clone(), version: from.version, events: 0, position: 0 });
    }
    let appended = tx.append(stream, Expected::Version(from.version), events).await?;
    for message in messages {
        tx.publish(message.clone()).await?;
    }
    if options.snapshot_every > 0 && appended.version - from.snapshot >= options.snapshot_every {
        snapshot::write::<A>(tx, stream, appended.version, state).await?;
    }
    let (version, position) = (appended.version, appended.position);
    Ok(Executed { state: state.clone(), version, events: events.len(), position })
}
