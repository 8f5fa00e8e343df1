//! What is done to a projection beside applying events: cleared, built anew, a parked stream taken up again. Every
//! one is one transaction that checks where the projection is, so it needs no agreement with the runner.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mamparo_context::Context;
use mamparo_ledger::{Ledger, ReadError, Result, StreamName, Tx, params};
use tokio::sync::{Notify, watch};

use crate::limits::RESUME_BATCH;
use crate::{Parked, Projection, Status, parked};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a runner and its handles share.
pub(crate) struct Keeper<P> {
    pub(crate) ledger: Ledger,
    pub(crate) projection: Arc<P>,
    pub(crate) name: Arc<str>,
    pub(crate) checkpoint: Arc<str>,
    pub(crate) status: watch::Sender<Status>,
    /// The checkpoint was moved by somebody else than the runner.
    pub(crate) moved: AtomicBool,
    pub(crate) nudge: Notify,
}

/// A keeper of any projection.
pub(crate) trait Care: Send + Sync {
    fn parked(&self) -> BoxFuture<'_, std::result::Result<Vec<Parked>, ReadError>>;
    fn rebuild(&self) -> BoxFuture<'_, Result<()>>;
    fn resume<'a>(&'a self, stream: &'a StreamName, skip: bool) -> BoxFuture<'a, Result<u64>>;
}

impl<P: Projection> Keeper<P> {
    pub(crate) async fn position(&self) -> Result<u64> {
        let checkpoint = Arc::clone(&self.checkpoint);
        let work = async move |tx: &mut Tx<'_>| tx.checkpoint(&checkpoint).await;
        self.ledger.transact(&Context::root(), work).await
    }

    /// Clears the read model if it was built with another version, or if `always`; answers with the checkpoint.
    pub(crate) async fn reset(&self, always: bool) -> Result<u64> {
        let (projection, name) = (Arc::clone(&self.projection), Arc::clone(&self.name));
        let checkpoint = Arc::clone(&self.checkpoint);
        let work = async move |tx: &mut Tx<'_>| {
            let select = "SELECT version FROM mamparo_projection WHERE name = ?1";
            let built =
                tx.query_one(select, params![name]).await?.map(|row| row.get::<u32>(0)).transpose()?;
            let version = projection.version();
            if built == Some(version) && !always {
                return tx.checkpoint(&checkpoint).await;
            }
            let write = match built {
                None => "INSERT INTO mamparo_projection (name, version) VALUES (?1, ?2)",
                Some(_) => "UPDATE mamparo_projection SET version = ?2 WHERE name = ?1",
            };
            tx.sql(write, params![name, version]).await?;
            projection.clear(tx).await?;
            let unpark = "DELETE FROM mamparo_projection_parked WHERE projection = ?1";
            tx.sql(unpark, params![name]).await?;
            tx.set_checkpoint(&checkpoint, 0).await?;
            Ok(0)
        };
        self.ledger.transact(&Context::root(), work).await
    }

    /// Applies the next events of a parked stream; answers with how many, and whether it is parked no more.
    async fn resume_some(&self, stream: &StreamName, skip: bool) -> Result<(u64, bool)> {
        let (projection, name) = (Arc::clone(&self.projection), Arc::clone(&self.name));
        let (checkpoint, stream) = (Arc::clone(&self.checkpoint), stream.clone());
        let work = async move |tx: &mut Tx<'_>| {
            let Some(version) = parked::version(tx, &name, &stream).await? else { return Ok((0, true)) };
            let position = tx.checkpoint(&checkpoint).await?;
            let events = tx.read_stream(&stream, version, RESUME_BATCH).await?;
            let mut next = version;
            // What lies beyond the checkpoint comes with the other events.
            for event in events.iter().take_while(|event| event.position <= position) {
                if !(skip && event.version == version) {
                    projection.apply(tx, event).await?;
                }
                next = event.version + 1;
            }
            let count = next - version;
            let done = count < RESUME_BATCH as u64;
            parked::advance(tx, &name, &stream, (!done).then_some(next)).await?;
            Ok((count, done))
        };
        self.ledger.transact(&Context::root(), work).await
    }

    pub(crate) async fn count_parked(&self) -> Result<()> {
        let parked = parked::count(&self.ledger, &self.name).await?;
        self.status.send_modify(|status| status.parked = parked);
        Ok(())
    }
}

impl<P: Projection> Care for Keeper<P> {
    fn parked(&self) -> BoxFuture<'_, std::result::Result<Vec<Parked>, ReadError>> {
        Box::pin(parked::list(&self.ledger, &self.name))
    }

    fn rebuild(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.reset(true).await?;
            self.status.send_modify(|status| {
                self.moved.store(true, Ordering::SeqCst);
                (status.parked, status.position) = (0, 0);
            });
            self.nudge.notify_one();
            Ok(())
        })
    }

    fn resume<'a>(&'a self, stream: &'a StreamName, skip: bool) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let mut applied = 0;
            let mut skip = skip;
            loop {
                let (count, done) = self.resume_some(stream, skip).await?;
                applied += count;
                skip = false;
                if done {
                    self.count_parked().await?;
                    return Ok(applied);
                }
            }
        })
    }
}
