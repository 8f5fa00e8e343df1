//! An open hub: its topics over one ledger, and the work that goes on when a caller has gone away.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use mamparo_context::{Clock, Context, Ids, Random, Timestamp};
use mamparo_ledger::{Error, Ledger, Result};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::error::OpenError;
use crate::keeper;
use crate::options::{self, TopicOptions};
use crate::schema::MIGRATIONS;
use crate::topics::Topics;

/// The embedded Log and Queue, in tables of its own in a ledger. Cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
    _keeper: Arc<Keeper>,
}

pub(crate) struct Inner {
    pub(crate) ledger: Ledger,
    pub(crate) topics: Topics,
    pub(crate) ids: Ids,
    /// What the hub's own transactions travel with.
    pub(crate) cx: Context,
    /// Wakes the keeper: something is due earlier than it knew.
    pub(crate) sooner: Notify,
}

/// The task that looks after leases and delays, for as long as the hub is held.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Hub {
    /// Opens a hub in `ledger` with these topics. Topics that the ledger holds beyond them keep what they hold,
    /// and cannot be used until they are declared again. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The topics make no sense together, or are other ones than the ledger holds under their names; the ledger
    /// cannot be read or written, or its hub tables are newer than this program.
    pub async fn open(ledger: Ledger, topics: Vec<TopicOptions>) -> Result<Self, OpenError> {
        options::check(&topics)?;
        ledger.migrate(MIGRATIONS).await?;
        let cx = Context::root();
        let topics = Topics::open(&ledger, &cx, topics).await?;
        let ids = Ids::new(ledger.clock().clone(), Random::system());
        let inner = Arc::new(Inner { ledger, topics, ids, cx, sooner: Notify::new() });
        let keeper = tokio::spawn(keeper::keep(Arc::clone(&inner)));
        Ok(Self { inner, _keeper: Arc::new(Keeper(keeper)) })
    }

    /// The clock by which leases and delays end.
    pub fn clock(&self) -> &Clock {
        self.inner.ledger.clock()
    }

    /// Looks at the clock now. Needed only where the clock is moved by hand.
    pub fn tick(&self) {
        self.inner.sooner.notify_one();
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        self.ledger.clock().wall()
    }
}

/// Runs `work` to its end even if the caller goes away: what a committed transaction has to tell others is told.
/// It begins here and now, so that calls made in order reach the ledger in order.
pub(crate) async fn to_the_end<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut work = Box::pin(work);
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        return done;
    }
    let task = tokio::spawn(work);
    task.await.unwrap_or_else(|error| Err(Error::Indeterminate(error.to_string())))
}
